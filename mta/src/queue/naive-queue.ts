import type { Entry, LaneId, NewEntry, UnitId, UnitKey } from './contract.ts';
import { TICK_MS } from './ticks.ts';

/** An entry of the model. `order` tells which of two became ready, or was filed for its time, first. */
export interface NaiveEntry {
  readonly entry: Entry;
  unit: UnitId;
  state: 'ready' | 'waiting' | 'taken';
  readonly fields: NewEntry;
  attempts: number;
  dueAtMs: number;
  readonly expireAtMs: number;
  /** When the clock was set for it: what is past its time by then is noticed at the next tick. */
  filedAtMs: number;
  order: number;
}

export interface NaiveUnit {
  readonly unit: UnitId;
  readonly key: UnitKey;
  lane: LaneId;
  asleep: boolean;
}

/** The queue written in the most obvious way: lists that are searched. What the property test holds the real one against. */
export class NaiveQueue {
  readonly entries = new Map<Entry, NaiveEntry>();
  readonly units = new Map<UnitId, NaiveUnit>();
  #last = 0;
  #first = 0;

  insert(unit: UnitId, entry: Entry, fields: NewEntry, nowMs: number): void {
    this.entries.set(entry, {
      entry,
      unit,
      state: fields.dueAtMs <= nowMs ? 'ready' : 'waiting',
      fields,
      attempts: fields.attempts,
      dueAtMs: upToTick(fields.dueAtMs),
      expireAtMs: upToTick(fields.expireAtMs),
      filedAtMs: nowMs,
      order: ++this.#last,
    });
  }

  /** Ready entries of a unit in the order in which they must leave. */
  readyOf(unit: UnitId): NaiveEntry[] {
    return this.#select((each) => each.unit === unit && each.state === 'ready');
  }

  /** Units that must be offered to this source. */
  offerable(lane: LaneId, source: string | undefined, nowMs: number): NaiveUnit[] {
    return [...this.units.values()].filter(
      (unit) =>
        unit.lane === lane &&
        !unit.asleep &&
        (source === undefined || unit.key.preferredSource === '' || unit.key.preferredSource === source) &&
        this.readyOf(unit.unit).some(({ expireAtMs }) => expireAtMs > nowMs),
    );
  }

  defer(each: NaiveEntry, dueAtMs: number, attempts: number, unit: UnitId, nowMs: number): void {
    each.state = dueAtMs <= nowMs ? 'ready' : 'waiting';
    each.attempts = attempts;
    each.unit = unit;
    each.dueAtMs = upToTick(dueAtMs);
    each.filedAtMs = nowMs;
    each.order = ++this.#last;
  }

  giveBack(each: NaiveEntry, nowMs: number): void {
    each.state = 'ready';
    each.filedAtMs = nowMs;
    each.order = --this.#first;
  }

  /** What expires by now, after what is due has become ready in the order of its time. */
  advance(nowMs: number): Entry[] {
    const expired = this.#select((each) => each.state !== 'taken' && noticedAtMs(each) <= nowMs);
    for (const each of expired) each.state = 'taken';
    const due = this.#select((each) => each.state === 'waiting' && each.dueAtMs <= nowMs);
    due.sort((a, b) => a.dueAtMs - b.dueAtMs || a.order - b.order);
    for (const each of due) {
      each.state = 'ready';
      each.order = ++this.#last;
    }
    return expired.map(({ entry }) => entry);
  }

  /** Units live while they have entries or sleep. */
  forgetEmptyUnits(): void {
    const used = new Set([...this.entries.values()].map(({ unit }) => unit));
    for (const { unit, asleep } of this.units.values()) {
      if (!asleep && !used.has(unit)) this.units.delete(unit);
    }
  }

  counts(belongs: (unit: NaiveUnit) => boolean) {
    const counts = { ready: 0, asleep: 0, waiting: 0, taken: 0 };
    for (const { unit: id, state } of this.entries.values()) {
      const unit = this.units.get(id);
      if (unit === undefined || !belongs(unit)) continue;
      counts[state === 'ready' && unit.asleep ? 'asleep' : state]++;
    }
    return counts;
  }

  #select(condition: (each: NaiveEntry) => boolean): NaiveEntry[] {
    return [...this.entries.values()].filter(condition).sort((a, b) => a.order - b.order);
  }
}

/** When the clock notices that the entry's time is up. */
function noticedAtMs({ expireAtMs, filedAtMs }: NaiveEntry): number {
  return Math.max(expireAtMs, upToTick(filedAtMs + 1));
}

function upToTick(ms: number): number {
  return Math.ceil(ms / TICK_MS) * TICK_MS;
}
