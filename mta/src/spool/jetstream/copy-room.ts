/** Copies that a process has under way at a time: each has a message in memory. */
const COPIES_AT_A_TIME = 64;

/** Messages that the segments of a process are copying to DEFER now. */
export class CopyRoom {
  #free = COPIES_AT_A_TIME;

  get hasRoom(): boolean {
    return this.#free > 0;
  }

  take(): void {
    this.#free--;
  }

  /** To be called once for each `take`, however the copy ended. */
  giveBack(): void {
    this.#free++;
  }
}
