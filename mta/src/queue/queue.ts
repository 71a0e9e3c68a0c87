import { nextTurns, type Taker } from './ageing.ts';
import type {
  Admission,
  Deferral,
  Entry,
  EntryCounts,
  Fate,
  LaneCounts,
  LaneId,
  LaneKey,
  NewEntry,
  UnitCounts,
  UnitId,
  UnitKey,
} from './contract.ts';
import { eachEntry } from './entry-list.ts';
import { EntryTable, FREE, READY, TAKEN, WAITING } from './entry-table.ts';
import type { Lane } from './lane.ts';
import { Lanes } from './lanes.ts';
import { Placement } from './placement.ts';
import { Ticks } from './ticks.ts';
import { TimerWheel } from './timer-wheel.ts';
import type { Unit } from './unit.ts';
import { countUnit } from './unit-counts.ts';
import { Units } from './units.ts';

export interface QueueOptions {
  /** Priority of a class; higher leaves first. Asked when a class begins to have something to offer in a lane. */
  readonly classPriority: (className: string) => number;
  /**
   * A lane that had nothing to offer (to a source, when units prefer one) has something. Called in the middle of a change:
   * note it down and act later.
   */
  readonly onReady: (lane: LaneId) => void;
  /** The entry's time is up. It counts as taken: read its fields, report, then `remove` it. Called in the middle of a change. */
  readonly onExpired: (entry: Entry) => void;
}

/**
 * What is queued, in which order it leaves, until when it sleeps (see `contract.ts` for the words). All times are wall times in
 * milliseconds; they are kept to {@link TICK_MS}, rounded so that nothing is early. Every call costs the same however much is queued,
 * except `moveUnit`, which visits the unit's entries.
 *
 * Example:
 * ```ts
 * const queue = createQueue({ classPriority: () => 0, onReady: pump, onExpired: report });
 * const unit = queue.unitOf(key, queue.openLane('shared-a', 'mx.example'));
 * queue.insert(unit, entry, nowMs);
 * const next = queue.take(lane, 'ip-1', nowMs, (unit, entry) => (tokens(unit) ? 'take' : 'sleep'));
 * ```
 */
export class Queue {
  readonly #options: QueueOptions;
  readonly #table = new EntryTable();
  readonly #wheel = new TimerWheel(this.#table);
  readonly #ticks = new Ticks();
  readonly #units = new Units();
  readonly #lanes = new Lanes();
  readonly #placement = new Placement(this.#table);
  /** Taken entries whose messages are not ours any more. */
  readonly #fates = new Map<Entry, Fate>();
  /** The latest time that a call brought. */
  #nowMs: number | undefined;
  #takes = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  // Lanes and units

  /** The lane of (pool, site). A lane without units is forgotten as soon as its last unit or pin is gone. */
  openLane(pool: string, site: string): LaneId {
    return this.#lanes.open(pool, site).id;
  }

  /** @throws RangeError when the lane is gone */
  laneKey(lane: LaneId): LaneKey {
    return this.#lanes.get(lane).key;
  }

  /** `false` once the lane is forgotten. */
  hasLane(lane: LaneId): boolean {
    return this.#lanes.find(lane) !== undefined;
  }

  /** The lane stays, even empty, until as many `unpinLane`. */
  pinLane(lane: LaneId): void {
    this.#lanes.get(lane).pins++;
  }

  unpinLane(id: LaneId): void {
    const lane = this.#lanes.get(id);
    if (lane.pins === 0) throw new RangeError(`lane ${id} is not pinned`);
    lane.pins--;
    this.#lanes.forgetIfAbandoned(lane);
  }

  lanes(): IterableIterator<LaneId> {
    return this.#lanes.ids;
  }

  /** The unit of this key, made in `lane` when there is none; one that exists stays in its lane. It lives while it has entries or sleeps. */
  unitOf(key: UnitKey, lane: LaneId): UnitId {
    const home = this.#lanes.get(lane);
    const unit = this.#units.open(key, home);
    if (unit.lane !== home) this.#lanes.forgetIfAbandoned(home);
    return unit.id;
  }

  /** @throws RangeError when the unit is gone */
  unitKey(unit: UnitId): UnitKey {
    return this.#units.get(unit).key;
  }

  /** The same object as long as the unit lives; `undefined` = there is none of this number. */
  unitKeyIfAny(unit: UnitId): UnitKey | undefined {
    return this.#units.find(unit)?.key;
  }

  laneOf(unit: UnitId): LaneId {
    return this.#units.get(unit).lane.id;
  }

  /** The units of a lane; collect them before changing anything. */
  *unitsOf(lane: LaneId): IterableIterator<UnitId> {
    for (let unit = this.#lanes.get(lane).firstUnit; unit !== undefined; unit = unit.laneNext) yield unit.id;
  }

  /** Takes the unit with all its entries to another lane. It sleeps on if it sleeps. */
  moveUnit(id: UnitId, to: LaneId): void {
    const unit = this.#units.get(id);
    const from = unit.lane;
    const lane = this.#lanes.get(to);
    if (lane === from) return;
    this.#placement.move(unit, lane);
    this.#offer(unit, true);
    this.#lanes.forgetIfAbandoned(from);
  }

  isAsleep(unit: UnitId): boolean {
    return this.#units.find(unit)?.asleep === true;
  }

  /** Offers none of the unit's entries until `wakeUnit`. Nothing happens when it is asleep or gone. */
  sleepUnit(id: UnitId): void {
    const unit = this.#units.find(id);
    if (unit !== undefined && !unit.asleep) this.#placement.sleep(unit);
  }

  /** Offers the unit's entries again. Nothing happens when it is awake or gone. */
  wakeUnit(id: UnitId): void {
    const unit = this.#units.find(id);
    if (unit?.asleep !== true) return;
    this.#placement.wake(unit);
    if (unit.empty) this.#forget(unit);
    else this.#offer(unit, true);
  }

  // Entries

  /** Queues an entry: ready at once, or when it is due. */
  insert(id: UnitId, entry: NewEntry, nowMs: number): Entry {
    this.#see(nowMs);
    const unit = this.#units.get(id);
    const acceptedTick = this.#ticks.floor(entry.acceptedAtMs);
    const dueTick = this.#ticks.ceil(entry.dueAtMs);
    const expireTick = this.#ticks.ceil(entry.expireAtMs);
    const made = this.#table.add(entry, acceptedTick, dueTick, expireTick, id);
    this.#placement.enter(unit, made);
    if (entry.dueAtMs <= nowMs) this.#becomeReady(unit, made, 'tail');
    else this.#becomeWaiting(unit, made);
    return made;
  }

  /**
   * Offers the head entries of the lane's awake units, one after the other, until one is taken, `admit` says stop, or none is left.
   *
   * Order: class by priority with ageing (`ageing.ts`), tenants by deficit round robin (`turns.ts`), a tenant's units in turn, first
   * in first out. Units that prefer another source than `source` are passed over unless `standsInFor` says that the one they prefer
   * cannot be used; `source` `undefined` passes over none. `admit` may wake other units and insert, nothing else.
   */
  take(
    id: LaneId,
    source: string | undefined,
    nowMs: number,
    admit: (unit: UnitId, entry: Entry) => Admission,
    standsInFor?: (preferredSource: string) => boolean,
  ): Entry | undefined {
    const lane = this.#lanes.find(id);
    if (lane === undefined) return undefined;
    const skipped: Unit[] = [];
    const entry = this.#offerUnits(lane, { source, standsInFor }, nowMs, admit, skipped);
    // They had something to offer before: nobody is told, or who skipped them would be asked again at once.
    for (const unit of skipped) {
      if (this.#mayTurn(unit)) lane.turnsOf(unit.key.class, unit.key.preferredSource).join(unit);
    }
    return entry;
  }

  /** The entry is done with, in whatever state it is. Its number will name another one. */
  remove(entry: Entry): void {
    this.#fates.delete(entry);
    const unit = this.#unitOfLive(entry);
    if (this.#table.state(entry) !== TAKEN) this.#wheel.cancel(entry);
    this.#placement.leave(unit, entry);
    this.#placement.exit(unit, entry);
    this.#table.free(entry);
    this.#forgetIfDone(unit);
  }

  /** The unit's entries, whatever they wait for; collect them before changing anything. */
  entriesOf(id: UnitId): readonly Entry[] {
    const { readyHead, waitingHead, takenHead } = this.#units.get(id);
    const entries: Entry[] = [];
    for (const head of [readyHead, waitingHead, takenHead]) {
      eachEntry(this.#table, head, (entry) => entries.push(entry));
    }
    return entries;
  }

  /** What the unit will offer next, in this order, so many at most. */
  upcoming(id: UnitId, atMost: number): readonly Entry[] {
    const { readyHead, ready } = this.#units.get(id);
    const entries: Entry[] = [];
    let entry = readyHead;
    for (let left = Math.min(atMost, ready); left > 0; left--) {
      entries.push(entry);
      entry = this.#table.next(entry);
    }
    return entries;
  }

  /** Whether the entry is in the queue, in this unit. */
  belongs(entry: Entry, unit: UnitId): boolean {
    return this.#table.state(entry) !== FREE && this.#table.unit(entry) === unit;
  }

  /**
   * Forgets the entries of messages that are not ours any more. Those that are taken are forgotten when they come back; until then
   * {@link fate} tells. Visits every entry.
   */
  removeWhere(gone: (sequence: number) => boolean, fate: Fate): void {
    for (const id of [...this.#lanes.ids].flatMap((lane) => [...this.unitsOf(lane)])) {
      const unit = this.#units.get(id);
      const entries = this.entriesOf(id).filter((entry) => gone(this.#table.sequence(entry)));
      for (const entry of entries) {
        if (this.#table.state(entry) === TAKEN) this.#fates.set(entry, fate);
        else this.remove(entry);
      }
      // Asleep and empty, nobody would wake it.
      if (entries.length > 0 && this.#units.find(id) === unit && unit.empty) this.wakeUnit(id);
    }
  }

  /** What became of a taken entry's message meanwhile; `undefined` = it is ours. */
  fate(entry: Entry): Fate | undefined {
    return this.#fates.size === 0 ? undefined : this.#fates.get(entry);
  }

  /** Takes this entry out of turn, due or not. `false` = it is taken already, or gone. */
  takeOut(entry: Entry): boolean {
    const state = this.#table.state(entry);
    if (state === FREE || state === TAKEN) return false;
    const unit = this.#units.get(this.#table.unit(entry));
    this.#wheel.cancel(entry);
    this.#placement.leave(unit, entry);
    this.#placement.taken(unit, entry);
    return true;
  }

  /** A taken entry waits for its next attempt, in the unit that prefers the given source. */
  defer(entry: Entry, deferral: Deferral): void {
    if (this.#fates.has(entry)) {
      this.remove(entry);
      return;
    }
    const table = this.#table;
    let unit = this.#unitOfTaken(entry);
    this.#placement.leave(unit, entry);
    table.setAttempts(entry, deferral.attempts);
    table.setDueTick(entry, this.#ticks.ceil(deferral.dueAtMs));
    if (deferral.expireAtMs !== undefined) table.setExpireTick(entry, this.#ticks.ceil(deferral.expireAtMs));
    const { preferredSource = unit.key.preferredSource } = deferral;
    if (preferredSource !== unit.key.preferredSource) unit = this.#changeUnit(unit, entry, preferredSource);
    if (deferral.dueAtMs <= (this.#nowMs ?? 0)) this.#becomeReady(unit, entry, 'tail');
    else this.#becomeWaiting(unit, entry);
  }

  /** A taken entry was not tried after all: it is the first of its unit again. */
  giveBack(entry: Entry): void {
    if (this.#fates.has(entry)) {
      this.remove(entry);
      return;
    }
    const unit = this.#unitOfTaken(entry);
    this.#placement.leave(unit, entry);
    this.#becomeReady(unit, entry, 'head');
  }

  /** Its time has not come. `false` for a number that names no entry, too. */
  isWaiting(entry: Entry): boolean {
    return this.#table.state(entry) === WAITING;
  }

  /** A waiting entry is due at once. `false` = it does not wait: it is ready, in flight or gone. */
  hasten(entry: Entry): boolean {
    if (!this.isWaiting(entry)) return false;
    const unit = this.#unitOfLive(entry);
    this.#wheel.cancel(entry);
    this.#placement.leave(unit, entry);
    this.#becomeReady(unit, entry, 'tail');
    return true;
  }

  unit(entry: Entry): UnitId {
    return this.#unitOfLive(entry).id;
  }

  sequence(entry: Entry): number {
    return this.#table.sequence(entry);
  }

  idCheck(entry: Entry): number {
    return this.#table.idCheck(entry);
  }

  group(entry: Entry): number {
    return this.#table.group(entry);
  }

  attempts(entry: Entry): number {
    return this.#table.attempts(entry);
  }

  recipients(entry: Entry): number {
    return this.#table.recipients(entry);
  }

  sizeBytes(entry: Entry): number {
    return this.#table.sizeBytes(entry);
  }

  /** To the tick, rounded down. */
  acceptedAtMs(entry: Entry): number {
    return this.#ticks.toMs(this.#table.acceptedTick(entry));
  }

  /** When it is, or was, due; to the tick, rounded up. */
  dueAtMs(entry: Entry): number {
    return this.#ticks.toMs(this.#table.dueTick(entry));
  }

  /** To the tick, rounded up. */
  expireAtMs(entry: Entry): number {
    return this.#ticks.toMs(this.#table.expireTick(entry));
  }

  // Time

  /** What is due becomes ready, what has expired is reported. */
  advance(nowMs: number): void {
    this.#wheel.advance(this.#see(nowMs), this.#fire);
  }

  /**
   * Time at which `advance` is to be called next, which may be now; `undefined` = not before something is inserted, deferred or
   * given back. After `advance(now)` it is later than `now`. Now and then it comes before the first entry's time: then `advance`
   * only sorts, and there is a new answer.
   */
  nextAtMs(): number | undefined {
    const tick = this.#wheel.nextTick();
    return tick === undefined ? undefined : this.#ticks.toMs(tick);
  }

  // Counts

  /** Entries in the index. */
  get size(): number {
    return this.#placement.counts.total;
  }

  get counts(): EntryCounts {
    return { ...this.#placement.counts };
  }

  get unitCount(): number {
    return this.#units.size;
  }

  /** Bytes of the entries' table. Units and lanes, a few hundred bytes each, are not in it. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** Entries that could be offered now. */
  readyCount(lane: LaneId): number {
    return this.#lanes.find(lane)?.counts.ready ?? 0;
  }

  laneCounts(id: LaneId): LaneCounts {
    const { counts, accepted, due } = this.#lanes.get(id);
    const oldest = accepted.earliest;
    const soonest = due.earliest;
    return {
      ...counts,
      oldestAcceptedAtMs: oldest === undefined ? 0 : this.#ticks.toMs(oldest),
      // What was due before is ready by now, so the bucket of the earliest one may have begun earlier.
      nextDueAtMs: soonest === undefined ? 0 : this.#ticks.toMs(Math.max(soonest, this.#wheel.tick + 1)),
    };
  }

  /** Visits every entry of the unit: a million take about 50 ms. For listings that somebody asks for, not for gauges. */
  unitCounts(id: UnitId): UnitCounts {
    return countUnit(this.#table, this.#units.get(id), (tick) => this.#ticks.toMs(tick));
  }

  /** When the oldest of the entries that are next (one for each class and preferred source) was accepted; `MAX_SAFE_INTEGER` = none is ready. */
  oldestReadyAcceptedAtMs(id: LaneId): number {
    let oldest = Number.MAX_SAFE_INTEGER;
    for (const turns of this.#lanes.find(id)?.turns ?? []) {
      const unit = turns.next(this.#table);
      if (unit !== undefined) oldest = Math.min(oldest, this.acceptedAtMs(unit.readyHead));
    }
    return oldest;
  }

  /** Every tenant that has something queued. */
  *tenantCounts(): IterableIterator<readonly [tenant: string, counts: EntryCounts]> {
    for (const tenant of this.#units.tenants) yield [tenant.name, { ...tenant.counts }];
  }

  #offerUnits(
    lane: Lane,
    taker: Taker,
    nowMs: number,
    admit: (unit: UnitId, entry: Entry) => Admission,
    skipped: Unit[],
  ): Entry | undefined {
    const nowTick = this.#see(nowMs);
    for (;;) {
      const turns = nextTurns(lane.turns, taker, nowMs);
      const unit = turns?.next(this.#table);
      if (turns === undefined || unit === undefined) return undefined;
      const entry = unit.readyHead;
      if (this.#table.expireTick(entry) <= nowTick) {
        this.#wheel.cancel(entry);
        this.#expire(unit, entry);
        continue;
      }
      const admission = admit(unit.id, entry);
      if (admission === 'stop') return undefined;
      if (admission === 'sleep') {
        this.#placement.sleep(unit);
        continue;
      }
      if (admission === 'skip') {
        unit.turn?.turns.leave(unit);
        skipped.push(unit);
        continue;
      }
      if (this.#table.state(entry) !== READY) throw new Error('admit changed the entry that it was offered');
      turns.charge(this.#table, unit);
      turns.waitingSinceMs = nowMs;
      turns.lastTake = ++this.#takes;
      this.#wheel.cancel(entry);
      this.#placement.leave(unit, entry);
      this.#placement.taken(unit, entry);
      return entry;
    }
  }

  // Changes of state. Ready and waiting entries are on the wheel, taken ones are not.

  #becomeReady(unit: Unit, entry: Entry, where: 'head' | 'tail'): void {
    this.#placement.ready(unit, entry, where);
    this.#wheel.schedule(entry);
    this.#offer(unit, false);
  }

  #becomeWaiting(unit: Unit, entry: Entry): void {
    this.#placement.waiting(unit, entry);
    this.#wheel.schedule(entry);
  }

  /** The wheel reached an entry's time. */
  readonly #fire = (entry: Entry): void => {
    const table = this.#table;
    const unit = this.#units.get(table.unit(entry));
    if (table.expireTick(entry) <= this.#wheel.tick) {
      this.#expire(unit, entry);
      return;
    }
    this.#placement.leave(unit, entry);
    this.#becomeReady(unit, entry, 'tail');
  };

  #expire(unit: Unit, entry: Entry): void {
    this.#placement.leave(unit, entry);
    this.#placement.taken(unit, entry);
    this.#options.onExpired(entry);
  }

  /** The unit takes its turns if it has something to offer and does not yet. `waited` = its entries have been ready before. */
  #offer(unit: Unit, waited: boolean): void {
    if (!this.#mayTurn(unit)) return;
    const turns = unit.lane.turnsOf(unit.key.class, unit.key.preferredSource);
    const wasIdle = turns.idle;
    turns.join(unit);
    if (!wasIdle) return;
    turns.priority = this.#options.classPriority(unit.key.class);
    if (!waited || turns.lastTake === 0) turns.waitingSinceMs = this.#nowMs ?? 0;
    this.#options.onReady(unit.lane.id);
  }

  /** It is awake, has a ready entry, and does not take turns yet. */
  #mayTurn(unit: Unit): boolean {
    return !unit.asleep && unit.ready > 0 && unit.turn === undefined;
  }

  #changeUnit(from: Unit, entry: Entry, preferredSource: string): Unit {
    const to = this.#units.open({ ...from.key, preferredSource }, from.lane);
    this.#placement.exit(from, entry);
    this.#table.setUnit(entry, to.id);
    this.#placement.enter(to, entry);
    this.#forgetIfDone(from);
    return to;
  }

  #forgetIfDone(unit: Unit): void {
    if (unit.empty && !unit.asleep) this.#forget(unit);
  }

  #forget(unit: Unit): void {
    this.#units.forget(unit);
    this.#lanes.forgetIfAbandoned(unit.lane);
  }

  #unitOfLive(entry: Entry): Unit {
    if (this.#table.state(entry) === FREE) throw new RangeError(`there is no entry ${entry}`);
    return this.#units.get(this.#table.unit(entry));
  }

  #unitOfTaken(entry: Entry): Unit {
    if (this.#table.state(entry) !== TAKEN) throw new RangeError(`entry ${entry} is not taken`);
    return this.#units.get(this.#table.unit(entry));
  }

  /** The tick of now; the first time sets the wheel going. */
  #see(nowMs: number): number {
    const tick = this.#ticks.floor(nowMs);
    if (this.#nowMs === undefined) this.#wheel.advance(tick, this.#fire);
    if (this.#nowMs === undefined || nowMs > this.#nowMs) this.#nowMs = nowMs;
    return tick;
  }
}

/** An empty queue. */
export function createQueue(options: QueueOptions): Queue {
  return new Queue(options);
}
