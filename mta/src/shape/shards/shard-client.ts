import type { RoutedKey, SlotPort } from '../allocation-port.ts';
import type { Urgency } from '../allocator.ts';
import { ROUNDING } from '../bucket.ts';
import { burstOf, ratePerMs } from '../burst.ts';
import type { AllocatorEffect, LeasePart } from '../effect.ts';
import type { Hit } from '../hit-counting.ts';
import { RATE_NAMES, type RateName } from '../limit-key.ts';
import type { HeldPart } from '../rate-share.ts';
import { Conversation, UNREACHABLE_AFTER_MS } from './conversation.ts';
import { PendingHits } from './pending-hits.ts';
import type { FromLeader, ShardEffect, ShardOperation, ToLeader } from './shard-message.ts';

/** A pod tells a leader what it wants no more often than this. */
export const TICK_MS = 20;

/** A key that nothing is held or wanted of for this long loses its number. */
export const FORGET_AFTER_MS = 60_000;

interface Want {
  cost: number;
  units: number;
  priority: number;
  sinceMs: number;
}

interface Debt {
  readonly level: number;
  readonly atMs: number;
}

/** One rate of a key as this pod has it. */
interface ClientRate {
  held: HeldPart | undefined;
  want: Want | undefined;
  debt: Debt | undefined;
  /** The operation that tells the want, and the batch after which it was said. */
  said: { readonly operation: DemandRate; readonly after: number } | undefined;
}

type DemandRate = { -readonly [Name in keyof DemandRateOperation]: DemandRateOperation[Name] };
type DemandRateOperation = Extract<ShardOperation, { type: 'demandRate' }>;

interface ClientKey {
  key: RoutedKey;
  /** In this term; `undefined` = the leader does not know it. */
  number: number | undefined;
  readonly rates: Partial<Record<RateName, ClientRate>>;
  /** Grants and demands that name it. */
  named: number;
  usedAtMs: number;
}

interface OpenDemand {
  readonly keys: readonly ClientKey[];
  readonly signature: string;
  readonly priority: number;
  readonly sinceMs: number;
  said: { readonly operation: ShardOperation; readonly after: number } | undefined;
}

interface HeldGrant {
  readonly keys: readonly ClientKey[];
  readonly signature: string;
}

interface SpareSlots {
  readonly grant: number;
  readonly held: HeldGrant;
}

type Receive = (effect: AllocatorEffect, nowMs: number) => void;

/**
 * What a pod knows of one shard: what it holds, what it wants, and its conversation with the leader of the term. Pure.
 *
 * A new term begins a new conversation, in which the pod first tells what it holds. Whatever the old leader still says is not heard: so what was
 * registered is all that this pod may use. While the leader cannot be reached, the pod goes on with what it holds: parts of rates are spent on,
 * and a slot that would be released serves the next demand for the same keys (its *fallback share*).
 */
export class ShardClient implements SlotPort {
  readonly shard: number;
  readonly #receive: Receive;
  readonly #onTalk: (client: ShardClient) => void;
  readonly #keys = new Map<string, ClientKey>();
  readonly #byNumber = new Map<number, ClientKey>();
  readonly #grants = new Map<number, HeldGrant>();
  readonly #demands = new Map<number, OpenDemand>();
  /** Slots that nobody of this pod uses while the leader is unreachable. */
  readonly #spare = new Map<string, SpareSlots[]>();
  readonly #hits = new PendingHits();
  /** Slots that are given back and whose release may not have left yet. */
  readonly #leaving = new Map<number, { readonly held: HeldGrant; readonly operation: ShardOperation }>();
  #conversation = new Conversation<ShardOperation, ShardEffect>(TICK_MS);
  #term = 0;
  #lastKeyNumber = 0;
  #granting = false;
  #changedAtMs = Number.NEGATIVE_INFINITY;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  /** `onTalk`: from now on `nextAtMs` has a time; it may be told more than once. */
  constructor(shard: number, receive: Receive, onTalk: (client: ShardClient) => void = () => {}) {
    this.shard = shard;
    this.#receive = receive;
    this.#onTalk = onTalk;
  }

  get term(): number {
    return this.#term;
  }

  knows(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  /** Keys that it knows of, for tests and metrics. */
  get size(): number {
    return this.#keys.size;
  }

  /** The leader answers and grants. */
  reachable(nowMs: number): boolean {
    return this.#granting && this.#conversation.unansweredMs(nowMs) < UNREACHABLE_AFTER_MS;
  }

  /** Something waits for a leader that does not answer or does not grant yet. */
  isDegraded(nowMs: number): boolean {
    if (this.#keys.size === 0) return false;
    return !this.reachable(nowMs) && nowMs - this.#changedAtMs >= UNREACHABLE_AFTER_MS;
  }

  bind(key: RoutedKey, nowMs: number): void {
    const known = this.#keys.get(key.id);
    if (known === undefined) return;
    known.key = key;
    if (known.number !== undefined) this.#tellKey(known, known.number);
    known.usedAtMs = nowMs;
  }

  demandSlots(id: number, keys: readonly RoutedKey[], urgency: Urgency, nowMs: number): void {
    this.cancelSlots(id, nowMs);
    const states = keys.map((key) => this.#key(key, nowMs));
    const signature = signatureOf(states);
    const spare = this.#spare.get(signature)?.pop();
    if (spare !== undefined) {
      this.#grants.set(spare.grant, spare.held);
      this.#receive({ type: 'slots', client: '', demand: id, grant: spare.grant }, nowMs);
      return;
    }
    for (const state of states) state.named++;
    const { priority, waitedMs } = urgency;
    const demand: OpenDemand = {
      keys: states,
      signature,
      priority,
      sinceMs: nowMs - waitedMs,
      said: undefined,
    };
    this.#demands.set(id, demand);
    this.#tellDemand(id, demand, nowMs);
  }

  cancelSlots(id: number, nowMs: number): void {
    const demand = this.#demands.get(id);
    if (demand === undefined) return;
    this.#close(id, demand, nowMs);
    if (this.#term === 0) return;
    const { said } = demand;
    if (said?.after === this.#conversation.lastNumber && this.#conversation.unsay(said.operation)) return;
    this.#say({ type: 'cancelSlots', demand: id });
  }

  releaseSlots(grant: number, nowMs: number): void {
    const held = this.#grants.get(grant);
    if (held === undefined) return;
    if (!this.reachable(nowMs)) {
      this.#reuse(grant, held, nowMs);
      return;
    }
    this.#drop(grant, held, nowMs);
  }

  demandRate(
    key: RoutedKey,
    name: RateName,
    demand: Urgency & { readonly cost: number; readonly units: number },
    nowMs: number,
  ): void {
    const state = this.#key(key, nowMs);
    const rate = rateOf(state, name);
    const { cost, units, priority, waitedMs } = demand;
    if (units === 0 && rate.want === undefined && rate.held === undefined) return;
    rate.want = units === 0 ? undefined : { cost, units, priority, sinceMs: nowMs - waitedMs };
    this.#tellRate(state, name, rate, { cost, units, priority, waitedMs });
  }

  giveBack(keyId: string, name: RateName, part: LeasePart, nowMs: number): void {
    const state = this.#keys.get(keyId);
    const rate = state?.rates[name];
    if (state === undefined || rate?.held === undefined) return;
    state.usedAtMs = nowMs;
    const held = {
      ...rate.held,
      ratePerMs: Math.max(0, rate.held.ratePerMs - part.ratePerMs),
      capacity: Math.max(0, rate.held.capacity - part.capacity),
    };
    const isAll = held.capacity <= 0 && held.ratePerMs <= ROUNDING * rate.held.ratePerMs;
    rate.held = isAll ? undefined : held;
    if (part.level < 0) {
      const level = part.level + debtNow(rate.debt, state, name, nowMs);
      rate.debt = { level, atMs: nowMs };
    }
    if (this.#term === 0) return;
    const { ratePerMs: perMs, capacity, level } = part;
    this.#say({
      type: 'giveBack',
      key: this.#number(state),
      rate: name,
      ratePerMs: perMs,
      capacity,
      level,
    });
  }

  /** Tells the leader of a hit of a trigger; resolves with whether it makes it go off. */
  hit(hit: Hit, nowMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const operation = this.#hits.add(hit, nowMs, resolve);
    if (this.#term !== 0) this.#say(operation);
    return promise;
  }

  /** To be called now and then: hits are counted here when no leader does. */
  countAlone(nowMs: number): void {
    this.#hits.countAlone(nowMs);
  }

  /** A leader with a higher term is known: tells it what is held, then what is wanted. A lower term is never heard again. */
  follow(term: number, nowMs: number): void {
    if (term <= this.#term) return;
    // The next leader may need long to grant: what was to be given back and has not left is better used meanwhile.
    this.#keepLeaving(nowMs);
    this.#begin(term, nowMs);
    for (const state of this.#keys.values()) this.#registerRates(state, nowMs);
    for (const [grant, { keys }] of this.#grants) {
      this.#say({ type: 'holdSlots', grant, keys: keys.map((each) => this.#number(each)) });
    }
    for (const spare of this.#spare.values()) {
      for (const { grant, held } of spare) {
        this.#say({
          type: 'holdSlots',
          grant,
          keys: held.keys.map((each) => this.#number(each)),
        });
      }
    }
    this.#say({ type: 'registered' });
    for (const operation of this.#hits.retell(nowMs)) this.#say(operation);
    for (const [id, demand] of this.#demands) this.#tellDemand(id, demand, nowMs);
    for (const state of this.#keys.values()) {
      for (const name of RATE_NAMES) {
        const rate = state.rates[name];
        if (rate?.want === undefined) continue;
        const { cost, units, priority, sinceMs } = rate.want;
        this.#tellRate(state, name, rate, { cost, units, priority, waitedMs: nowMs - sinceMs });
      }
    }
  }

  /** The session is over: nothing is held any more, and nobody is followed until `follow`. */
  fence(nowMs: number): void {
    this.#begin(0, nowMs);
    this.#hits.drop();
    this.#grants.clear();
    this.#demands.clear();
    this.#spare.clear();
    this.#keys.clear();
  }

  receive(message: FromLeader, nowMs: number): void {
    if (message.term !== this.#term) return;
    const effects = this.#conversation.receive(message, nowMs);
    this.#onTalk(this);
    for (const effect of effects) this.#apply(effect, nowMs);
    this.#releaseSpare(nowMs);
  }

  nextAtMs(): number {
    return this.#term === 0 ? Number.POSITIVE_INFINITY : this.#conversation.nextAtMs();
  }

  next(session: string, nowMs: number): ToLeader | undefined {
    if (this.#term === 0) return undefined;
    this.#sweep(nowMs);
    if (this.#leaving.size > 0 && !this.reachable(nowMs)) this.#keepLeaving(nowMs);
    const batch = this.#conversation.next(nowMs);
    if (this.#leaving.size > 0 && this.#conversation.settledCarefully) this.#leaving.clear();
    return batch === undefined ? undefined : { ...batch, shard: this.shard, term: this.#term, session };
  }

  #say(operation: ShardOperation): void {
    this.#conversation.say(operation);
    this.#onTalk(this);
  }

  #begin(term: number, nowMs: number): void {
    this.#term = term;
    this.#conversation = new Conversation(TICK_MS);
    // A release that did not leave is not needed any more: what is not told to the next leader is not held.
    this.#leaving.clear();
    this.#byNumber.clear();
    this.#lastKeyNumber = 0;
    this.#granting = false;
    this.#changedAtMs = nowMs;
    for (const state of this.#keys.values()) {
      state.number = undefined;
      for (const name of RATE_NAMES) {
        const rate = state.rates[name];
        if (rate !== undefined) rate.said = undefined;
      }
    }
  }

  #registerRates(state: ClientKey, nowMs: number): void {
    for (const name of RATE_NAMES) {
      const rate = state.rates[name];
      if (rate === undefined) continue;
      if (rate.held !== undefined) {
        const key = this.#number(state);
        this.#say({ type: 'holdRate', key, rate: name, ...rate.held });
      }
      const level = debtNow(rate.debt, state, name, nowMs);
      if (level < 0) this.#say({ type: 'debt', key: this.#number(state), rate: name, level });
    }
  }

  #apply(effect: ShardEffect, nowMs: number): void {
    if (effect.type === 'granting') {
      this.#granting = true;
      this.#changedAtMs = nowMs;
      return;
    }
    if (effect.type === 'counted') {
      this.#hits.counted(effect.upTo, effect.wentOff);
      return;
    }
    if (effect.type === 'slots') {
      this.#granted(effect.demand, effect.grant, nowMs);
      return;
    }
    const state = this.#byNumber.get(effect.key);
    if (state === undefined) return;
    const keyId = state.key.id;
    switch (effect.type) {
      case 'queued':
        if (this.#demands.has(effect.demand))
          this.#receive({ type: 'queued', client: '', demand: effect.demand, keyId }, nowMs);
        return;
      case 'slotWanted':
        this.#receive({ type: 'slotWanted', client: '', keyId, waiting: effect.waiting }, nowMs);
        return;
      case 'slotServed':
        this.#receive({ type: 'slotServed', client: '', keyId }, nowMs);
        return;
      case 'lease':
        this.#leased(state, effect);
        break;
    }
    const { key: _, ...rest } = effect;
    this.#receive({ ...rest, client: '', keyId }, nowMs);
  }

  #granted(id: number, grant: number, nowMs: number): void {
    const demand = this.#demands.get(id);
    if (demand === undefined) {
      this.#say({ type: 'releaseSlots', grant });
      return;
    }
    this.#demands.delete(id);
    this.#grants.set(grant, { keys: demand.keys, signature: demand.signature });
    this.#receive({ type: 'slots', client: '', demand: id, grant }, nowMs);
  }

  #leased(state: ClientKey, effect: Extract<ShardEffect, { type: 'lease' }>): void {
    const rate = rateOf(state, effect.rate);
    const { held } = rate;
    rate.held = {
      ratePerMs: (held?.ratePerMs ?? 0) + effect.ratePerMs,
      capacity: (held?.capacity ?? 0) + effect.capacity,
      largestCost: effect.largestCost,
      once: effect.once,
    };
    if (effect.once) rate.want = undefined;
  }

  /** A slot that is not needed serves another demand of this pod, or is kept until the leader can be told. */
  #reuse(grant: number, held: HeldGrant, nowMs: number): void {
    for (const [id, demand] of this.#demands) {
      if (demand.signature !== held.signature) continue;
      this.cancelSlots(id, nowMs);
      this.#receive({ type: 'slots', client: '', demand: id, grant }, nowMs);
      return;
    }
    this.#grants.delete(grant);
    const spare = this.#spare.get(held.signature);
    if (spare === undefined) this.#spare.set(held.signature, [{ grant, held }]);
    else spare.push({ grant, held });
  }

  #releaseSpare(nowMs: number): void {
    if (this.#spare.size === 0 || !this.reachable(nowMs)) return;
    for (const spare of this.#spare.values())
      for (const { grant, held } of spare) this.#drop(grant, held, nowMs);
    this.#spare.clear();
  }

  #drop(grant: number, held: HeldGrant, nowMs: number): void {
    this.#grants.delete(grant);
    for (const state of held.keys) {
      state.named--;
      state.usedAtMs = nowMs;
    }
    if (this.#term === 0) return;
    const operation = { type: 'releaseSlots', grant } as const;
    this.#leaving.set(grant, { held, operation });
    this.#conversation.sayCarefully(operation);
    this.#onTalk(this);
  }

  /** The leader cannot be reached, or is another one: what was to be given back and has not left is still this pod's. */
  #keepLeaving(nowMs: number): void {
    for (const [grant, { held, operation }] of this.#leaving) {
      if (!this.#conversation.unsay(operation)) continue;
      for (const state of held.keys) state.named++;
      this.#grants.set(grant, held);
      this.#reuse(grant, held, nowMs);
    }
    this.#leaving.clear();
  }

  #close(id: number, demand: OpenDemand, nowMs: number): void {
    this.#demands.delete(id);
    for (const state of demand.keys) {
      state.named--;
      state.usedAtMs = nowMs;
    }
  }

  #tellDemand(id: number, demand: OpenDemand, nowMs: number): void {
    if (this.#term === 0) return;
    const operation: ShardOperation = {
      type: 'demandSlots',
      demand: id,
      keys: demand.keys.map((state) => this.#number(state)),
      priority: demand.priority,
      waitedMs: nowMs - demand.sinceMs,
    };
    demand.said = { operation, after: this.#conversation.lastNumber };
    this.#say(operation);
  }

  #tellRate(
    state: ClientKey,
    name: RateName,
    rate: ClientRate,
    demand: Omit<DemandRate, 'type' | 'key' | 'rate'>,
  ): void {
    if (this.#term === 0) return;
    if (rate.said?.after === this.#conversation.lastNumber) {
      Object.assign(rate.said.operation, demand);
      return;
    }
    const operation: DemandRate = { type: 'demandRate', key: this.#number(state), rate: name, ...demand };
    rate.said = { operation, after: this.#conversation.lastNumber };
    this.#say(operation);
  }

  #key(key: RoutedKey, nowMs: number): ClientKey {
    const known = this.#keys.get(key.id);
    if (known !== undefined) {
      known.usedAtMs = nowMs;
      return known;
    }
    const state: ClientKey = { key, number: undefined, rates: {}, named: 0, usedAtMs: nowMs };
    this.#keys.set(key.id, state);
    return state;
  }

  #number(state: ClientKey): number {
    if (state.number !== undefined) return state.number;
    const number = ++this.#lastKeyNumber;
    state.number = number;
    this.#byNumber.set(number, state);
    this.#tellKey(state, number);
    return number;
  }

  #tellKey({ key: { id, broad, bounds, generation } }: ClientKey, key: number): void {
    this.#say({ type: 'key', key, id, broad, bounds, generation });
  }

  /** Forgets keys at rest, while nothing that could speak of them is under way. */
  #sweep(nowMs: number): void {
    if (nowMs < this.#sweptAtMs + FORGET_AFTER_MS || !this.#conversation.settled) return;
    this.#sweptAtMs = nowMs;
    for (const [id, state] of this.#keys) {
      if (state.named > 0 || nowMs < state.usedAtMs + FORGET_AFTER_MS) continue;
      const busy = RATE_NAMES.some((name) => {
        const rate = state.rates[name];
        if (rate === undefined) return false;
        return (
          rate.held !== undefined || rate.want !== undefined || debtNow(rate.debt, state, name, nowMs) < 0
        );
      });
      if (busy) continue;
      this.#keys.delete(id);
      if (state.number === undefined) continue;
      this.#byNumber.delete(state.number);
      this.#say({ type: 'forget', key: state.number });
    }
  }
}

function rateOf(state: ClientKey, name: RateName): ClientRate {
  const known = state.rates[name];
  if (known !== undefined) return known;
  const rate: ClientRate = { held: undefined, want: undefined, debt: undefined, said: undefined };
  state.rates[name] = rate;
  return rate;
}

/** What is still owed of what was spent in advance; 0 = nothing. */
function debtNow(debt: Debt | undefined, { key }: ClientKey, name: RateName, nowMs: number): number {
  const rate = key.bounds[name];
  if (debt === undefined || rate === undefined || !Number.isFinite(burstOf(key.bounds, name))) return 0;
  return Math.min(0, debt.level + (nowMs - debt.atMs) * ratePerMs(rate));
}

function signatureOf(states: readonly ClientKey[]): string {
  return states.map(({ key }) => key.id).join('\n');
}
