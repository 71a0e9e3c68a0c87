/** Lets at most so many pass at a time. So many others wait in line, first come, first served; more are turned away. */
export class Turnstile {
  readonly #maxWaiting: number;
  /** A Set keeps the order and drops its first in constant time, whatever its length. */
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(places: number, maxWaiting: number) {
    this.#free = places;
    this.#maxWaiting = maxWaiting;
  }

  /** Resolves `undefined`, with `work` undone, when the line is full. */
  async pass<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#free > 0) this.#free--;
    else if (this.#waiting.size >= this.#maxWaiting) return undefined;
    else await new Promise<void>((enter) => this.#waiting.add(enter));
    try {
      return await work();
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#free++;
      else {
        this.#waiting.delete(next);
        next();
      }
    }
  }
}
