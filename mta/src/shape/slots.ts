import { ClientMap } from './client-map.ts';
import type { ClientId } from './effect.ts';
import { Heap } from './heap.ts';
import { goesBefore, type InLine, rankMs } from './turn-order.ts';

/** One connection that a client wants: one slot of every key. */
export interface SlotDemand extends InLine {
  readonly client: ClientId;
  /** Chosen by the client. */
  readonly id: number;
  /** In the order in which they may be claimed. */
  readonly keys: readonly Slots[];
  readonly priority: number;
  readonly sinceMs: number;
  readonly registeredAtMs: number;
  /** So many of the first keys are claimed: counted as in use and waiting for the rest. */
  claimed: number;
  waitingAt: Slots | undefined;
}

/** Slots of one key: how many are in use, by whom, and who waits. */
export class Slots {
  readonly keyId: string;
  bound: number;
  inUse = 0;
  /** At most one demand may hold a slot that it cannot use yet. */
  claimant: SlotDemand | undefined;
  /** Open demands that name it, wherever they wait: they must find it again. */
  named = 0;
  /** Its holders were told that somebody waits. */
  wanted = false;
  readonly heldBy = new ClientMap<number>();
  #waiting = 0;
  readonly #lines = new ClientMap<Heap<SlotDemand>>();
  readonly #lastGrantMs = new ClientMap<number>();

  constructor(keyId: string, bound: number) {
    this.keyId = keyId;
    this.bound = bound;
  }

  get free(): boolean {
    return this.inUse < this.bound;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get atRest(): boolean {
    return this.inUse === 0 && this.named === 0;
  }

  occupy(client: ClientId, nowMs: number): void {
    this.heldBy.set(client, (this.heldBy.get(client) ?? 0) + 1);
    if (this.#waiting > 0 || !this.free) this.#lastGrantMs.set(client, nowMs);
  }

  vacate(client: ClientId): void {
    this.inUse--;
    const held = (this.heldBy.get(client) ?? 0) - 1;
    if (held > 0) this.heldBy.set(client, held);
    else this.heldBy.delete(client);
    if (this.inUse === 0 && this.#waiting === 0) this.#lastGrantMs.clear();
  }

  enqueue(demand: SlotDemand): void {
    let line = this.#lines.get(demand.client);
    if (line === undefined) {
      line = new Heap<SlotDemand>(goesBefore);
      this.#lines.set(demand.client, line);
    }
    line.push(demand);
    this.#waiting++;
  }

  dequeue(demand: SlotDemand): void {
    const line = this.#lines.get(demand.client);
    if (line?.delete(demand) !== true) return;
    this.#waiting--;
    if (line.size === 0) this.#lines.delete(demand.client);
  }

  /**
   * The demand that is next. Between clients the one that was served longest ago counts as the oldest, so that a client with a
   * backlog of hours takes turns with one whose mail is new; inside a client the order is class, then age.
   */
  next(): SlotDemand | undefined {
    let best: SlotDemand | undefined;
    for (const [, line] of this.#lines) {
      const head = line.first;
      if (head !== undefined && (best === undefined || this.#goesBefore(head, best))) best = head;
    }
    return best;
  }

  /** Whether a demand that is not in line here may take a slot: one is free and it is nobody else's turn. */
  admits(demand: SlotDemand): boolean {
    if (!this.free) return false;
    const next = this.next();
    return next === undefined || this.#goesBefore(demand, next);
  }

  #goesBefore(one: SlotDemand, other: SlotDemand): boolean {
    if (one.client === other.client) return goesBefore(one, other);
    const oneMs = this.#turnMs(one);
    const otherMs = this.#turnMs(other);
    return oneMs < otherMs || (oneMs === otherMs && goesBefore(one, other));
  }

  #turnMs({ client, priority, sinceMs }: SlotDemand): number {
    const servedMs = this.#lastGrantMs.get(client) ?? Number.NEGATIVE_INFINITY;
    return rankMs(priority, Math.max(sinceMs, servedMs));
  }
}
