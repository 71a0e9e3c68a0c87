import { Bucket, ROUNDING } from './bucket.ts';
import { isSlow } from './burst.ts';
import { ClientMap } from './client-map.ts';
import type { AllocatorEffect, ClientId, LeasePart, RateAddress } from './effect.ts';
import type { RateView } from './key-view.ts';
import { NO_PART, type ShareClaim, type SharePart, shareOut } from './share-out.ts';
import { rankMs } from './turn-order.ts';

/** A client that holds a share of a rate keeps it for at least this long before another one that has none may take its place. */
export const SEAT_QUANTUM_MS = 1_000;

/** Shares are brought in line with the waiting demand no more often than this. */
export const REBALANCE_MS = 1_000;

/** A holder that was asked what it wants and has not answered for this long wants nothing. */
export const ANSWER_WITHIN_MS = 2_000;

/** Plans that only time brings are at least this far apart: no busy loop on the rounding of doubles. */
const LEAST_WAIT_MS = 0.01;

/** Shares that are off by less than this part are left alone. */
const TOLERATED_SURPLUS = 1.1;

/** What a client wants of one rate. */
export interface RateDemand {
  /** Units that the next transaction spends at once. */
  readonly cost: number;
  /** Units that wait in all; 0 takes the demand back. */
  readonly units: number;
  readonly priority: number;
  readonly sinceMs: number;
}

/** A part that a client holds, as it tells a new allocator. */
export interface HeldPart extends SharePart {
  readonly largestCost: number;
  readonly once: boolean;
}

interface Holding extends SharePart {
  ratePerMs: number;
  capacity: number;
  largestCost: number;
  once: boolean;
  readonly seatedAtMs: number;
  recalledTo: SharePart | undefined;
  /** It was asked for its demand at this time and has not answered; -Infinity = it has answered that it wants nothing. */
  askedAtMs: number | undefined;
}

interface Contender extends RateDemand {
  readonly toldAtMs: number;
}

/**
 * One rate of one key, divided among clients.
 *
 * The rate is one token bucket cut in parts: each holder has a part of the rate, of the capacity and of the tokens; what nobody holds is the
 * pool. Parts are moved, never copied: what is recalled is given again only after it came back, and whatever a dead client held comes back
 * without tokens and with the debt that it may have made. Hence, over all clients: in any window of w ms at most
 * `rate × w + max(burst, largest single cost)` leaves. A client spends a cost above its capacity only when it holds the whole burst.
 *
 * Because a part below one unit of capacity could not be spent, at most `burst / cost` clients hold parts at a time ("seats"); the others
 * take turns. A slow rate is not shared: whoever is next gets the whole for one transaction, when the tokens for it are there.
 */
export class RateShare {
  readonly #address: Omit<RateAddress, 'client'>;
  readonly #emit: (effect: AllocatorEffect) => void;
  #ratePerMs: number;
  #burst: number;
  readonly #pool: Bucket;
  readonly #holdings = new ClientMap<Holding>();
  readonly #contenders = new ClientMap<Contender>();
  readonly #lastServedMs = new ClientMap<number>();
  #rebalancedAtMs = Number.NEGATIVE_INFINITY;
  /** When `plan` has something to do that only time brings; Infinity = nothing. */
  planAtMs = Number.POSITIVE_INFINITY;

  constructor(
    address: Omit<RateAddress, 'client'>,
    ratePerMs: number,
    burst: number,
    emit: (effect: AllocatorEffect) => void,
    nowMs: number,
  ) {
    this.#address = address;
    this.#ratePerMs = ratePerMs;
    this.#burst = burst;
    this.#emit = emit;
    this.#pool = new Bucket(ratePerMs, burst, burst, nowMs);
  }

  /** Nothing is known of it that a new one would not know. */
  atRest(nowMs: number): boolean {
    if (this.#holdings.size > 0 || this.#contenders.size > 0) return false;
    this.#pool.refresh(nowMs);
    return this.#pool.full;
  }

  get waiting(): number {
    return this.#contenders.size;
  }

  view(nowMs: number): RateView {
    this.#pool.refresh(nowMs);
    return {
      rate: this.#address.rate,
      ratePerMs: this.#ratePerMs,
      burst: this.#burst,
      poolLevel: this.#pool.level,
      holders: Array.from(this.#holdings, ([client, { ratePerMs, capacity, once }]) => ({
        client,
        ratePerMs,
        capacity,
        once,
      })),
      waiting: this.#contenders.size,
    };
  }

  /** A client held this before the allocator began; its tokens are its own. */
  restore(client: ClientId, { ratePerMs, capacity, largestCost, once }: HeldPart, nowMs: number): void {
    this.#pool.refresh(nowMs);
    const holding = this.#holdings.get(client) ?? this.#seat(client, largestCost, once, nowMs);
    holding.ratePerMs += ratePerMs;
    holding.capacity += capacity;
    holding.largestCost = Math.max(holding.largestCost, largestCost);
    this.#settlePool();
  }

  owe(level: number, nowMs: number): void {
    this.#pool.refresh(nowMs);
    this.#pool.level = Math.min(0, this.#pool.level) + Math.min(0, level);
  }

  begin(nowMs: number): void {
    this.#pool.refresh(nowMs);
    if (!isSlow(this.#ratePerMs) || this.#holdings.size > 0) this.#pool.level = Math.min(0, this.#pool.level);
  }

  /** Tokens of the pool, as they are known from elsewhere. */
  setLevel(level: number, nowMs: number): void {
    this.#pool.refresh(nowMs);
    this.#pool.level = Math.min(level, this.#pool.capacity);
    this.plan(nowMs);
  }

  demand(client: ClientId, demand: RateDemand, nowMs: number): void {
    if (demand.units > 0) this.#contenders.set(client, { ...demand, toldAtMs: nowMs });
    else if (!this.#contenders.delete(client)) return;
    const holding = this.#holdings.get(client);
    if (holding !== undefined) holding.askedAtMs = demand.units > 0 ? undefined : Number.NEGATIVE_INFINITY;
    this.plan(nowMs);
    if (this.#contenders.has(client) && isSlow(this.#ratePerMs)) this.#tellTurn(client);
  }

  /** A part comes back. More than the client holds is cut to what it holds. */
  giveBack(client: ClientId, part: LeasePart, nowMs: number): void {
    const holding = this.#holdings.get(client);
    if (holding === undefined) return;
    this.#pool.refresh(nowMs);
    const capacity = Math.min(part.capacity, holding.capacity);
    holding.capacity -= capacity;
    holding.ratePerMs -= Math.min(part.ratePerMs, holding.ratePerMs);
    holding.recalledTo = undefined;
    // A lease of more rate may have crossed what came back: the client has that rate, and is asked for it.
    if (holding.capacity <= ROUNDING && holding.ratePerMs <= ROUNDING * this.#ratePerMs)
      this.#holdings.delete(client);
    this.#pool.level += Math.min(part.level, capacity);
    this.#settlePool();
    this.plan(nowMs);
  }

  /** What a client that is gone held: it may have spent all of it, and made a debt. */
  removeClient(client: ClientId, nowMs: number): void {
    const contended = this.#contenders.delete(client);
    this.#lastServedMs.delete(client);
    const holding = this.#holdings.get(client);
    if (holding === undefined) {
      if (contended) this.plan(nowMs);
      return;
    }
    const debt = Math.max(0, holding.largestCost - this.#burst);
    this.giveBack(client, { ratePerMs: holding.ratePerMs, capacity: holding.capacity, level: -debt }, nowMs);
  }

  setBounds(ratePerMs: number, burst: number, nowMs: number): void {
    if (ratePerMs === this.#ratePerMs && burst === this.#burst) return;
    this.#pool.refresh(nowMs);
    const rateFactor = ratePerMs / this.#ratePerMs;
    const burstFactor = burst / this.#burst;
    this.#ratePerMs = ratePerMs;
    this.#burst = burst;
    this.#settlePool();
    for (const [client, holding] of this.#holdings) {
      // What was recalled before and is not back yet leaves less to give.
      const before = { ratePerMs: holding.ratePerMs, capacity: holding.capacity };
      this.#add(client, holding, {
        ratePerMs: Math.min(this.#pool.ratePerMs, holding.ratePerMs * Math.max(0, rateFactor - 1)),
        capacity: Math.min(this.#pool.capacity, holding.capacity * Math.max(0, burstFactor - 1)),
        level: 0,
      });
      this.#settlePool();
      this.#recall(client, holding, {
        ratePerMs: rateFactor < 1 ? before.ratePerMs * rateFactor : holding.ratePerMs,
        capacity: burstFactor < 1 ? before.capacity * burstFactor : holding.capacity,
      });
    }
    this.plan(nowMs);
  }

  /** Recalls what is held by the wrong clients and grants what is in the pool. */
  plan(nowMs: number): void {
    this.planAtMs = Number.POSITIVE_INFINITY;
    this.#pool.refresh(nowMs);
    if (this.#contenders.size === 0) {
      if (this.#holdings.size === 0) this.#lastServedMs.clear();
      return;
    }
    if (isSlow(this.#ratePerMs)) this.#planTurn(nowMs);
    else this.#planShares(nowMs);
  }

  #planTurn(nowMs: number): void {
    for (const [client, holding] of this.#holdings) if (!holding.once) this.#recall(client, holding, NO_PART);
    if (this.#holdings.size > 0) return;
    const [next] = this.#inOrder([...this.#contenders]);
    if (next === undefined) return;
    const [client, contender] = next;
    const waitMs = this.#pool.waitMs(Math.min(contender.cost, this.#burst));
    if (waitMs > 0) {
      this.planAtMs = nowMs + Math.max(waitMs, LEAST_WAIT_MS);
      return;
    }
    this.#contenders.delete(client);
    this.#lastServedMs.set(client, nowMs);
    const holding = this.#seat(client, contender.cost, true, nowMs);
    this.#grant(client, holding, { ratePerMs: this.#pool.ratePerMs, capacity: this.#pool.capacity });
  }

  #planShares(nowMs: number): void {
    this.#askHolders(nowMs);
    const chosen = this.#chooseSeats(nowMs);
    const targets = shareOut(this.#claims(chosen), this.#ratePerMs, this.#burst);
    const settled =
      chosen.every(([client]) => this.#holdings.has(client)) && this.#holdings.size === chosen.length;
    if (!settled || nowMs >= this.#rebalancedAtMs + REBALANCE_MS) {
      this.#rebalancedAtMs = nowMs;
      const tolerated = settled ? TOLERATED_SURPLUS : 1;
      for (const [client, holding] of this.#holdings) {
        const target = targets.get(client) ?? NO_PART;
        const surplus =
          holding.ratePerMs > target.ratePerMs * tolerated + ROUNDING * this.#ratePerMs ||
          holding.capacity > target.capacity * tolerated + ROUNDING;
        if (surplus) this.#recall(client, holding, target);
      }
    }
    for (const [client, contender] of chosen) {
      const target = targets.get(client);
      if (target !== undefined) this.#raise(client, contender, target, nowMs);
    }
    this.#dropSatisfied(chosen);
    if (this.#contenders.size > 1)
      this.planAtMs = Math.min(this.planAtMs, this.#rebalancedAtMs + REBALANCE_MS);
  }

  /** A client that has everything and is alone tells nothing until somebody else comes. */
  #dropSatisfied(chosen: readonly [ClientId, Contender][]): void {
    const [only] = chosen;
    if (only === undefined || this.#contenders.size !== 1) return;
    const holding = this.#holdings.get(only[0]);
    if (holding !== undefined && holding.capacity >= this.#burst - ROUNDING) this.#contenders.delete(only[0]);
  }

  /** While others contend, holders are asked now and then whether they still want what they have. */
  #askHolders(nowMs: number): void {
    for (const [client, holding] of this.#holdings) {
      const contender = this.#contenders.get(client);
      if (this.#contenders.size <= (contender === undefined ? 0 : 1)) continue;
      if (holding.askedAtMs !== undefined) {
        if (nowMs >= holding.askedAtMs + ANSWER_WITHIN_MS) this.#contenders.delete(client);
        continue;
      }
      if (contender !== undefined && nowMs < contender.toldAtMs + REBALANCE_MS) continue;
      holding.askedAtMs = nowMs;
      this.#emit({ type: 'ask', ...this.#address, client });
      if (contender !== undefined) continue;
      const presumed = { cost: holding.largestCost, units: 1, priority: 0, sinceMs: nowMs, toldAtMs: nowMs };
      this.#contenders.set(client, presumed);
    }
  }

  /** Those who may hold a part now: as many as the burst has room for, first those whose turn has just begun. */
  #chooseSeats(nowMs: number): [ClientId, Contender][] {
    const contenders = [...this.#contenders];
    let unit = 1;
    for (const [, contender] of contenders) unit = Math.max(unit, Math.min(contender.cost, this.#burst));
    const seats = Math.max(1, Math.floor(this.#burst / unit + ROUNDING));
    if (contenders.length <= seats) return contenders;
    const seatedUntil = ([client]: [ClientId, Contender]): number =>
      (this.#holdings.get(client)?.seatedAtMs ?? Number.NEGATIVE_INFINITY) + SEAT_QUANTUM_MS;
    const seated = contenders.filter((each) => seatedUntil(each) > nowMs);
    const others = this.#inOrder(contenders.filter((each) => seatedUntil(each) <= nowMs));
    const chosen = [...seated, ...others].slice(0, seats);
    for (const each of chosen)
      this.planAtMs = Math.min(this.planAtMs, Math.max(seatedUntil(each), nowMs + 1));
    return chosen;
  }

  #claims(chosen: readonly [ClientId, Contender][]): ShareClaim[] {
    return chosen.map(([client, { cost, units, priority }]) => ({
      client,
      units,
      priority,
      leastCapacity: Math.min(Math.max(1, cost), this.#burst),
    }));
  }

  /** Class first; then who was served longest ago, or waits longest. */
  #inOrder(contenders: [ClientId, Contender][]): [ClientId, Contender][] {
    const rank = ([client, { sinceMs, priority }]: [ClientId, Contender]): number =>
      rankMs(priority, Math.max(sinceMs, this.#lastServedMs.get(client) ?? Number.NEGATIVE_INFINITY));
    return contenders.sort((one, other) => rank(one) - rank(other));
  }

  #raise(client: ClientId, contender: Contender, target: SharePart, nowMs: number): void {
    const held = this.#holdings.get(client);
    const part = {
      ratePerMs: Math.max(0, Math.min(target.ratePerMs - (held?.ratePerMs ?? 0), this.#pool.ratePerMs)),
      capacity: Math.max(0, Math.min(target.capacity - (held?.capacity ?? 0), this.#pool.capacity)),
    };
    if (held === undefined || held.capacity <= ROUNDING) {
      const spendable = part.capacity >= Math.min(Math.max(1, contender.cost), this.#burst) - ROUNDING;
      if (!spendable || part.ratePerMs + (held?.ratePerMs ?? 0) <= 0) return;
    } else if (
      part.ratePerMs <= ROUNDING * this.#ratePerMs &&
      part.capacity <= ROUNDING &&
      contender.cost <= held.largestCost
    ) {
      return;
    }
    this.#grant(client, held ?? this.#seat(client, contender.cost, false, nowMs), part, contender.cost);
  }

  #seat(client: ClientId, cost: number, once: boolean, nowMs: number): Holding {
    const holding: Holding = {
      ratePerMs: 0,
      capacity: 0,
      largestCost: Math.max(1, cost),
      once,
      seatedAtMs: nowMs,
      recalledTo: undefined,
      askedAtMs: undefined,
    };
    this.#holdings.set(client, holding);
    this.#lastServedMs.set(client, nowMs);
    return holding;
  }

  /** Moves a part of the pool, with its portion of the tokens or of the debt. */
  #grant(client: ClientId, holding: Holding, part: SharePart, cost = 0): void {
    const pool = this.#pool;
    const all = part.capacity >= pool.capacity - ROUNDING;
    const level = all ? pool.level : (pool.level * part.capacity) / pool.capacity;
    pool.level -= level;
    holding.largestCost = Math.max(holding.largestCost, cost);
    this.#add(client, holding, { ...part, level });
    this.#settlePool();
  }

  #add(client: ClientId, holding: Holding, part: LeasePart): void {
    holding.ratePerMs += part.ratePerMs;
    holding.capacity += part.capacity;
    // More is given: what was recalled before is recalled no longer, in the eyes of the client too.
    holding.recalledTo = undefined;
    const { once, largestCost } = holding;
    this.#emit({ type: 'lease', ...this.#address, client, ...part, once, largestCost, burst: this.#burst });
  }

  #recall(client: ClientId, holding: Holding, to: SharePart): void {
    if (holding.ratePerMs <= to.ratePerMs && holding.capacity <= to.capacity) return;
    const before = holding.recalledTo;
    if (before !== undefined && before.ratePerMs <= to.ratePerMs && before.capacity <= to.capacity) return;
    const { ratePerMs, capacity } = to;
    holding.recalledTo = { ratePerMs, capacity };
    this.#emit({ type: 'recall', ...this.#address, client, ratePerMs, capacity, burst: this.#burst });
  }

  #tellTurn(client: ClientId): void {
    const cost = Math.min(this.#contenders.get(client)?.cost ?? 1, this.#burst);
    const inMs =
      this.#holdings.size > 0 ? (cost - this.#pool.level) / this.#ratePerMs : this.#pool.waitMs(cost);
    this.#emit({ type: 'turn', ...this.#address, client, inMs: Math.max(0, inMs) });
  }

  #settlePool(): void {
    let { ratePerMs, capacity } = { ratePerMs: this.#ratePerMs, capacity: this.#burst };
    for (const [, holding] of this.#holdings) {
      ratePerMs -= holding.ratePerMs;
      capacity -= holding.capacity;
    }
    const pool = this.#pool;
    pool.ratePerMs = ratePerMs > ROUNDING * this.#ratePerMs ? ratePerMs : 0;
    pool.capacity = capacity > ROUNDING ? capacity : 0;
    pool.level = Math.min(pool.level, pool.capacity);
  }
}
