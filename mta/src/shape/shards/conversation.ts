import { MAX_OPERATIONS } from './shard-message.ts';

/** A batch that is not acknowledged is sent again after this long, then twice as long, … */
export const RESEND_AFTER_MS = 250;
/** … and at least this often. */
export const RESEND_AT_MOST_AFTER_MS = 2_000;

/**
 * Who has not acknowledged for this long counts as unreachable: a pod goes on with what it holds of the leader's limits, a leader gives slots to
 * others.
 */
export const UNREACHABLE_AFTER_MS = 1_000;

/** The other side has been heard this recently: what is said now surely arrives, unless it vanishes in this very moment. */
export const HEARD_WITHIN_MS = 50;

export interface Batch<Item> {
  readonly number: number;
  readonly ack: number;
  readonly items: readonly Item[];
}

interface UnderWay<Item> {
  readonly number: number;
  readonly items: readonly Item[];
  readonly firstSentAtMs: number;
  sentAtMs: number;
  waitMs: number;
}

/**
 * One side of a conversation in which nothing is lost, doubled or overtaken though the network does all of it: one batch is under way, it is
 * sent again until its number is acknowledged, and a number is taken only once. What is said meanwhile goes with the next batch.
 */
export class Conversation<Out, In> {
  readonly #pending: Out[] = [];
  /** Of those, what only leaves when the other side was heard just now. */
  readonly #careful = new Set<Out>();
  #underWay: UnderWay<Out> | undefined;
  #lastNumber = 0;
  #received = 0;
  #ackOwed = false;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  /** The batch that left last was empty. */
  #asking = false;
  readonly #tickMs: number;

  /** `tickMs`: two batches leave at least so far apart. */
  constructor(tickMs: number) {
    this.#tickMs = tickMs;
  }

  say(item: Out): void {
    this.#pending.push(item);
  }

  /**
   * Says what must not be under way for long without arriving (a slot that is in the air serves nobody): it leaves only when the other side was
   * heard just now, if need be because an empty batch asked whether it is there. Until then it can be taken back.
   */
  sayCarefully(item: Out): void {
    this.#pending.push(item);
    this.#careful.add(item);
  }

  /** Takes back what has not left yet. */
  unsay(item: Out): boolean {
    const index = this.#pending.lastIndexOf(item);
    if (index < 0) return false;
    this.#pending.splice(index, 1);
    this.#careful.delete(item);
    return true;
  }

  /** Of the batch that left last: while it stands, nothing that was said since has left. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  /** Everything that was said has arrived. */
  get settled(): boolean {
    return this.#underWay === undefined && this.#pending.length === 0;
  }

  /** Nothing that is said carefully waits any more. */
  get settledCarefully(): boolean {
    return this.#careful.size === 0;
  }

  /** How long the batch under way has been waiting for its acknowledgement; 0 = none is. */
  unansweredMs(nowMs: number): number {
    return this.#underWay === undefined ? 0 : nowMs - this.#underWay.firstSentAtMs;
  }

  /** Returns what is new in it, in order. */
  receive({ number, ack, items }: Batch<In>, nowMs: number): readonly In[] {
    this.#heardAtMs = nowMs;
    if (this.#underWay !== undefined && ack >= this.#underWay.number) this.#underWay = undefined;
    if (number === 0) return [];
    this.#ackOwed = true;
    if (number !== this.#received + 1) return [];
    this.#received = number;
    return items;
  }

  /** When `next` has something; Infinity = not by time alone. */
  nextAtMs(): number {
    if (this.#ackOwed) return Number.NEGATIVE_INFINITY;
    if (this.#underWay !== undefined) return this.#underWay.sentAtMs + this.#underWay.waitMs;
    return this.#pending.length === 0 ? Number.POSITIVE_INFINITY : this.#pendingAtMs();
  }

  /** What must be sent now. */
  next(nowMs: number): Batch<Out> | undefined {
    const underWay = this.#underWay;
    if (underWay === undefined) {
      if (this.#pending.length > 0 && nowMs >= this.#pendingAtMs()) return this.#sendPending(nowMs);
    } else if (nowMs >= underWay.sentAtMs + underWay.waitMs) {
      underWay.sentAtMs = nowMs;
      underWay.waitMs = Math.min(2 * underWay.waitMs, RESEND_AT_MOST_AFTER_MS);
      return this.#batch(underWay.number, underWay.items);
    }
    return this.#ackOwed ? this.#batch(0, []) : undefined;
  }

  #sendPending(nowMs: number): Batch<Out> {
    const items = this.#pending.splice(0, Math.min(MAX_OPERATIONS, this.#mayLeave(nowMs)));
    if (this.#careful.size > 0) for (const item of items) this.#careful.delete(item);
    this.#asking = items.length === 0;
    const number = ++this.#lastNumber;
    this.#underWay = { number, items, firstSentAtMs: nowMs, sentAtMs: nowMs, waitMs: RESEND_AFTER_MS };
    this.#sentAtMs = nowMs;
    return this.#batch(number, items);
  }

  /** When what is pending may leave: an empty batch asks whether the other side is there, and what waited for the answer follows at once. */
  #pendingAtMs(): number {
    return this.#asking ? Number.NEGATIVE_INFINITY : this.#sentAtMs + this.#tickMs;
  }

  /** So many of what is pending. */
  #mayLeave(nowMs: number): number {
    const { length } = this.#pending;
    if (this.#careful.size === 0 || nowMs - this.#heardAtMs < HEARD_WITHIN_MS) return length;
    const index = this.#pending.findIndex((item) => this.#careful.has(item));
    return index < 0 ? length : index;
  }

  #batch(number: number, items: readonly Out[]): Batch<Out> {
    this.#ackOwed = false;
    return { number, ack: this.#received, items };
  }
}
