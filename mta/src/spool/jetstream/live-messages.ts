/** What is known of a message of the segment that is not over. */
interface Live {
  readonly id: string;
  readonly groups: number;
  /** Sequence of the first part of its body, or its own: nothing from there on may be purged. */
  readonly firstSequence: number;
  /** Groups that are done; most messages have one group and never need it. */
  done: Set<number> | undefined;
}

/** How an outcome fits what is stored. */
export type Fit = 'live' | 'done' | 'mismatch';

/** Messages of one segment that are not over, by sequence. */
export class LiveMessages {
  readonly #bySequence = new Map<number, Live>();
  #lastAdded = 0;
  /** Messages came out of order (the stream's leader moved): the first one is not the lowest. */
  #unordered = false;

  get size(): number {
    return this.#bySequence.size;
  }

  add(sequence: number, id: string, groups: number, firstSequence: number, done?: Set<number>): void {
    if (sequence < this.#lastAdded) this.#unordered = true;
    else this.#lastAdded = sequence;
    this.#bySequence.set(sequence, { id, groups, firstSequence, done });
  }

  /** Whether a message with this id is here; `''` = any. */
  holds(sequence: number, id: string): boolean {
    const live = this.#bySequence.get(sequence);
    return live !== undefined && (id === '' || live.id === id);
  }

  fit(sequence: number, id: string, group: number): Fit {
    const live = this.#bySequence.get(sequence);
    if (live === undefined || live.id !== id || !(group < live.groups)) return 'mismatch';
    return live.done?.has(group) === true ? 'done' : 'live';
  }

  /** A group is done; with the last one the message is over. */
  done(sequence: number, group: number): void {
    const live = this.#bySequence.get(sequence);
    if (live === undefined) return;
    if (live.groups > 1) {
      live.done ??= new Set();
      live.done.add(group);
      if (live.done.size < live.groups) return;
    }
    this.#bySequence.delete(sequence);
  }

  remove(sequence: number): void {
    this.#bySequence.delete(sequence);
  }

  /** The lowest sequence that something alive needs; `undefined` = nothing is alive. */
  get lowest(): number | undefined {
    if (!this.#unordered) {
      for (const { firstSequence } of this.#bySequence.values()) return firstSequence;
      return undefined;
    }
    let lowest: number | undefined;
    for (const { firstSequence } of this.#bySequence.values()) {
      if (lowest === undefined || firstSequence < lowest) lowest = firstSequence;
    }
    if (lowest === undefined) this.#unordered = false;
    return lowest;
  }
}
