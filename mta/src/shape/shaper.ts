import type { Bounds } from '@sluice/crds';
import { type Allocation, type AllocationPort, InProcessAllocation } from './allocation-port.ts';
import { Allocator } from './allocator.ts';
import type { ConnectionGrant, Refusal, Shaper, TransactionCost, Waiter } from './contract.ts';
import type { AllocatorEffect, ClientId } from './effect.ts';
import { HeldKey } from './held-key.ts';
import { HeldKeys, podKeyId, type ResolvedKeys } from './held-keys.ts';
import type { HeldRate } from './held-rate.ts';
import type { LookedKey } from './key-view.ts';
import type { BoundName, KeySet, LimitKey } from './limit-key.ts';
import { KEEP_AFTER_MS, Registration } from './registration.ts';
import { SlotLines, type SlotSignals } from './slot-lines.ts';
import { TokenLines } from './token-lines.ts';
import { WakeList } from './wake-list.ts';

/**
 * `onSlotWanted`: somebody waits for a slot of a key of which this pod holds some, so that an idle session that holds it should close. Told
 * again whenever one more waits or a freed slot was not enough. `onSlotServed`: nobody waits for it any more.
 */
export interface ShaperOptions extends SlotSignals {
  /** Name of this pod towards the allocator. */
  readonly client?: ClientId;
  /** The way to the allocator that several pods share; absent = one of its own, in-process. */
  readonly allocation?: Allocation | undefined;
  /** Something came from the allocator between two calls: `advance` may have something to do sooner. */
  readonly onArrived?: (() => void) | undefined;
}

/** While nothing may be started, it is looked this often whether it may again, if nobody tells. */
export const HELD_LOOK_MS = 250;

/** Name of the only pod of a process. */
const ONLY_CLIENT = 'pod';

interface HeldConnection {
  readonly grant: number | undefined;
  readonly keys: readonly HeldKey[];
}

const ONE_CONNECTION: TransactionCost = { recipients: 1, sizeBytes: 1 };
const GRANTED = { granted: true } as const;

/**
 * The shaper of one pod, with an allocator that is called directly.
 *
 * Example:
 * ```ts
 * const shaper = createShaper({ onSlotWanted: (key) => lanes.wantSlot(key.id) });
 * const slots = shaper.takeConnection(keys, waiter, nowMs);
 * if (!slots.granted) return; // `waiter.wake` is called when it may try again
 * ```
 */
export function createShaper(options: ShaperOptions = {}): Shaper {
  return new PodShaper(options);
}

class PodShaper implements Shaper {
  readonly #client: ClientId;
  readonly #port: AllocationPort;
  readonly #held: HeldKeys;
  readonly #tokens: TokenLines;
  readonly #slots: SlotLines;
  readonly #wakes = new WakeList();
  readonly #registrations = new Map<Waiter, Registration>();
  readonly #connections = new Map<string, HeldConnection>();
  /** Refused because nothing may be started: not even what is held may be spent. */
  readonly #onHold = new Set<Registration>();
  #sequence = 0;
  /** The latest time that was handed in. */
  #nowMs = 0;

  constructor(options: ShaperOptions) {
    const client = options.client ?? ONLY_CLIENT;
    const allocation = options.allocation ?? new InProcessAllocation(new Allocator());
    const wake = (registration: Registration): void => this.#wakes.add(registration);
    this.#client = client;
    this.#port = allocation.join(
      client,
      (effect, nowMs) => this.#receive(effect, nowMs),
      options.onArrived ?? (() => {}),
    );
    this.#tokens = new TokenLines(this.#port, wake);
    this.#held = new HeldKeys(client, this.#port, this.#tokens);
    this.#slots = new SlotLines(this.#port, this.#held, wake, options);
  }

  takeTransaction(
    keys: KeySet,
    cost: TransactionCost,
    waiter: Waiter,
    nowMs: number,
  ): { readonly granted: true } | Refusal {
    this.#nowMs = nowMs;
    if (nowMs >= this.#port.heldFromMs()) {
      const [first] = keys.keys;
      if (first !== undefined) return this.#hold(first, 'messageRate', waiter, nowMs);
    }
    const rates = this.#held.resolve(keys, nowMs).transactionRates;
    for (const rate of rates) {
      if (!rate.hasAtOnce(rate.unitsOf(cost), nowMs)) return this.#takeTokens(rates, cost, waiter, nowMs);
    }
    for (const rate of rates) rate.spend(rate.unitsOf(cost));
    if (this.#registrations.size > 0) this.cancel(waiter);
    return GRANTED;
  }

  takeConnection(keys: KeySet, waiter: Waiter, nowMs: number): ConnectionGrant | Refusal {
    this.#nowMs = nowMs;
    if (nowMs >= this.#port.heldFromMs()) {
      const [first] = keys.keys;
      if (first !== undefined) return this.#hold(first, 'connections', waiter, nowMs);
    }
    const set = this.#held.resolve(keys, nowMs);
    const registration = this.#registration(waiter, nowMs);
    const result = this.#takeSlots(keys, set, registration, nowMs);
    this.#slots.tell();
    return result;
  }

  release(grant: ConnectionGrant, nowMs: number): void {
    this.#nowMs = nowMs;
    const connection = this.#connections.get(grant.id);
    if (connection === undefined) return;
    this.#connections.delete(grant.id);
    for (const key of connection.keys) {
      key.connections--;
      key.usedAtMs = nowMs;
    }
    if (connection.grant !== undefined) this.#port.releaseSlots(connection.grant, nowMs);
    this.#finish(nowMs);
  }

  cancel(waiter: Waiter): void {
    const registration = this.#registrations.get(waiter);
    if (registration !== undefined) this.#forget(registration, this.#nowMs);
  }

  updateBounds(keyId: string, bounds: Bounds, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#held.updateBounds(keyId, bounds, nowMs);
    this.#tokens.advance(nowMs);
    this.#finish(nowMs);
  }

  nextWakeAtMs(): number | undefined {
    if (this.#wakes.waiting) return this.#nowMs;
    const planAtMs = this.#port.nextAtMs() ?? Number.POSITIVE_INFINITY;
    const lookAtMs = this.#onHold.size > 0 ? this.#nowMs + HELD_LOOK_MS : Number.POSITIVE_INFINITY;
    const atMs = Math.min(this.#tokens.nextAtMs(), this.#wakes.nextAtMs(), planAtMs, lookAtMs);
    return atMs === Number.POSITIVE_INFINITY ? undefined : atMs;
  }

  advance(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#port.advance(nowMs);
    for (let late = this.#wakes.overdue(nowMs); late !== undefined; late = this.#wakes.overdue(nowMs)) {
      this.#forget(late, nowMs);
    }
    this.#tokens.advance(nowMs);
    this.#held.sweep(nowMs);
    if (this.#onHold.size > 0 && nowMs < this.#port.heldFromMs()) {
      for (const registration of this.#onHold) this.#wakes.add(registration);
      this.#onHold.clear();
    }
    this.#finish(nowMs);
  }

  look(limit: LimitKey, nowMs: number): LookedKey {
    const held = this.#held.find(limit.id);
    const id = limit.scope === 'Pod' ? podKeyId(this.#client, limit.id) : limit.id;
    const led = this.#port.look(held ?? new HeldKey(id, limit, nowMs), nowMs);
    return held === undefined ? { led } : { held: held.view(nowMs), led };
  }

  inspect(
    keyId: string,
    _nowMs: number,
  ): { readonly connections: number; readonly waiting: number } | undefined {
    const key = this.#held.find(keyId);
    return key === undefined ? undefined : { connections: key.connections, waiting: key.waiting() };
  }

  /** The rarer way of a transaction: somebody waits, or tokens are missing, or the lease is. */
  #takeTokens(
    rates: readonly HeldRate[],
    cost: TransactionCost,
    waiter: Waiter,
    nowMs: number,
  ): { readonly granted: true } | Refusal {
    const registration = this.#registration(waiter, nowMs);
    this.#slots.drop(registration, nowMs);
    const missing = this.#missing(rates, cost, registration, nowMs);
    if (missing !== undefined) return this.#waitAt(rates, missing, cost, registration, nowMs);
    for (const rate of rates) this.#tokens.spend(rate, rate.unitsOf(cost), nowMs);
    this.#forget(registration, nowMs);
    return GRANTED;
  }

  /** Tokens are looked at first, because a slot that is held while its token is hours away would serve nobody. */
  #takeSlots(
    keys: KeySet,
    set: ResolvedKeys,
    registration: Registration,
    nowMs: number,
  ): ConnectionGrant | Refusal {
    const rates = set.connectionRates;
    const missing = this.#missing(rates, ONE_CONNECTION, registration, nowMs);
    if (missing !== undefined) return this.#waitAt(rates, missing, ONE_CONNECTION, registration, nowMs);
    const full = this.#slots.obtain(set, registration, nowMs);
    if (full !== undefined) {
      this.#stay(registration, nowMs);
      for (const rate of rates) this.#tokens.leaveTokens(rate, registration, nowMs);
      return { granted: false, key: full.limit, bound: 'connections', retryAtMs: undefined };
    }
    const grant = registration.slots?.grant;
    registration.slots = undefined;
    for (const rate of rates) this.#tokens.spend(rate, 1, nowMs);
    this.#forget(registration, nowMs);
    for (const key of set.slotKeys) key.connections++;
    const id = grant === undefined ? `rated-${++this.#sequence}` : `slots-${grant}`;
    this.#connections.set(id, { grant, keys: set.slotKeys });
    return { granted: true, id, keys };
  }

  /** The first rate, in the order of collection, that does not admit the cost. */
  #missing(
    rates: readonly HeldRate[],
    cost: TransactionCost,
    registration: Registration,
    nowMs: number,
  ): HeldRate | undefined {
    return rates.find((rate) => !this.#tokens.admits(rate, rate.unitsOf(cost), registration, nowMs));
  }

  #waitAt(
    rates: readonly HeldRate[],
    missing: HeldRate,
    cost: TransactionCost,
    registration: Registration,
    nowMs: number,
  ): Refusal {
    this.#stay(registration, nowMs);
    const at = rates.indexOf(missing);
    for (const rate of [...registration.reserved.keys()]) {
      const index = rates.indexOf(rate);
      if (index < 0 || index >= at) this.#tokens.dropReservation(rate, registration, nowMs);
    }
    for (const rate of rates.slice(0, at)) {
      this.#tokens.keepOrLeave(rate, rate.unitsOf(cost), registration, nowMs);
    }
    const units = missing.unitsOf(cost);
    this.#tokens.join(missing, units, registration, nowMs);
    const retryAtMs = this.#tokens.retryAtMs(missing, units, registration, nowMs);
    const soon = retryAtMs !== undefined && retryAtMs - nowMs <= KEEP_AFTER_MS;
    // Slots that came while it waited are kept by the one who is next for the token: one per rate.
    if (registration.slots !== undefined && !soon && missing.line.first !== registration) {
      this.#slots.drop(registration, nowMs);
    }
    return { granted: false, key: missing.key.limit, bound: missing.name, retryAtMs };
  }

  /** Nothing may be started: the waiter is woken when something may be again. */
  #hold(key: LimitKey, bound: BoundName, waiter: Waiter, nowMs: number): Refusal {
    const registration = this.#registration(waiter, nowMs);
    this.#stay(registration, nowMs);
    this.#onHold.add(registration);
    return { granted: false, key, bound, retryAtMs: undefined };
  }

  /** Everything that was held is lost: who waits begins again. */
  #lose(nowMs: number): void {
    for (const registration of [...this.#registrations.values()]) {
      this.#forget(registration, nowMs);
      this.#registrations.set(registration.waiter, registration);
      this.#wakes.add(registration);
    }
    this.#held.lose(nowMs);
  }

  #registration(waiter: Waiter, nowMs: number): Registration {
    return this.#registrations.get(waiter) ?? new Registration(waiter, ++this.#sequence, nowMs);
  }

  /** It goes on waiting: not woken any more, in no line of tokens, with its age as it is now. */
  #stay(registration: Registration, nowMs: number): void {
    this.#wakes.delete(registration);
    this.#onHold.delete(registration);
    this.#tokens.leave(registration, nowMs);
    registration.readTurn(nowMs);
    this.#registrations.set(registration.waiter, registration);
  }

  #forget(registration: Registration, nowMs: number): void {
    this.#registrations.delete(registration.waiter);
    this.#onHold.delete(registration);
    this.#wakes.delete(registration);
    this.#tokens.leave(registration, nowMs);
    this.#tokens.dropReservations(registration, nowMs);
    this.#slots.drop(registration, nowMs);
  }

  #receive(effect: AllocatorEffect, nowMs: number): void {
    if (effect.type === 'lost') {
      this.#lose(nowMs);
      return;
    }
    if (!('rate' in effect)) {
      this.#slots.receive(effect, nowMs);
      return;
    }
    const rate = this.#held.get(effect.keyId)?.rates[effect.rate];
    if (rate !== undefined) {
      this.#tokens.receive(rate, effect, nowMs);
    } else if (effect.type === 'lease') {
      this.#port.giveBack(effect.keyId, effect.rate, effect, nowMs);
    }
  }

  #finish(nowMs: number): void {
    this.#slots.tell();
    this.#wakes.wakeAll(nowMs);
  }
}
