/** What is over may hold room for so many items in DEFER in each segment, however little lives there. */
export const MIN_HOLES = 64;

/**
 * When the survivors of a segment in DEFER are copied to its end once more, so that everything before them can be purged: DEFER is purged from
 * its beginning only, and one message that waits for days would keep all that came and went behind it. A generation begins when more than half
 * of what lies there is over, so a message that is over costs at most one copy of another one. Pure.
 */
export class DeferGeneration {
  #upTo = 0;

  /** Survivors up to this sequence are to be copied; 0 = none are. */
  get upTo(): number {
    return this.#upTo;
  }

  /** `items`: what lies in DEFER, parts and markers too; `live`: those of them that are needed; `tail`: the last sequence of the segment. */
  look(items: number, live: number, tail: number): void {
    if (this.#upTo === 0 && live > 0 && items > 2 * live + MIN_HOLES) this.#upTo = tail;
  }

  /** Where the first message that lives lies now; `undefined` = there is none. */
  survives(sequence: number | undefined): void {
    if (sequence === undefined || sequence > this.#upTo) this.#upTo = 0;
  }
}
