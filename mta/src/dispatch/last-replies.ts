import type { Reply } from '../spool/mod.ts';

/** Groups whose last reply is remembered; the oldest are forgotten first. */
export const MAX_LAST_REPLIES = 20_000;

/**
 * What the last attempt of deferred groups was answered, for the report on those that expire. In memory and bounded: the index has
 * no room for it. What the store keeps of it comes back after a restart.
 */
export class LastReplies {
  readonly #replies = new Map<string, Reply>();
  /** Goes on where it was: a new one would step over everything that was deleted, each time. */
  #oldest = this.#replies.keys();

  get(sequence: number, group: number): Reply | undefined {
    return this.#replies.get(keyOf(sequence, group));
  }

  set(sequence: number, group: number, reply: Reply): void {
    const key = keyOf(sequence, group);
    this.#replies.delete(key);
    this.#replies.set(key, reply);
    if (this.#replies.size > MAX_LAST_REPLIES) this.#forgetOldest();
  }

  /** Cheap when there are none: called for every message. */
  delete(sequence: number, group: number): void {
    if (this.#replies.size > 0) this.#replies.delete(keyOf(sequence, group));
  }

  #forgetOldest(): void {
    let oldest = this.#oldest.next();
    if (oldest.done === true) {
      this.#oldest = this.#replies.keys();
      oldest = this.#oldest.next();
    }
    if (oldest.done !== true) this.#replies.delete(oldest.value);
  }
}

/** Sequences of a shared store take 48 bits: with the group they would not fit into a number. */
function keyOf(sequence: number, group: number): string {
  return `${sequence} ${group}`;
}
