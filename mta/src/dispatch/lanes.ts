import type { SessionFailure } from '../deliver/mod.ts';
import type { Entry, LaneId, UnitId, UnitKey } from '../queue/mod.ts';
import type { NoRoute } from '../route/mod.ts';
import type { Reply } from '../spool/mod.ts';
import { attemptEntry, expireEntry, failEntry, loadEntry } from './attempts.ts';
import { CarriedUnit } from './carried-unit.ts';
import type { CarryingSession } from './carrying-session.ts';
import type { Destination } from './destinations.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { Generation } from './generation.ts';
import { LaneDriver, type LaneHost } from './lane-driver.ts';
import type { LaneSource } from './lane-source.ts';
import { type OrphanHost, OrphanLane } from './orphan-lane.ts';
import { type UnroutedHost, UnroutedLane } from './unrouted-lane.ts';

export type Lane = LaneDriver | UnroutedLane | OrphanLane;

/** Site of a lane whose domain has no known route, before the domain. */
const UNROUTED = 'unrouted:';
/** Site of the lane for mail without a pool. */
const ORPHANED = 'orphaned';

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
  #armScheduled = false;
  readonly #waitForJournal = new Set<Lane>();
  readonly #wantedSlots = new Set<string>();
  #expired: Entry[] = [];
  #expiring = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(context: DispatchContext) {
    this.context = context;
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

  /** Entries whose time is up, in the order in which the queue reported them. */
  expired(entry: Entry): void {
    this.#expired.push(entry);
    if (this.#expiring) return;
    this.#expiring = true;
    queueMicrotask(() => void this.#expireAll());
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
        each.pump();
        this.#forgetIfDone(each);
      }
      this.arm();
    });
  }

  /** Sets the pod's one timer to the next thing that time alone makes happen. */
  arm(): void {
    const atMs = Math.min(
      this.context.queue.nextAtMs() ?? Number.POSITIVE_INFINITY,
      this.context.shaper.nextWakeAtMs() ?? Number.POSITIVE_INFINITY,
    );
    if (atMs === this.#timerAtMs || (this.#timer !== undefined && atMs > this.#timerAtMs)) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(0, Math.ceil(atMs - this.context.clock.nowMs())), 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.#timePassed(), delayMs);
  }

  stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
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
    const carried = new CarriedUnit(unit, key, destination, generation, this.context, () =>
      this.#wake(unit, key),
    );
    this.#units[unit] = carried;
    return carried;
  }

  attempt(session: CarryingSession, unit: CarriedUnit, entry: Entry): Promise<Reply | undefined> {
    return attemptEntry(this.context, session, unit, entry);
  }

  armSoon(): void {
    if (this.#armScheduled) return;
    this.#armScheduled = true;
    queueMicrotask(() => {
      this.#armScheduled = false;
      this.arm();
    });
  }

  async failHead(
    entry: Entry,
    destination: Destination,
    source: LaneSource,
    failure: SessionFailure | NoRoute,
  ): Promise<void> {
    const key = this.context.queue.unitKey(this.context.queue.unit(entry));
    await failEntry(this.context, entry, key, destination, source, failure);
    this.arm();
  }

  async failHeadUnrouted(lane: LaneId, failure: NoRoute): Promise<boolean> {
    const { queue, clock } = this.context;
    const entry = queue.take(lane, undefined, clock.nowMs(), () => 'take');
    if (entry === undefined) return false;
    await failEntry(this.context, entry, queue.unitKey(queue.unit(entry)), undefined, undefined, failure);
    this.arm();
    return true;
  }

  async repool(entry: Entry): Promise<boolean> {
    const { queue, clock } = this.context;
    const key = queue.unitKey(queue.unit(entry));
    const loaded = await loadEntry(this.context, entry);
    if (loaded === undefined) return true;
    const pool = this.context.generation().poolChoice.poolFor(loaded.message.envelope, key.domain);
    if (pool === '') return false;
    const unit = queue.unitOf({ ...key, pool, preferredSource: '' }, this.laneFor(pool, key.domain));
    queue.insert(
      unit,
      {
        sequence: queue.sequence(entry),
        idCheck: queue.idCheck(entry),
        group: queue.group(entry),
        acceptedAtMs: queue.acceptedAtMs(entry),
        dueAtMs: 0,
        expireAtMs: queue.expireAtMs(entry),
        attempts: queue.attempts(entry),
        recipients: queue.recipients(entry),
        sizeBytes: queue.sizeBytes(entry),
      },
      clock.nowMs(),
    );
    queue.remove(entry);
    return true;
  }

  rerouteAll(lane: LaneId): void {
    for (const unit of [...this.context.queue.unitsOf(lane)])
      this.#place(unit, this.context.queue.unitKey(unit));
  }

  /** After a change of configuration: sessions of changed sources end after their message, units find their lanes anew. */
  reconfigured(before: Generation): void {
    for (const [id, lane] of this.#lanes) {
      const { pool } = this.context.queue.laneKey(id);
      const now = this.context.generation().pools.get(pool);
      if (JSON.stringify(before.pools.get(pool)) !== JSON.stringify(now)) {
        if (lane instanceof LaneDriver) {
          const states = new Map(now?.sources.map(({ name, state }) => [name, state]));
          lane.cut((name) => (states.get(name) ?? 'Disabled') === 'Disabled');
        }
        // The old driver lives on until its sessions have ended; the new one opens its own within the same limits.
        lane.close();
        this.#retired.add(lane);
        this.#lanes.delete(id);
        const replaced = this.#driver(id);
        this.context.queue.unpinLane(id);
        this.schedulePump(replaced);
      }
      this.rerouteAll(id);
      this.schedulePump(this.#driver(id));
    }
  }

  anySlotWanted(): boolean {
    return this.#wantedSlots.size > 0;
  }

  slotWanted(keyId: string): boolean {
    return this.#wantedSlots.has(keyId);
  }

  /** Somebody waits for a slot of this key: an idle session that holds one closes, a busy one after its quantum. */
  wantSlot(keyId: string): void {
    this.#wantedSlots.add(keyId);
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

  all(): IterableIterator<[LaneId, Lane]> {
    return this.#lanes.entries();
  }

  /** Lanes with something open or under way, replaced ones included. */
  busy(): readonly Lane[] {
    for (const lane of this.#retired) if (lane.quiet) this.#retired.delete(lane);
    return [...this.#retired, ...[...this.#lanes.values()].filter((lane) => !lane.quiet)];
  }

  driverOf(lane: LaneId): Lane | undefined {
    return this.#lanes.get(lane);
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
    if (!lane.quiet || this.#lanes.get(lane.lane) !== lane || !queue.unitsOf(lane.lane).next().done) return;
    lane.close();
    this.#lanes.delete(lane.lane);
    queue.unpinLane(lane.lane);
  }

  #timePassed(): void {
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.context.clock.nowMs();
    this.context.queue.advance(nowMs);
    this.context.shaper.advance(nowMs);
    this.arm();
  }

  #wake(unit: UnitId, key: UnitKey): void {
    if (this.context.queue.unitKeyIfAny(unit) === key) this.context.queue.wakeUnit(unit);
  }

  /** The unit sleeps until its route is known, then moves to where the route leads. */
  #reroute(unit: UnitId, key: UnitKey): void {
    const known = this.context.generation().pools.has(key.pool)
      ? this.context.router.resolve(key.domain)
      : Promise.resolve();
    void known.then(() => this.#place(unit, key));
  }

  #place(unit: UnitId, key: UnitKey): void {
    const { queue } = this.context;
    if (queue.unitKeyIfAny(unit) !== key) return;
    const lane = this.laneFor(key.pool, key.domain);
    if (lane !== queue.laneOf(unit)) queue.moveUnit(unit, lane);
    queue.wakeUnit(unit);
  }

  async #expireAll(): Promise<void> {
    while (this.#expired.length > 0) {
      const batch = this.#expired;
      this.#expired = [];
      for (const entry of batch) {
        const unit = this.context.queue.unit(entry);
        const lane = this.#lanes.get(this.context.queue.laneOf(unit));
        await expireEntry(this.context, entry, this.context.queue.unitKey(unit));
        if (lane !== undefined) this.schedulePump(lane);
      }
    }
    this.#expiring = false;
  }
}
