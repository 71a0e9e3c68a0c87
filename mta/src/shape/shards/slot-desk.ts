import type { ReceiveEffect, RoutedKey, SlotPort } from '../allocation-port.ts';
import type { Urgency } from '../allocator.ts';
import type { AllocatorEffect } from '../effect.ts';
import { CLAIM_AFTER_MS } from '../slot-book.ts';
import { rankMs } from '../turn-order.ts';
import { StandingUnits, type UnitWaiter } from './standing-units.ts';

/** Units that nobody uses are looked for this often. */
const SWEEP_EVERY_MS = 5_000;

/** Where the slots of a key are asked for. */
export type PortOf = (key: RoutedKey) => SlotPort;

interface Acquisition extends UnitWaiter {
  readonly id: number;
  readonly port: SlotPort;
  /** Keys of the destination: one request. */
  readonly keys: readonly RoutedKey[];
  /** The others, in the order in which they are taken. */
  readonly units: readonly Units[];
  readonly startedAtMs: number;
  readonly mayClaim: boolean;
  /** Grants of the first of `units`: all of them, or those that are claimed. */
  taken: number[];
  demand: number | undefined;
  grant: number | undefined;
  waitingAt: Units | undefined;
}

type Units = StandingUnits<Acquisition>;

interface Held {
  readonly port: SlotPort;
  readonly grant: number | undefined;
  readonly units: readonly Units[];
  readonly taken: readonly number[];
}

/**
 * Slots of keys that several shards lead, for one pod (DESIGN §6). First a unit of every broad key, from the pod's standing shares: all of them
 * or none. Then one request for all keys of the destination. When that is refused, the units go back and the demand waits in the destination's
 * line with its age. When its turn comes and a unit is missing, it gives the turn back and waits for the unit; after
 * {@link CLAIM_AFTER_MS} it keeps what it has instead. So everybody who keeps something while waiting keeps keys of a destination before broad
 * keys, and these in the order of their names: nobody waits in a circle.
 */
export class SlotDesk {
  readonly #portOf: PortOf;
  readonly #receive: ReceiveEffect;
  readonly #units = new Map<string, Units>();
  readonly #acquisitions = new Map<number, Acquisition>();
  /** What a demand at a port is for. */
  readonly #demands = new Map<number, Acquisition | Units>();
  readonly #held = new Map<number, Held>();
  #lastDemand = 0;
  #lastGrant = 0;
  #sequence = 0;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(portOf: PortOf, receive: ReceiveEffect) {
    this.#portOf = portOf;
    this.#receive = receive;
  }

  demandSlots(id: number, keys: readonly RoutedKey[], { priority, waitedMs }: Urgency, nowMs: number): void {
    const main = keys.find((key) => !key.broad && !key.podOnly) ?? keys[0];
    if (main === undefined) return;
    const port = this.#portOf(main);
    const together = keys.filter((key) => this.#portOf(key) === port && !key.broad);
    const own = main.broad || main.podOnly ? [] : together;
    const others = keys
      .filter((key) => !own.includes(key))
      .sort((one, other) => (one.id < other.id ? -1 : 1));
    const sinceMs = nowMs - waitedMs;
    const acquisition: Acquisition = {
      id,
      port,
      keys: own,
      units: others.map((key) => this.#unitsOf(key)),
      // Two destinations in one demand have no order that everybody keeps.
      mayClaim: others.every((key) => key.broad || key.podOnly),
      priority,
      sinceMs,
      startedAtMs: nowMs,
      rankMs: rankMs(priority, sinceMs),
      sequence: ++this.#sequence,
      taken: [],
      demand: undefined,
      grant: undefined,
      waitingAt: undefined,
    };
    this.#acquisitions.set(id, acquisition);
    this.#takeUnits(acquisition, nowMs);
  }

  cancelSlots(id: number, nowMs: number): void {
    const acquisition = this.#acquisitions.get(id);
    if (acquisition === undefined) return;
    this.#acquisitions.delete(id);
    this.#leaveLine(acquisition, nowMs);
    if (acquisition.demand !== undefined) {
      this.#demands.delete(acquisition.demand);
      acquisition.port.cancelSlots(acquisition.demand, nowMs);
    }
    this.#putBack(acquisition, nowMs);
  }

  releaseSlots(grant: number, nowMs: number): void {
    const held = this.#held.get(grant);
    if (held === undefined) return;
    this.#held.delete(grant);
    if (held.grant !== undefined) held.port.releaseSlots(held.grant, nowMs);
    for (const [index, units] of held.units.entries()) {
      const unit = held.taken[index];
      if (unit === undefined) continue;
      units.put(unit, nowMs);
      this.#serve(units, nowMs);
    }
  }

  /** An effect of a port that is about slots. */
  receive(effect: Exclude<AllocatorEffect, { rate: unknown } | { type: 'lost' }>, nowMs: number): void {
    if (effect.type === 'slots') {
      this.#granted(effect.demand, effect.grant, nowMs);
    } else if (effect.type === 'queued') {
      const acquisition = this.#demands.get(effect.demand);
      if (acquisition === undefined || acquisition instanceof StandingUnits) return;
      this.#putBack(acquisition, nowMs);
      this.#receive({ ...effect, demand: acquisition.id }, nowMs);
    } else {
      const waiting = effect.type === 'slotWanted' ? effect.waiting : 0;
      this.#units.get(effect.keyId)?.wanted(waiting, nowMs);
      this.#receive(effect, nowMs);
    }
  }

  advance(nowMs: number): void {
    if (nowMs < this.#sweptAtMs + SWEEP_EVERY_MS) return;
    this.#sweptAtMs = nowMs;
    // Taken back, and whatever came for them in that moment has come.
    for (const [demand, wanted] of this.#demands)
      if (wanted instanceof StandingUnits && !wanted.asks(demand)) this.#demands.delete(demand);
    // Who waits at its destination has no unit now and comes back for one: to these units, or nobody would hear of what they hold.
    const awaited = new Set<Units>();
    for (const { units } of this.#acquisitions.values()) for (const each of units) awaited.add(each);
    for (const [id, units] of this.#units) {
      units.releaseIdle(nowMs);
      if (units.atRest && !awaited.has(units)) this.#units.delete(id);
    }
  }

  nextAtMs(): number {
    return this.#units.size === 0 ? Number.POSITIVE_INFINITY : this.#sweptAtMs + SWEEP_EVERY_MS;
  }

  /** The session was lost: nothing of any shard is held. Who waits must ask again. */
  fenced(nowMs: number): void {
    const local = [...this.#units.values()].filter(({ key }) => key.podOnly);
    for (const units of local) units.drop(nowMs);
    for (const { units, taken } of [...this.#held.values(), ...this.#acquisitions.values()]) {
      for (const [index, grant] of taken.entries())
        if (units[index]?.key.podOnly === true) units[index].port.releaseSlots(grant, nowMs);
    }
    this.#units.clear();
    this.#demands.clear();
    this.#held.clear();
    this.#acquisitions.clear();
  }

  /** Takes what is missing of the units: all of them or none, or what is there for one that claims. */
  #takeUnits(acquisition: Acquisition, nowMs: number): void {
    const { units, taken } = acquisition;
    const claims = acquisition.grant !== undefined;
    const missing = units.find((each, index) => index >= taken.length && !each.admits(acquisition));
    if (missing === undefined || claims) {
      for (const each of units.slice(taken.length)) {
        if (each === missing) break;
        const grant = each.take();
        if (grant === undefined) break;
        taken.push(grant);
      }
    }
    if (missing === undefined) {
      if (acquisition.keys.length === 0 || acquisition.grant !== undefined) this.#finish(acquisition, nowMs);
      else this.#request(acquisition, nowMs);
      return;
    }
    acquisition.waitingAt = missing;
    missing.line.push(acquisition);
    this.#receive({ type: 'queued', client: '', demand: acquisition.id, keyId: missing.key.id }, nowMs);
    missing.settle(nowMs);
  }

  #request(acquisition: Acquisition, nowMs: number): void {
    const demand = ++this.#lastDemand;
    acquisition.demand = demand;
    this.#demands.set(demand, acquisition);
    const { port, keys, priority, sinceMs } = acquisition;
    port.demandSlots(demand, keys, { priority, waitedMs: nowMs - sinceMs }, nowMs);
  }

  #granted(demand: number, grant: number, nowMs: number): void {
    const wanted = this.#demands.get(demand);
    if (wanted === undefined) return;
    this.#demands.delete(demand);
    if (wanted instanceof StandingUnits) {
      wanted.granted(demand, grant, nowMs);
      this.#serve(wanted, nowMs);
      return;
    }
    wanted.demand = undefined;
    wanted.grant = grant;
    const complete = wanted.units.every((each, index) => index < wanted.taken.length || each.admits(wanted));
    const claims = wanted.mayClaim && nowMs - wanted.startedAtMs >= CLAIM_AFTER_MS;
    if (!complete && !claims) this.#putBack(wanted, nowMs);
    this.#takeUnits(wanted, nowMs);
  }

  /** Units that are free serve who waits, in order. */
  #serve(units: Units, nowMs: number): void {
    while (units.hasFree) {
      const first = units.line.first;
      if (first === undefined) break;
      units.line.delete(first);
      first.waitingAt = undefined;
      this.#takeUnits(first, nowMs);
      // It waits here still: the one that it lacks is this.
      if (first.waitingAt === units) break;
    }
    units.settle(nowMs);
  }

  #finish(acquisition: Acquisition, nowMs: number): void {
    this.#acquisitions.delete(acquisition.id);
    const grant = ++this.#lastGrant;
    const { port, units, taken } = acquisition;
    this.#held.set(grant, { port, grant: acquisition.grant, units, taken });
    this.#receive({ type: 'slots', client: '', demand: acquisition.id, grant }, nowMs);
  }

  /** What it has is for others. */
  #putBack(acquisition: Acquisition, nowMs: number): void {
    const { units, taken, grant, port } = acquisition;
    acquisition.taken = [];
    acquisition.grant = undefined;
    if (grant !== undefined) port.releaseSlots(grant, nowMs);
    for (const [index, unit] of taken.entries()) {
      const each = units[index];
      if (each === undefined) continue;
      each.put(unit, nowMs);
      this.#serve(each, nowMs);
    }
  }

  #leaveLine(acquisition: Acquisition, nowMs: number): void {
    const { waitingAt } = acquisition;
    if (waitingAt === undefined) return;
    acquisition.waitingAt = undefined;
    waitingAt.line.delete(acquisition);
    this.#serve(waitingAt, nowMs);
  }

  #unitsOf(key: RoutedKey): Units {
    const known = this.#units.get(key.id);
    if (known !== undefined) return known;
    const units: Units = new StandingUnits<Acquisition>(key, this.#portOf(key), (own) => {
      const demand = ++this.#lastDemand;
      this.#demands.set(demand, own);
      return demand;
    });
    this.#units.set(key.id, units);
    return units;
  }
}
