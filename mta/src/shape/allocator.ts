import type { Bounds } from '@sluice/crds';
import { burstOf, isSlow, ratePerMs } from './burst.ts';
import type { AllocatorEffect, ClientId, LeasePart } from './effect.ts';
import { Heap } from './heap.ts';
import type { KeyView } from './key-view.ts';
import { type BoundsInForce, boundsInForce, RATE_NAMES, type RateName } from './limit-key.ts';
import { type HeldPart, type RateDemand, RateShare } from './rate-share.ts';
import { SlotBook } from './slot-book.ts';
import { type SlotDemand, Slots } from './slots.ts';
import { rankMs } from './turn-order.ts';

/** Keys at rest are looked for no more often than this, while others are used. */
export const SWEEP_EVERY_MS = 10_000;

/** A key as a client names it. */
export interface AllocatorKey extends BoundsInForce {
  readonly id: string;
  /** A key without a destination (source, tenant alone): never claimed before keys of the destination. */
  readonly broad: boolean;
}

/** Who wants and since when; the span is the client's own measure. */
export interface Urgency {
  /** Higher goes first. */
  readonly priority: number;
  readonly waitedMs: number;
}

export interface AllocatorOptions {
  /** Numbers of grants begin above this: an allocator that follows another one must not use a number twice. */
  readonly grantsAfter?: number;
}

interface KeyState {
  readonly id: string;
  readonly broad: boolean;
  inForce: BoundsInForce;
  readonly slots: Slots;
  readonly rates: Partial<Record<RateName, RateShare>>;
}

interface Planned {
  atMs: number;
  readonly share: RateShare;
}

/**
 * Shares limits among clients (pods): slots one by one, rates as parts of the rate.
 *
 * It decides and does nothing else: time and demands come in, {@link AllocatorEffect}s come out of `drain()`, in the order in which they
 * must reach each client. No I/O, no clock, no randomness: two allocators fed with the same calls say the same.
 *
 * The claim: the slots that clients may use never exceed `connections`, and over all clients no more leaves in any window of w ms than
 * `rate × w + max(burst, largest single cost)`. What a client holds counts until it is given back or the client is removed; so a client may
 * be removed only when it surely spends no more (its session is fenced).
 *
 * Example: `allocator.demandSlots('pod-1', 7, [key], { priority: 0, waitedMs: 0 }, nowMs)`, then `drain()` holds
 * `{ type: 'slots', client: 'pod-1', demand: 7, grant: 1 }`, or `queued` and later `slots`.
 */
export class Allocator {
  readonly #keys = new Map<string, KeyState>();
  readonly #book: SlotBook;
  #effects: AllocatorEffect[] = [];
  readonly #plans = new Heap<Planned>((one, other) => one.atMs < other.atMs);
  readonly #planOf = new Map<RateShare, Planned>();
  #sequence = 0;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  /** Since when everything that was given out is known; before it somebody else may have emptied any bucket. */
  #knowsSinceMs = Number.NEGATIVE_INFINITY;

  constructor({ grantsAfter = 0 }: AllocatorOptions = {}) {
    this.#book = new SlotBook((effect) => this.#effects.push(effect), grantsAfter);
  }

  /** A client tells a new allocator which slots it holds. Bounds may be exceeded by it: they drain. */
  restoreSlots(client: ClientId, grant: number, keys: readonly AllocatorKey[], nowMs: number): void {
    const states = keys.map((key) => this.#state(key, nowMs));
    this.#book.restore(
      client,
      grant,
      states.map(({ slots }) => slots),
      nowMs,
    );
  }

  /** A client tells a new allocator which part of a rate it holds. */
  restoreRate(client: ClientId, key: AllocatorKey, name: RateName, part: HeldPart, nowMs: number): void {
    this.#state(key, nowMs).rates[name]?.restore(client, part, nowMs);
  }

  /** What was spent in advance under a former allocator and is not paid back yet: `level` is below zero. */
  restoreDebt(key: AllocatorKey, name: RateName, level: number, nowMs: number): void {
    this.#state(key, nowMs).rates[name]?.owe(level, nowMs);
  }

  /**
   * Every client has told what it holds: from now on this allocator knows all. What its buckets held before nobody knows, so they begin empty
   * (debts stay); a slow rate begins full, because {@link setLevel} says what is left of it before it is given to anybody.
   */
  begin(nowMs: number): void {
    this.#knowsSinceMs = nowMs;
    for (const { rates } of this.#keys.values()) for (const name of RATE_NAMES) rates[name]?.begin(nowMs);
  }

  /** What is left of a slow rate as it was written down before it was given. */
  setLevel(key: AllocatorKey, name: RateName, level: number, nowMs: number): void {
    const share = this.#state(key, nowMs).rates[name];
    if (share === undefined) return;
    share.setLevel(level, nowMs);
    this.#replan(share);
  }

  /** Makes the bounds of a key known, or changed ones. Lowered slots drain as they are released; raised ones wake who waits. */
  bind(key: AllocatorKey, nowMs: number): void {
    this.#state(key, nowMs);
  }

  /** Asks for one slot of every key, all or nothing. `id` is the client's; asking again with it starts anew. */
  demandSlots(
    client: ClientId,
    id: number,
    keys: readonly AllocatorKey[],
    urgency: Urgency,
    nowMs: number,
  ): void {
    const states = keys.map((key) => this.#state(key, nowMs)).sort(inClaimOrder);
    const sinceMs = nowMs - urgency.waitedMs;
    const demand: SlotDemand = {
      client,
      id,
      keys: states.map((state) => state.slots),
      priority: urgency.priority,
      sinceMs,
      registeredAtMs: nowMs,
      rankMs: rankMs(urgency.priority, sinceMs),
      sequence: ++this.#sequence,
      claimed: 0,
      waitingAt: undefined,
    };
    this.#book.demand(demand, nowMs);
  }

  cancelSlots(client: ClientId, id: number, nowMs: number): void {
    this.#book.cancel(client, id, nowMs);
  }

  /** May be repeated: a grant is given back once. */
  releaseSlots(client: ClientId, grant: number, nowMs: number): void {
    this.#book.release(client, grant, nowMs);
  }

  /** Tells what a client wants of a rate; stands until it is replaced, served whole, or taken back with `units: 0`. */
  demandRate(
    client: ClientId,
    key: AllocatorKey,
    name: RateName,
    demand: Urgency & Pick<RateDemand, 'cost' | 'units'>,
    nowMs: number,
  ): void {
    const share = this.#state(key, nowMs).rates[name];
    if (share === undefined) return;
    const { cost, units, priority, waitedMs } = demand;
    share.demand(client, { cost, units, priority, sinceMs: nowMs - waitedMs }, nowMs);
    this.#replan(share);
  }

  /** A part of a lease comes back: recalled, spent (`once`) or idle. */
  giveBack(client: ClientId, keyId: string, name: RateName, part: LeasePart, nowMs: number): void {
    const share = this.#keys.get(keyId)?.rates[name];
    if (share === undefined) return;
    share.giveBack(client, part, nowMs);
    this.#replan(share);
  }

  /** Everything of a client comes back: its session ended or was fenced. */
  removeClient(client: ClientId, nowMs: number): void {
    this.#book.removeClient(client, nowMs);
    for (const { rates } of this.#keys.values()) {
      for (const name of RATE_NAMES) {
        const share = rates[name];
        if (share === undefined) continue;
        share.removeClient(client, nowMs);
        this.#replan(share);
      }
    }
  }

  /** Does what only the passing of time brings. */
  advance(nowMs: number): void {
    for (let due = this.#plans.first; due !== undefined && due.atMs <= nowMs; due = this.#plans.first) {
      due.share.plan(nowMs);
      this.#replan(due.share);
    }
    this.#sweep(nowMs);
  }

  /** When `advance` has something to do; `undefined` = not by time alone. */
  nextAtMs(): number | undefined {
    return this.#plans.first?.atMs;
  }

  /** What was decided since the last call. */
  drain(): readonly AllocatorEffect[] {
    if (this.#effects.length === 0) return NOTHING;
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Keys that are not at rest. */
  get size(): number {
    return this.#keys.size;
  }

  inspect(keyId: string): { readonly connections: number; readonly waiting: number } | undefined {
    const state = this.#keys.get(keyId);
    if (state === undefined) return undefined;
    let waiting = state.slots.waiting;
    for (const name of RATE_NAMES) waiting += state.rates[name]?.waiting ?? 0;
    return { connections: state.slots.inUse, waiting };
  }

  /** All that is known of a key; `undefined` = it is at rest: nothing of it is held or wanted. */
  look(keyId: string, nowMs: number): KeyView | undefined {
    const state = this.#keys.get(keyId);
    if (state === undefined) return undefined;
    const { bound, inUse, waiting, heldBy } = state.slots;
    const rates = RATE_NAMES.map((name) => state.rates[name]?.view(nowMs)).filter(
      (rate) => rate !== undefined,
    );
    if (bound === Number.POSITIVE_INFINITY) return { rates };
    const holders = Array.from(heldBy, ([client, count]) => ({ client, count }));
    return { connections: { bound, inUse, holders, waiting }, rates };
  }

  #state(key: AllocatorKey, nowMs: number): KeyState {
    const known = this.#keys.get(key.id);
    if (known !== undefined) {
      const inForce = boundsInForce(known.inForce, key);
      if (inForce !== known.inForce) this.#rebind(known, inForce, nowMs);
      return known;
    }
    const inForce = { bounds: key.bounds, generation: key.generation };
    const state: KeyState = {
      id: key.id,
      broad: key.broad,
      inForce,
      slots: new Slots(key.id, key.bounds.connections ?? Number.POSITIVE_INFINITY),
      rates: {},
    };
    this.#keys.set(key.id, state);
    this.#setRates(state, nowMs);
    return state;
  }

  #rebind(state: KeyState, inForce: BoundsInForce, nowMs: number): void {
    state.inForce = inForce;
    state.slots.bound = inForce.bounds.connections ?? Number.POSITIVE_INFINITY;
    this.#setRates(state, nowMs);
    this.#book.serve(state.slots, nowMs);
  }

  #setRates(state: KeyState, nowMs: number): void {
    const { bounds } = state.inForce;
    for (const name of RATE_NAMES) {
      const rate = bounds[name];
      const share = state.rates[name];
      if (rate === undefined) {
        if (share !== undefined) this.#dropRate(state, name, share);
      } else if (share === undefined) {
        state.rates[name] = this.#newShare(state.id, name, bounds, nowMs);
      } else {
        share.setBounds(ratePerMs(rate), burstOf(bounds, name), nowMs);
        this.#replan(share);
      }
    }
  }

  #newShare(keyId: string, name: RateName, bounds: Bounds, nowMs: number): RateShare {
    const rate = bounds[name];
    const perMs = rate === undefined ? Number.POSITIVE_INFINITY : ratePerMs(rate);
    const address = { keyId, rate: name };
    const burst = burstOf(bounds, name);
    const emit = (effect: AllocatorEffect): void => {
      this.#effects.push(effect);
    };
    const share = new RateShare(address, perMs, burst, emit, nowMs);
    const sinceMs = nowMs - this.#knowsSinceMs;
    if (!isSlow(perMs) && sinceMs * perMs < burst) share.setLevel(sinceMs * perMs, nowMs);
    return share;
  }

  #dropRate(state: KeyState, name: RateName, share: RateShare): void {
    delete state.rates[name];
    const planned = this.#planOf.get(share);
    if (planned === undefined) return;
    this.#plans.delete(planned);
    this.#planOf.delete(share);
  }

  #replan(share: RateShare): void {
    const planned = this.#planOf.get(share);
    if (share.planAtMs === Number.POSITIVE_INFINITY) {
      if (planned === undefined) return;
      this.#plans.delete(planned);
      this.#planOf.delete(share);
      return;
    }
    if (planned === undefined) {
      const fresh = { atMs: share.planAtMs, share };
      this.#planOf.set(share, fresh);
      this.#plans.push(fresh);
    } else if (planned.atMs !== share.planAtMs) {
      planned.atMs = share.planAtMs;
      this.#plans.push(planned);
    }
  }

  #sweep(nowMs: number): void {
    if (nowMs < this.#sweptAtMs + SWEEP_EVERY_MS) return;
    this.#sweptAtMs = nowMs;
    for (const [id, state] of this.#keys) {
      if (!state.slots.atRest || !RATE_NAMES.every((name) => state.rates[name]?.atRest(nowMs) ?? true))
        continue;
      this.#keys.delete(id);
    }
  }
}

const NOTHING: readonly AllocatorEffect[] = [];

function inClaimOrder(one: KeyState, other: KeyState): number {
  if (one.broad !== other.broad) return one.broad ? 1 : -1;
  return one.id < other.id ? -1 : 1;
}
