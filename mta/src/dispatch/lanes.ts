import type { EgressConfig } from '@sluice/crds';
import type { SessionFailure } from '../deliver/mod.ts';
import type { Entry, LaneId, UnitId, UnitKey } from '../queue/mod.ts';
import type { NoRoute } from '../route/mod.ts';
import { attemptEntry, failEntry, loadEntry, postpone, type Setback } from './attempts.ts';
import { CarriedUnit } from './carried-unit.ts';
import type { CarryingSession } from './carrying-session.ts';
import { DirectedBounces } from './directed-bounces.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { Expiry } from './expiry.ts';
import type { Generation } from './generation.ts';
import { LaneDriver } from './lane-driver.ts';
import type { Blame, LaneHost } from './lane-host.ts';
import type { LaneSource } from './lane-source.ts';
import { unitOrder } from './mail-order.ts';
import { type OrphanHost, OrphanLane } from './orphan-lane.ts';
import { PodTimer } from './pod-timer.ts';
import type { Consequence } from './reaction-desk.ts';
import { type UnroutedHost, UnroutedLane } from './unrouted-lane.ts';

export type Lane = LaneDriver | UnroutedLane | OrphanLane;

/** Site of a lane whose domain has no known route, before the domain. */
export const UNROUTED = 'unrouted:';
/** Site of the lane for mail without a pool. */
const ORPHANED = 'orphaned';

/** An entry whose attempt ended in an exception waits this long: if the message itself causes it, it must not come round and round. */
const RESCUE_PAUSE_MS = 5 * 60_000;

/** All lanes of the pod: which unit is in which, and who pumps it. */
export class Lanes implements LaneHost, UnroutedHost, OrphanHost {
  readonly context: DispatchContext;
  readonly #lanes = new Map<LaneId, Lane>();
  /** By unit number; stale members are noticed by their key and destination. */
  readonly #units: (CarriedUnit | undefined)[] = [];
  /** Drivers that were replaced and whose last sessions still end. */
  readonly #retired = new Set<Lane>();
  readonly #toPump = new Set<Lane>();
  #pumping = false;
  readonly #waitForJournal = new Set<Lane>();
  /** Keys of slots that somebody waits for; `true` = somebody of another pod. */
  readonly #wantedSlots = new Map<string, boolean>();
  readonly #timer: PodTimer;
  readonly #expiry: Expiry;
  readonly #bounces: DirectedBounces;

  constructor(context: DispatchContext) {
    this.context = context;
    this.#timer = new PodTimer(context);
    const after = (unit: UnitId, key: UnitKey, lane: LaneId): void => this.#afterExpiry(unit, key, lane);
    this.#expiry = new Expiry(context, after);
    this.#bounces = new DirectedBounces(context, after);
  }

  /** Where mail of a unit belongs now. */
  laneFor(pool: string, domain: string): LaneId {
    const { queue } = this.context;
    const generation = this.context.generation();
    if (!generation.pools.has(pool)) return queue.openLane(pool, ORPHANED);
    const destination = generation.destinations.peek(pool, domain);
    const routed = destination !== undefined && 'laneSite' in destination;
    return queue.openLane(pool, routed ? destination.laneSite : UNROUTED + domain);
  }

  /** The queue has something to offer in this lane. Called in the middle of a change of the queue. */
  ready(lane: LaneId): void {
    this.schedulePump(this.#driver(lane));
  }

  /**
   * Mail was queued in this unit: what directives say of it is done at once, also in a lane that offers nothing for now because its site is down or
   * its domain unknown. The unit may be gone afterwards.
   */
  obeyDirectives(unit: UnitId): void {
    const key = this.context.queue.unitKey(unit);
    if (unitOrder(this.context.generation(), key).kind !== 'carry') this.#place(unit, key);
  }

  /** The entry's time is up. Called in the middle of a change of the queue. */
  expired(entry: Entry): void {
    this.#expiry.add(entry);
  }

  schedulePump(lane: Lane): void {
    this.#toPump.add(lane);
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      const lanes = [...this.#toPump];
      this.#toPump.clear();
      for (const each of lanes) {
        try {
          each.pump();
          this.#forgetIfDone(each);
        } catch (error) {
          // One lane's bug must not stop the others.
          this.context.report.fault(error);
        }
      }
      this.arm();
    });
  }

  /** Something became due at a time: the pod's timer must know. */
  arm(): void {
    this.#timer.arm();
  }

  armSoon(): void {
    this.#timer.armSoon();
  }

  stopTimer(): void {
    this.#timer.stop();
  }

  carriedUnit(unit: UnitId, lane: LaneId): CarriedUnit | undefined {
    const { queue, router } = this.context;
    const generation = this.context.generation();
    const key = queue.unitKey(unit);
    const known = this.#units[unit];
    if (
      known?.key === key &&
      known.generation === generation &&
      router.peek(key.domain) === known.destination.route
    ) {
      return known;
    }
    const destination = generation.pools.has(key.pool)
      ? generation.destinations.peek(key.pool, key.domain)
      : undefined;
    if (
      destination === undefined ||
      !('laneSite' in destination) ||
      queue.laneKey(lane).site !== destination.laneSite
    ) {
      this.#reroute(unit, key);
      return undefined;
    }
    const order = unitOrder(generation, key);
    if (order.kind !== 'carry') {
      // It sleeps now; what is to become of it is not done in the middle of an offer.
      if (order.kind !== 'wait') queueMicrotask(() => this.#place(unit, key));
      return undefined;
    }
    // The older one waits for limits under another configuration or route, or for a unit that is gone.
    if (known !== undefined) this.context.shaper.cancel(known);
    const carried = new CarriedUnit(unit, key, destination, generation, this.context, () =>
      this.#wake(unit, key, lane),
    );
    this.#units[unit] = carried;
    return carried;
  }

  attempt(session: CarryingSession, unit: CarriedUnit, entry: Entry): Promise<Setback | undefined> {
    return attemptEntry(this.context, session, unit, entry);
  }

  rescue(entry: Entry): void {
    const { queue, clock, report } = this.context;
    try {
      queue.defer(entry, {
        dueAtMs: clock.nowMs() + RESCUE_PAUSE_MS,
        attempts: queue.attempts(entry) + 1,
      });
      this.armSoon();
    } catch (error) {
      // It was settled already.
      report.fault(error);
    }
  }

  async failHead(lane: LaneId, { source, failure, domain, consequence }: Blame): Promise<boolean> {
    const { queue, clock } = this.context;
    const entry = queue.take(lane, undefined, clock.nowMs(), (unit) => {
      const key = queue.unitKey(unit);
      if (unitOrder(this.context.generation(), key).kind === 'wait') return 'sleep';
      return domain === undefined || key.domain === domain ? 'take' : 'skip';
    });
    if (entry === undefined) return false;
    await this.#fail(entry, source, failure, consequence);
    return true;
  }

  async failHeadUnrouted(lane: LaneId, failure: NoRoute): Promise<boolean> {
    const { queue, clock } = this.context;
    const entry = queue.take(lane, undefined, clock.nowMs(), (unit) =>
      unitOrder(this.context.generation(), queue.unitKey(unit)).kind === 'wait' ? 'sleep' : 'take',
    );
    if (entry === undefined) return false;
    await this.#fail(entry, undefined, failure, undefined);
    return true;
  }

  async repool(entry: Entry): Promise<boolean> {
    const { queue } = this.context;
    const key = queue.unitKey(queue.unit(entry));
    const loaded = await loadEntry(this.context, entry);
    if (loaded === 'gone') return true;
    if (loaded === 'unreadable') {
      postpone(this.context, entry);
      return true;
    }
    const pool = this.context.generation().poolChoice.poolFor(loaded.message.envelope, key.domain);
    if (pool === '') return false;
    this.#toPool(entry, key, pool, 0);
    return true;
  }

  /** A taken entry goes to another pool. */
  #toPool(entry: Entry, key: UnitKey, pool: string, dueAtMs: number): void {
    const { queue, clock, held } = this.context;
    const unit = queue.unitOf({ ...key, pool, preferredSource: '' }, this.laneFor(pool, key.domain));
    const moved = queue.insert(
      unit,
      {
        sequence: queue.sequence(entry),
        idCheck: queue.idCheck(entry),
        group: queue.group(entry),
        acceptedAtMs: queue.acceptedAtMs(entry),
        dueAtMs,
        expireAtMs: queue.expireAtMs(entry),
        attempts: queue.attempts(entry),
        recipients: queue.recipients(entry),
        sizeBytes: queue.sizeBytes(entry),
      },
      clock.nowMs(),
    );
    held.moved(entry, moved);
    queue.remove(entry);
  }

  rerouteAll(lane: LaneId): void {
    for (const unit of [...this.context.queue.unitsOf(lane)])
      this.#place(unit, this.context.queue.unitKey(unit));
  }

  /** After a change of configuration: sessions of changed pools end after their message, units find their lanes anew. */
  reconfigured(before: Generation): void {
    const { queue } = this.context;
    const changed = changedPools(before.config, this.context.generation().config);
    for (const lane of this.#retired) this.#cutDisabled(lane);
    // Lanes of which nothing has been due yet have no driver, and orders for their mail all the same.
    for (const id of [...queue.lanes()]) if (!this.#lanes.has(id)) this.rerouteAll(id);
    // A copy: lanes are replaced and opened on the way.
    for (const [id, lane] of [...this.#lanes]) {
      if (changed.has(queue.laneKey(id).pool)) {
        this.#cutDisabled(lane);
        // The old driver lives on until its sessions have ended; the new one opens its own within the same limits.
        lane.close();
        this.#retired.add(lane);
        this.#lanes.delete(id);
        this.#driver(id);
        queue.unpinLane(id);
      } else if (lane instanceof LaneDriver) {
        lane.obey();
      }
      this.rerouteAll(id);
      this.schedulePump(this.#driver(id));
    }
  }

  /** Ends the sessions in the middle of such messages. */
  cutCarrying(gone: (sequence: number) => boolean): void {
    for (const lane of [...this.#retired, ...this.#lanes.values()])
      if (lane instanceof LaneDriver) lane.cutCarrying(gone);
  }

  /** Lanes whose mail was forgotten go with it. */
  forgetEmpty(): void {
    for (const lane of [...this.#lanes.values()]) this.#forgetIfDone(lane);
  }

  anySlotWanted(): boolean {
    return this.#wantedSlots.size > 0;
  }

  slotWanted(keyId: string): 'here' | 'elsewhere' | undefined {
    const elsewhere = this.#wantedSlots.get(keyId);
    if (elsewhere === undefined) return undefined;
    return elsewhere ? 'elsewhere' : 'here';
  }

  /** Somebody waits for a slot of this key: an idle session that holds one closes, a busy one after its quantum. */
  wantSlot(keyId: string, elsewhere: boolean): void {
    this.#wantedSlots.set(keyId, elsewhere);
    for (const lane of this.#lanes.values()) {
      if (lane instanceof LaneDriver && lane.yieldIdle(keyId)) return;
    }
  }

  slotServed(keyId: string): void {
    this.#wantedSlots.delete(keyId);
  }

  waitForJournal(lane: Lane): void {
    this.#waitForJournal.add(lane);
  }

  journalHasRoom(): void {
    for (const lane of this.#waitForJournal) this.schedulePump(lane);
    this.#waitForJournal.clear();
  }

  /** Who pumps it; `undefined` = nothing of it has been due since it was read from the spool. */
  find(lane: LaneId): Lane | undefined {
    return this.#lanes.get(lane);
  }

  all(): IterableIterator<[LaneId, Lane]> {
    return this.#lanes.entries();
  }

  /** Lanes with something open or under way, replaced ones included. */
  busy(): readonly Lane[] {
    for (const lane of this.#retired) if (lane.quiet) this.#retired.delete(lane);
    return [...this.#retired, ...[...this.#lanes.values()].filter((lane) => !lane.quiet)];
  }

  #driver(lane: LaneId): Lane {
    const known = this.#lanes.get(lane);
    if (known !== undefined) return known;
    const { pool, site } = this.context.queue.laneKey(lane);
    const config = this.context.generation().pools.get(pool);
    const driver =
      site === ORPHANED || config === undefined
        ? new OrphanLane(lane, this)
        : site.startsWith(UNROUTED)
          ? new UnroutedLane(lane, site.slice(UNROUTED.length), this)
          : new LaneDriver(lane, config, this);
    this.#lanes.set(lane, driver);
    this.context.queue.pinLane(lane);
    return driver;
  }

  /** A lane without mail and without connections costs nothing. */
  #forgetIfDone(lane: Lane): void {
    const { queue } = this.context;
    if (lane.quiet) this.#retired.delete(lane);
    if (!lane.quiet || this.#lanes.get(lane.lane) !== lane || !queue.unitsOf(lane.lane).next().done) return;
    lane.close();
    this.#lanes.delete(lane.lane);
    queue.unpinLane(lane.lane);
  }

  #wake(unit: UnitId, key: UnitKey, lane: LaneId): void {
    if (this.context.queue.unitKeyIfAny(unit) !== key) return;
    if (this.context.queue.isAsleep(unit)) this.context.queue.wakeUnit(unit);
    // A unit that only one source left aside never slept, so the queue announces nothing.
    else if (this.#lanes.has(lane)) this.schedulePump(this.#driver(lane));
  }

  /** The unit sleeps until its route is known, then moves to where the route leads. */
  #reroute(unit: UnitId, key: UnitKey): void {
    const known = this.context.generation().pools.has(key.pool)
      ? this.context.router.resolve(key.domain)
      : Promise.resolve();
    known.then(() => this.#place(unit, key)).catch((error) => this.context.report.fault(error));
  }

  #place(unit: UnitId, key: UnitKey): void {
    const { queue } = this.context;
    if (queue.unitKeyIfAny(unit) !== key) return;
    const order = unitOrder(this.context.generation(), key);
    if (order.kind === 'reroute') {
      this.#reroutePool(unit, key, order.pool);
      return;
    }
    const lane = this.laneFor(key.pool, key.domain);
    if (lane !== queue.laneOf(unit)) queue.moveUnit(unit, lane);
    if (order.kind === 'carry') {
      queue.wakeUnit(unit);
      return;
    }
    queue.sleepUnit(unit);
    if (order.kind === 'bounce') this.#bounces.add(unit, key, order.directive);
  }

  /** All mail of the unit but what is in a transaction leaves from another pool. */
  #reroutePool(unit: UnitId, key: UnitKey, pool: string): void {
    const { queue } = this.context;
    const entries = queue.entriesOf(unit);
    // Awake first: an empty unit that sleeps would stay.
    queue.wakeUnit(unit);
    for (const entry of entries) {
      if (queue.takeOut(entry)) this.#toPool(entry, key, pool, queue.dueAtMs(entry));
    }
    this.arm();
  }

  /** Charges an entry with an attempt that ended before a transaction; policy as its own domain has it. */
  async #fail(
    entry: Entry,
    source: LaneSource | undefined,
    failure: SessionFailure | NoRoute,
    consequence: Consequence | undefined,
  ): Promise<void> {
    const { queue } = this.context;
    const key = queue.unitKey(queue.unit(entry));
    const { pools, destinations } = this.context.generation();
    const found = pools.has(key.pool) ? destinations.peek(key.pool, key.domain) : undefined;
    const destination = found !== undefined && 'policy' in found ? found : undefined;
    try {
      await failEntry(this.context, entry, key, { destination, source, failure, consequence });
    } catch (error) {
      this.context.report.fault(error);
      this.rescue(entry);
    }
    this.arm();
  }

  #cutDisabled(lane: Lane): void {
    if (!(lane instanceof LaneDriver)) return;
    const pool = this.context.generation().pools.get(lane.pool.name);
    const states = new Map(pool?.sources.map(({ name, state }) => [name, state]));
    lane.cut((name) => (states.get(name) ?? 'Disabled') === 'Disabled');
  }

  #afterExpiry(unit: UnitId, key: UnitKey, lane: LaneId): void {
    const { queue, shaper } = this.context;
    // A unit that sleeps on a limit would keep its place in the line for mail that is gone.
    if (queue.unitKeyIfAny(unit) === key && queue.isAsleep(unit)) queue.wakeUnit(unit);
    const carried = this.#units[unit];
    if (carried?.key === key && queue.unitKeyIfAny(unit) !== key) shaper.cancel(carried);
    const driver = this.#lanes.get(lane);
    if (driver !== undefined) this.schedulePump(driver);
  }
}

/** Pools that are not what they were, those that came or went included. */
function changedPools(before: EgressConfig, now: EgressConfig): ReadonlySet<string> {
  const forms = (config: EgressConfig) =>
    new Map(config.pools.map((pool) => [pool.name, JSON.stringify(pool)]));
  const [old, current] = [forms(before), forms(now)];
  const names = [...old.keys(), ...current.keys()];
  return new Set(names.filter((name) => old.get(name) !== current.get(name)));
}
