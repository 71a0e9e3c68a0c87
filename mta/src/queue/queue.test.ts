import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Admission, Entry } from './contract.ts';
import { HOUR_MS, START_MS, sampleEntry, sampleKey, sampleQueue } from './sample.ts';

const takeAny = (): Admission => 'take';

function sequences(sample: ReturnType<typeof sampleQueue>, lane: number, source?: string): number[] {
  const taken: number[] = [];
  for (;;) {
    const entry = sample.queue.take(lane, source, START_MS, takeAny);
    if (entry === undefined) return taken;
    taken.push(sample.queue.sequence(entry));
  }
}

test('mail of one unit leaves in the order in which it became ready', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 5; index++) sample.add({});
  assert.deepEqual(sequences(sample, sample.queue.openLane('shared', 'mx.example')), [1, 2, 3, 4, 5]);
});

test('a lane is announced when it has something to send: insert, wake, timer, give back, move', () => {
  const { queue, readyLanes, add } = sampleQueue();
  const announced = () => readyLanes.splice(0);
  const entry = add({});
  const lane = queue.laneOf(queue.unit(entry));
  assert.deepEqual(announced(), [lane]);
  add({});
  assert.deepEqual(announced(), [], 'it had something already');

  assert.equal(
    queue.take(lane, '', START_MS, () => 'sleep'),
    undefined,
  );
  const unit = queue.unit(entry);
  assert.ok(queue.isAsleep(unit));
  queue.wakeUnit(unit);
  assert.deepEqual(announced(), [lane], 'woken');

  const first = queue.take(lane, '', START_MS, takeAny) ?? 0;
  const second = queue.take(lane, '', START_MS, takeAny) ?? 0;
  queue.giveBack(first);
  assert.deepEqual(announced(), [lane], 'given back');

  const elsewhere = queue.openLane('shared', 'other.example');
  queue.moveUnit(unit, elsewhere);
  assert.deepEqual(announced(), [elsewhere], 'moved');
  assert.ok(!queue.hasLane(lane), 'nothing is left in the first lane');

  queue.remove(first);
  queue.defer(second, { dueAtMs: START_MS + 1_000, attempts: 1 });
  assert.deepEqual(announced(), []);
  queue.advance(START_MS + 1_000);
  assert.deepEqual(announced(), [elsewhere], 'its time came');
});

test('what was given back goes first again and is not charged with an attempt', () => {
  const { queue, add } = sampleQueue();
  const first = add({});
  add({});
  const lane = queue.laneOf(queue.unit(first));
  queue.take(lane, '', START_MS, takeAny);
  queue.giveBack(first);
  assert.equal(queue.take(lane, '', START_MS, takeAny), first);
  assert.equal(queue.attempts(first), 0);
});

test('a limit of one tenant does not hold up another: the next unit is offered', () => {
  const { queue, add } = sampleQueue();
  add({ tenant: 'limited' });
  const free = add({ tenant: 'free' });
  const lane = queue.laneOf(queue.unit(free));
  const taken = queue.take(lane, '', START_MS, (unit) =>
    queue.unitKey(unit).tenant === 'limited' ? 'sleep' : 'take',
  );
  assert.equal(taken, free);
  assert.deepEqual(queue.laneCounts(lane), {
    ready: 0,
    asleep: 1,
    waiting: 0,
    taken: 1,
    oldestAcceptedAtMs: START_MS,
    nextDueAtMs: 0,
  });
});

test('stop ends the offers and changes nothing', () => {
  const { queue, add } = sampleQueue();
  const entry = add({});
  add({ tenant: 'other' });
  const lane = queue.laneOf(queue.unit(entry));
  let offers = 0;
  const stop = (): Admission => {
    offers++;
    return 'stop';
  };
  assert.equal(queue.take(lane, '', START_MS, stop), undefined);
  assert.equal(offers, 1);
  assert.equal(queue.take(lane, '', START_MS, takeAny), entry);
});

test('thousands of sleeping units cost an offer nothing', () => {
  const { queue, add } = sampleQueue();
  for (let index = 0; index < 5_000; index++) add({ campaign: `c${index}` });
  const lane = queue.openLane('shared', 'mx.example');
  queue.take(lane, '', START_MS, () => 'sleep');
  assert.equal(queue.laneCounts(lane).asleep, 5_000);
  let offers = 0;
  add({ campaign: 'awake' });
  queue.take(lane, '', START_MS, () => {
    offers++;
    return 'take';
  });
  assert.equal(offers, 1);
});

test('a retry waits for the source that it prefers, unless that source cannot be used', () => {
  const { queue, add } = sampleQueue();
  const entry = add({});
  const lane = queue.laneOf(queue.unit(entry));
  queue.take(lane, 'ip-1', START_MS, takeAny);
  queue.defer(entry, { dueAtMs: START_MS + 1_000, attempts: 1, preferredSource: 'ip-1' });
  assert.equal(queue.unitKey(queue.unit(entry)).preferredSource, 'ip-1');
  assert.equal(queue.laneOf(queue.unit(entry)), lane);
  const later = START_MS + 1_000;
  queue.advance(later);
  assert.equal(queue.take(lane, 'ip-2', later, takeAny), undefined);
  assert.equal(
    queue.take(lane, 'ip-2', later, takeAny, (source) => source === 'ip-1'),
    entry,
  );
  queue.giveBack(entry);
  assert.equal(queue.take(lane, 'ip-1', later, takeAny), entry);
  assert.equal(queue.attempts(entry), 1);
});

test('new mail for a source that idles is announced though the lane has retries for another one', () => {
  const { queue, readyLanes, add } = sampleQueue();
  const entry = add({ preferredSource: 'ip-1' });
  const lane = queue.laneOf(queue.unit(entry));
  readyLanes.length = 0;
  add({});
  assert.deepEqual(readyLanes, [lane]);
});

test('mail expires while it waits, while its unit sleeps and while nobody offers it, but not in a transaction', () => {
  const { queue, expired, add } = sampleQueue();
  const expireAtMs = START_MS + HOUR_MS;
  const waiting = add({ tenant: 'waiting' }, { dueAtMs: START_MS + 2 * HOUR_MS, expireAtMs });
  const asleep = add({ tenant: 'asleep' }, { expireAtMs });
  const lane = queue.laneOf(queue.unit(asleep));
  queue.take(lane, '', START_MS, () => 'sleep');
  const ready = add({ tenant: 'ready' }, { expireAtMs });
  const taken = add({ tenant: 'taken' }, { expireAtMs });
  queue.take(lane, '', START_MS, (_, entry) => (entry === taken ? 'take' : 'sleep'));
  queue.wakeUnit(queue.unit(ready));

  queue.advance(expireAtMs - 1);
  assert.deepEqual(expired, []);
  queue.advance(expireAtMs);
  assert.deepEqual(expired.sort(), [waiting, asleep, ready].sort());
  assert.equal(queue.take(lane, '', expireAtMs, takeAny), undefined);
  for (const entry of expired.splice(0)) queue.remove(entry);

  queue.giveBack(taken);
  assert.equal(queue.take(lane, '', expireAtMs, takeAny), undefined, 'it is past its time now');
  assert.deepEqual(expired, [taken]);
  queue.remove(taken);
  assert.equal(queue.size, 0);
});

test('a deferral that is due at once is not lost to the clock', () => {
  const { queue, add } = sampleQueue();
  const entry = add({});
  const lane = queue.laneOf(queue.unit(entry));
  queue.take(lane, '', START_MS, takeAny);
  queue.defer(entry, { dueAtMs: 0, attempts: 1 });
  assert.equal(queue.take(lane, '', START_MS, takeAny), entry);
});

test('due mail is at most a tick late and never early', () => {
  const { queue, add } = sampleQueue();
  add({}, { dueAtMs: START_MS + 1_001 });
  queue.advance(START_MS + 1_000);
  assert.equal(queue.counts.ready, 0);
  assert.equal(queue.nextAtMs(), START_MS + 1_050);
  queue.advance(START_MS + 1_050);
  assert.equal(queue.counts.ready, 1);
});

test('a change of MX takes all mail of a domain along, asleep or not, and its figures too', () => {
  const { queue, add } = sampleQueue();
  const ready = add({}, { acceptedAtMs: START_MS - 5_000 });
  const waiting = add({}, { dueAtMs: START_MS + HOUR_MS });
  const from = queue.laneOf(queue.unit(ready));
  queue.take(from, '', START_MS, () => 'sleep');
  queue.pinLane(from);
  const to = queue.openLane('shared', 'new.example');
  queue.moveUnit(queue.unit(waiting), to);
  assert.deepEqual([...queue.unitsOf(to)], [queue.unit(ready)]);
  assert.deepEqual(queue.laneCounts(to), {
    ready: 0,
    asleep: 1,
    waiting: 1,
    taken: 0,
    oldestAcceptedAtMs: START_MS - 5_000,
    nextDueAtMs: START_MS + HOUR_MS,
  });
  assert.deepEqual(queue.laneCounts(from), {
    ready: 0,
    asleep: 0,
    waiting: 0,
    taken: 0,
    oldestAcceptedAtMs: 0,
    nextDueAtMs: 0,
  });
  queue.wakeUnit(queue.unit(ready));
  assert.equal(queue.take(to, '', START_MS, takeAny), ready);
});

test('units and lanes are forgotten when empty, not while they sleep, are pinned or have mail in flight', () => {
  const { queue, add } = sampleQueue();
  const entry = add({});
  const unit = queue.unit(entry);
  const lane = queue.laneOf(unit);
  const key = queue.unitKey(unit);
  queue.pinLane(lane);
  queue.take(lane, '', START_MS, takeAny);
  assert.equal(queue.unitKeyIfAny(unit), key);
  queue.remove(entry);
  assert.equal(queue.unitKeyIfAny(unit), undefined);
  assert.ok(queue.hasLane(lane));

  const second = add({});
  assert.notEqual(queue.unitKey(queue.unit(second)), key, 'a later unit is another one');
  queue.take(lane, '', START_MS, () => 'sleep');
  queue.remove(second);
  assert.equal(queue.unitCount, 1, 'it sleeps on a limit');
  queue.wakeUnit(queue.unitOf(sampleKey(), lane));
  assert.equal(queue.unitCount, 0);
  queue.unpinLane(lane);
  assert.ok(!queue.hasLane(lane));
  assert.notEqual(queue.openLane('shared', 'mx.example'), lane);
});

test('counts tell the tenants apart', () => {
  const { queue, add } = sampleQueue();
  add({ tenant: 'a' });
  add({ tenant: 'a', domain: 'b.example' }, { dueAtMs: START_MS + HOUR_MS }, 'b.example');
  add({ tenant: 'b' });
  assert.deepEqual(Object.fromEntries(queue.tenantCounts()), {
    a: { ready: 1, asleep: 0, waiting: 1, taken: 0 },
    b: { ready: 1, asleep: 0, waiting: 0, taken: 0 },
  });
  assert.equal(queue.size, 3);
  assert.equal([...queue.lanes()].length, 2);
});

test('a reference that outlived its entry is a bug that shows at once', () => {
  const { queue, add } = sampleQueue();
  const entry: Entry = add({});
  assert.throws(() => queue.giveBack(entry), RangeError, 'it is not taken');
  queue.remove(entry);
  assert.throws(() => queue.remove(entry), RangeError);
  assert.throws(() => queue.defer(entry, { dueAtMs: 0, attempts: 1 }), RangeError);
  assert.throws(() => queue.insert(99, sampleEntry(), START_MS), RangeError);
});

test('a unit that one source may not carry is left to another source, and nobody is woken for it', () => {
  const { queue, readyLanes, add } = sampleQueue();
  const limited = add({ tenant: 'limited' });
  const free = add({ tenant: 'free' });
  const lane = queue.laneOf(queue.unit(limited));
  readyLanes.length = 0;
  const skipLimited = (unit: number): Admission =>
    queue.unitKey(unit).tenant === 'limited' ? 'skip' : 'take';
  assert.equal(queue.take(lane, 'ip-1', START_MS, skipLimited), free);
  assert.equal(queue.take(lane, 'ip-1', START_MS, skipLimited), undefined);
  assert.deepEqual(readyLanes, [], 'who skipped it would be asked for ever');
  assert.equal(queue.readyCount(lane), 1);
  assert.equal(queue.take(lane, 'ip-2', START_MS, takeAny), limited);
});

test('a unit that is put to sleep offers nothing, due or not, until it is woken; an entry can be given more time', () => {
  const { queue, expired, add } = sampleQueue();
  const first = add({}, { expireAtMs: START_MS + 1_000 });
  const unit = queue.unit(first);
  const lane = queue.laneOf(unit);
  queue.sleepUnit(unit);
  assert.equal(queue.take(lane, undefined, START_MS, takeAny), undefined);
  queue.advance(START_MS + 1_000);
  assert.deepEqual(expired, [first]);
  queue.defer(first, { dueAtMs: START_MS + 2_000, attempts: 0, expireAtMs: START_MS + HOUR_MS });
  queue.advance(START_MS + 3_000);
  assert.deepEqual(expired, [first], 'not again before its new time');
  assert.equal(queue.dueAtMs(first), START_MS + 2_000);
  queue.wakeUnit(unit);
  assert.equal(queue.take(lane, undefined, START_MS + 3_000, takeAny), first);
});

test('what a unit offers next can be looked at, in its order, without taking anything', () => {
  const { queue, add } = sampleQueue();
  const entries = [add({}), add({}), add({})];
  const unit = queue.unit(entries[0] ?? 0);
  assert.deepEqual(queue.upcoming(unit, 2), entries.slice(0, 2));
  assert.deepEqual(queue.upcoming(unit, 9), entries);
  assert.equal(queue.take(queue.laneOf(unit), undefined, START_MS, takeAny), entries[0]);
  assert.deepEqual(queue.upcoming(unit, 9), entries.slice(1));
});

test('mail of a part that changed hands is forgotten wherever it stands, and what is taken when it comes back', () => {
  const { queue, add } = sampleQueue();
  const [ready, waiting, asleep, taken, kept] = [
    add({ tenant: 'a' }, { sequence: 1_001 }),
    add({ tenant: 'a' }, { sequence: 1_002, dueAtMs: START_MS + HOUR_MS }),
    add({ tenant: 'b' }, { sequence: 1_003 }),
    add({ tenant: 'c' }, { sequence: 1_004 }),
    add({ tenant: 'a' }, { sequence: 7 }),
  ];
  const lane = queue.laneOf(queue.unit(ready));
  queue.sleepUnit(queue.unit(asleep));
  assert.ok(queue.takeOut(taken));
  queue.removeWhere((sequence) => sequence > 1_000, 'released');
  assert.equal(queue.size, 2);
  assert.equal(queue.fate(taken), 'released');
  assert.equal(queue.fate(kept), undefined);
  queue.defer(taken, { dueAtMs: START_MS, attempts: 1 });
  assert.equal(queue.size, 1);
  assert.equal(queue.unitCount, 1, 'no empty unit stays, asleep or not');
  assert.equal(queue.take(lane, undefined, START_MS, takeAny), kept);
  assert.ok([waiting, asleep].every((entry) => queue.fate(entry) === undefined));
});
