/** Seeded randomness: the same seed gives the same run, on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The randomness of one of many runs, so that a run can be repeated without those before it. */
  static ofRun(seed: number, run: number): Random {
    return new Random(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(run + 1, 0xc2b2ae35));
  }

  /** 0 … 1, without 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number below `bound`. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  one<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }

  /** Up to `most` of them, each drawn anew. */
  many<T>(choices: readonly [T, ...T[]], most: number): T[] {
    return Array.from({ length: this.below(most + 1) }, () => this.one(choices));
  }

  /** A text cut into pieces at random places. */
  cut(text: string, most: number): string[] {
    const places = Array.from({ length: this.below(most + 1) }, () => this.below(text.length + 1)).sort(
      (a, b) => a - b,
    );
    const pieces: string[] = [];
    let from = 0;
    for (const place of [...places, text.length]) {
      if (place > from) pieces.push(text.slice(from, place));
      from = place;
    }
    return pieces;
  }
}
