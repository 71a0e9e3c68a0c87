import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Entry, LaneId, UnitId } from './contract.ts';
import { NaiveQueue } from './naive-queue.ts';
import { createQueue } from './queue.ts';
import { START_MS, sampleEntry, sampleKey } from './sample.ts';
import { TICK_MS } from './ticks.ts';

const SITES = ['a.example', 'b.example'];
const SOURCES = ['', 'ip-1', 'ip-2'];
const EMPTY = { ready: 0, asleep: 0, waiting: 0, taken: 0 };

const delayMs = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 400 }),
  fc.integer({ min: 1, max: 2_000_000 }),
);
const pick = fc.nat(1_000);
const insert = fc.record({
  kind: fc.constant('insert' as const),
  tenant: fc.constantFrom('acme', 'beta', 'core'),
  campaign: fc.constantFrom('', 'sale'),
  class: fc.constantFrom('', '5'),
  preferredSource: fc.constantFrom(...SOURCES),
  site: fc.constantFrom(...SITES),
  delayMs,
  lifeMs: fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 4_000_000 })),
  recipients: fc.constantFrom(1, 1, 1, 3, 40, 500),
});
const take = fc.record({
  kind: fc.constant('take' as const),
  site: fc.constantFrom(...SITES),
  source: fc.constantFrom(undefined, ...SOURCES),
  answers: fc.array(
    fc.constantFrom('take' as const, 'take' as const, 'sleep' as const, 'skip' as const, 'stop' as const),
    { maxLength: 4 },
  ),
});
const other = fc.record({
  kind: fc.constantFrom(
    'wake',
    'remove',
    'takeOut',
    'settle',
    'defer',
    'giveBack',
    'move',
    'advance',
    'advance' as const,
  ),
  pick,
  delayMs,
  source: fc.constantFrom(undefined, ...SOURCES),
});
type Step =
  | (typeof insert extends fc.Arbitrary<infer T> ? T : never)
  | (typeof take extends fc.Arbitrary<infer T> ? T : never)
  | (typeof other extends fc.Arbitrary<infer T> ? T : never);

/** The real queue and the naive one, driven by the same steps. */
class Pair {
  readonly naive = new NaiveQueue();
  readonly expired: Entry[] = [];
  readonly announced = new Set<LaneId>();
  readonly queue = createQueue({
    classPriority: Number,
    onReady: (lane) => this.announced.add(lane),
    onExpired: (entry) => this.expired.push(entry),
  });
  nowMs = START_MS;
  #sequence = 0;

  constructor() {
    // The first time that a queue hears is where its ticks begin.
    this.queue.advance(START_MS);
  }

  run(step: Step): void {
    const before = this.#offerableLanes();
    this.announced.clear();
    this.#carryOut(step);
    this.naive.forgetEmptyUnits();
    for (const lane of this.#offerableLanes()) {
      if (!before.has(lane)) assert.ok(this.announced.has(lane), `lane ${lane} was not announced`);
    }
    this.#compare();
  }

  /** Everything that is left must come out: time passes, all wake, whatever is offered is delivered. */
  drain(): void {
    for (const unit of [...this.naive.units.values()]) this.#wake(unit.unit);
    this.#advance(10_000_000);
    for (const entry of [...this.naive.entries.values()].filter(({ state }) => state === 'taken')) {
      this.#remove(entry.entry);
    }
    for (const site of SITES) {
      const lane = this.#laneOfSite(site);
      for (;;) {
        const entry =
          lane === undefined ? undefined : this.queue.take(lane, undefined, this.nowMs, () => 'take');
        if (entry === undefined) break;
        this.#remove(entry);
      }
    }
    this.naive.forgetEmptyUnits();
    this.#compare();
    assert.equal(this.naive.entries.size, 0);
    assert.equal(this.queue.unitCount, 0);
    assert.deepEqual([...this.queue.lanes()], []);
    assert.deepEqual([...this.queue.tenantCounts()], []);
    assert.equal(this.queue.nextAtMs(), undefined);
  }

  #carryOut(step: Step): void {
    if (step.kind === 'insert') this.#insert(step);
    else if (step.kind === 'take') this.#take(step);
    else if (step.kind === 'advance') this.#advance(step.delayMs);
    else if (step.kind === 'wake' || step.kind === 'move') {
      const units = [...this.naive.units.values()];
      const unit = units[step.pick % Math.max(units.length, 1)];
      if (unit === undefined) return;
      if (step.kind === 'wake') this.#wake(unit.unit);
      else {
        unit.lane = this.queue.openLane('shared', SITES[step.pick % 2] ?? '');
        this.queue.moveUnit(unit.unit, unit.lane);
      }
    } else {
      const wanted = step.kind === 'remove' || step.kind === 'takeOut' ? undefined : 'taken';
      const entries = [...this.naive.entries.values()].filter(
        ({ state }) => wanted === undefined || state === wanted,
      );
      const each = entries[step.pick % Math.max(entries.length, 1)];
      if (each === undefined) return;
      if (step.kind === 'takeOut') {
        assert.equal(this.queue.takeOut(each.entry), each.state !== 'taken');
        each.state = 'taken';
      } else if (step.kind === 'giveBack') {
        this.queue.giveBack(each.entry);
        this.naive.giveBack(each, this.nowMs);
      } else if (step.kind === 'defer') {
        const dueAtMs = this.nowMs + step.delayMs;
        const attempts = each.attempts + 1;
        const { source } = step;
        this.queue.defer(each.entry, {
          dueAtMs,
          attempts,
          ...(source === undefined ? {} : { preferredSource: source }),
        });
        this.naive.defer(each, dueAtMs, attempts, this.queue.unit(each.entry), this.nowMs);
        this.#know(this.queue.unit(each.entry));
        const { key } = this.#unit(each.unit);
        if (source !== undefined) assert.equal(key.preferredSource, source);
      } else this.#remove(each.entry);
    }
  }

  #insert(step: Extract<Step, { kind: 'insert' }>): void {
    const { tenant, campaign, preferredSource } = step;
    const key = sampleKey({ tenant, campaign, preferredSource, class: step.class });
    const unit = this.queue.unitOf(key, this.queue.openLane('shared', step.site));
    this.#know(unit);
    const fields = sampleEntry({
      sequence: ++this.#sequence,
      acceptedAtMs: this.nowMs - step.delayMs,
      dueAtMs: this.nowMs + step.delayMs,
      expireAtMs: this.nowMs + step.lifeMs,
      recipients: step.recipients,
    });
    const entry = this.queue.insert(unit, fields, this.nowMs);
    assert.ok(!this.naive.entries.has(entry), 'a slot in use was given out again');
    this.naive.insert(unit, entry, fields, this.nowMs);
  }

  #take(step: Extract<Step, { kind: 'take' }>): void {
    const lane = this.#laneOfSite(step.site);
    if (lane === undefined) return;
    let stopped = false;
    let offers = 0;
    const skipped = new Set<UnitId>();
    const offerable = () =>
      this.naive.offerable(lane, step.source, this.nowMs).filter((each) => !skipped.has(each.unit));
    const taken = this.queue.take(lane, step.source, this.nowMs, (unit, entry) => {
      this.#noteExpired();
      const allowed = offerable().map((each) => each.unit);
      assert.ok(allowed.includes(unit), 'this unit must not be offered');
      assert.equal(entry, this.naive.readyOf(unit)[0]?.entry, 'not the head of its unit');
      const answer = step.answers[offers++] ?? 'sleep';
      if (answer === 'sleep') this.#unit(unit).asleep = true;
      if (answer === 'skip') skipped.add(unit);
      stopped ||= answer === 'stop';
      return answer;
    });
    this.#noteExpired();
    if (taken !== undefined) this.#entry(taken).state = 'taken';
    else if (!stopped) assert.deepEqual(offerable(), []);
  }

  #advance(byMs: number): void {
    const untilMs = this.nowMs + byMs;
    const expired = this.naive.advance(untilMs);
    // In steps, as a timer would: nothing may be due before the time that the queue names.
    for (;;) {
      const atMs = this.queue.nextAtMs();
      if (atMs === undefined || atMs > untilMs) break;
      this.queue.advance(atMs);
      const nextMs = this.queue.nextAtMs();
      assert.ok(nextMs === undefined || nextMs > atMs);
    }
    this.nowMs = untilMs;
    this.queue.advance(untilMs);
    assert.deepEqual(this.expired.splice(0).sort(), expired.sort());
  }

  #wake(unit: UnitId): void {
    this.queue.wakeUnit(unit);
    this.#unit(unit).asleep = false;
  }

  #remove(entry: Entry): void {
    this.queue.remove(entry);
    this.naive.entries.delete(entry);
  }

  /** What `take` found to be past its time. */
  #noteExpired(): void {
    for (const entry of this.expired.splice(0)) {
      const each = this.#entry(entry);
      assert.equal(each.state, 'ready');
      assert.ok(each.expireAtMs <= this.nowMs);
      each.state = 'taken';
    }
  }

  #know(unit: UnitId): void {
    if (this.naive.units.has(unit)) return;
    const key = this.queue.unitKey(unit);
    this.naive.units.set(unit, { unit, key, lane: this.queue.laneOf(unit), asleep: false });
  }

  #unit(unit: UnitId) {
    const known = this.naive.units.get(unit);
    assert.ok(known !== undefined);
    return known;
  }

  #entry(entry: Entry) {
    const known = this.naive.entries.get(entry);
    assert.ok(known !== undefined, 'an entry that is not queued');
    return known;
  }

  #laneOfSite(site: string): LaneId | undefined {
    return [...this.queue.lanes()].find((lane) => this.queue.laneKey(lane).site === site);
  }

  #offerableLanes(): Set<LaneId> {
    const units = [...this.naive.units.values()];
    return new Set(
      units
        .filter(({ unit, asleep }) => !asleep && this.naive.readyOf(unit).length > 0)
        .map(({ lane }) => lane),
    );
  }

  #compare(): void {
    const { queue, naive } = this;
    assert.deepEqual(
      queue.counts,
      naive.counts(() => true),
    );
    assert.equal(queue.size, naive.entries.size);
    assert.equal(queue.unitCount, naive.units.size);
    for (const lane of queue.lanes()) this.#compareLane(lane);
    for (const [tenant, counts] of queue.tenantCounts()) {
      assert.deepEqual(
        counts,
        naive.counts(({ key }) => key.tenant === tenant),
      );
    }
    for (const unit of naive.units.values()) {
      const mine = [...naive.entries.values()].filter((each) => each.unit === unit.unit);
      const waiting = mine.filter(({ state }) => state === 'waiting');
      const { recipients, oldestAcceptedAtMs, nextDueAtMs, ...counts } = queue.unitCounts(unit.unit);
      assert.deepEqual(counts, naive.counts((each) => each === unit) ?? EMPTY);
      assert.equal(
        recipients,
        mine.reduce((total, { fields }) => total + fields.recipients, 0),
      );
      const oldest = mine.length === 0 ? 0 : Math.min(...mine.map(({ fields }) => fields.acceptedAtMs));
      assert.ok(oldestAcceptedAtMs <= oldest && oldest < oldestAcceptedAtMs + TICK_MS);
      const soonest = waiting.length === 0 ? 0 : Math.min(...waiting.map(({ dueAtMs }) => dueAtMs));
      assert.ok(nextDueAtMs - TICK_MS < soonest && soonest <= nextDueAtMs);
      assert.equal(queue.laneOf(unit.unit), unit.lane);
      assert.equal(queue.isAsleep(unit.unit), unit.asleep);
      assert.deepEqual(new Set(queue.entriesOf(unit.unit)), new Set(mine.map(({ entry }) => entry)));
      assert.equal(queue.unitKey(unit.unit), unit.key);
    }
    for (const each of naive.entries.values()) {
      assert.equal(queue.unit(each.entry), each.unit);
      assert.equal(queue.sequence(each.entry), each.fields.sequence);
      assert.equal(queue.attempts(each.entry), each.attempts);
      assert.equal(queue.expireAtMs(each.entry), each.expireAtMs);
    }
  }

  #compareLane(lane: LaneId): void {
    const { oldestAcceptedAtMs, nextDueAtMs, ...counts } = this.queue.laneCounts(lane);
    const mine = [...this.naive.entries.values()].filter(({ unit }) => this.#unit(unit).lane === lane);
    assert.deepEqual(counts, this.naive.counts((unit) => unit.lane === lane) ?? EMPTY);
    assert.equal(this.queue.readyCount(lane), counts.ready);
    assert.deepEqual(
      new Set(this.queue.unitsOf(lane)),
      new Set([...this.naive.units.values()].filter((unit) => unit.lane === lane).map(({ unit }) => unit)),
    );
    const oldest = Math.min(...mine.map(({ fields }) => fields.acceptedAtMs));
    const soonest = Math.min(
      ...mine.filter(({ state }) => state === 'waiting').map(({ dueAtMs }) => dueAtMs),
    );
    if (mine.length === 0) assert.equal(oldestAcceptedAtMs, 0);
    else assert.ok(oldestAcceptedAtMs <= oldest && oldestAcceptedAtMs > 0);
    if (counts.waiting === 0) assert.equal(nextDueAtMs, 0);
    else assert.ok(nextDueAtMs <= soonest && nextDueAtMs >= this.nowMs - TICK_MS);
  }
}

test('whatever happens in whatever order, no mail is lost, offered twice, out of turn, early, or past its time', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          { arbitrary: insert, weight: 3 },
          { arbitrary: take, weight: 3 },
          { arbitrary: other, weight: 4 },
        ),
        {
          maxLength: 150,
          size: 'max',
        },
      ),
      (steps) => {
        const pair = new Pair();
        for (const step of steps) pair.run(step);
        pair.drain();
      },
    ),
    { numRuns: 300 },
  );
});
