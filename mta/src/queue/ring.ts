/** A thing that takes turns with others; it is in at most one ring. */
export interface RingMember<T> {
  ringNext: T | undefined;
  ringPrevious: T | undefined;
}

/** Who takes turns: a circular list whose head is next. All operations cost the same however many members there are. */
export class Ring<T extends RingMember<T>> {
  #head: T | undefined;

  get head(): T | undefined {
    return this.#head;
  }

  /** The member waits for its turn behind all others. */
  join(member: T): void {
    const head = this.#head;
    const tail = head?.ringPrevious;
    if (head === undefined || tail === undefined) {
      member.ringNext = member;
      member.ringPrevious = member;
      this.#head = member;
      return;
    }
    member.ringNext = head;
    member.ringPrevious = tail;
    tail.ringNext = member;
    head.ringPrevious = member;
  }

  leave(member: T): void {
    const { ringNext: next, ringPrevious: previous } = member;
    if (next === undefined || previous === undefined) return;
    if (next === member) this.#head = undefined;
    else {
      previous.ringNext = next;
      next.ringPrevious = previous;
      if (this.#head === member) this.#head = next;
    }
    member.ringNext = undefined;
    member.ringPrevious = undefined;
  }

  /** The head goes to the end. */
  rotate(): void {
    this.#head = this.#head?.ringNext;
  }
}
