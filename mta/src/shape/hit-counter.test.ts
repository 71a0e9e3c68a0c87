import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HitCounter } from './hit-counter.ts';

const HOUR_MS = 3_600_000;
const TWICE_AN_HOUR = { count: 2, withinMs: HOUR_MS };

test('the trigger goes off at the hit that makes it enough, then begins anew', () => {
  const counter = new HitCounter();
  const answers = [0, 10, 20, 30, 40].map((minute) => counter.hit('key', TWICE_AN_HOUR, minute * 60_000));
  assert.deepEqual(answers, [false, true, false, true, false]);
});

test('hits that are too far apart are single events: no source is punished for two replies a day', () => {
  const counter = new HitCounter();
  assert.ok(!counter.hit('key', TWICE_AN_HOUR, 0));
  assert.ok(!counter.hit('key', TWICE_AN_HOUR, HOUR_MS), 'the window is half open');
  assert.ok(counter.hit('key', TWICE_AN_HOUR, 2 * HOUR_MS - 1));
});

test('a count of one goes off at once', () => {
  const counter = new HitCounter();
  assert.ok(counter.hit('key', { count: 1, withinMs: 1 }, 5));
  assert.equal(counter.size, 0);
});

test('hits of one source are not counted against another', () => {
  const counter = new HitCounter();
  assert.ok(!counter.hit('a', TWICE_AN_HOUR, 0));
  assert.ok(!counter.hit('b', TWICE_AN_HOUR, 1));
  assert.ok(counter.hit('a', TWICE_AN_HOUR, 2));
});

test('up to 64 hits the answer is exactly that of a list of all times', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 1, max: 400 }),
      fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 300 }),
      (count, withinMs, steps) => {
        const counter = new HitCounter();
        let times: number[] = [];
        let nowMs = 0;
        for (const step of steps) {
          nowMs += step;
          times = [...times.filter((time) => time > nowMs - withinMs), nowMs];
          const expected = times.length >= count;
          if (expected) times = [];
          assert.equal(counter.hit('key', { count, withinMs }, nowMs), expected);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('large counts go off within a 64th of the time and of the memory that all dates would take', () => {
  const counter = new HitCounter();
  const trigger = { count: 10_000, withinMs: 64_000 };
  // One hit each 6.4 ms: exact counting goes off at the 10,000th, just inside the window.
  const offAt: number[] = [];
  for (let hit = 1; hit <= 12_000; hit++) if (counter.hit('key', trigger, hit * 6.3)) offAt.push(hit);
  assert.deepEqual(offAt, [10_000]);
  const slow = new HitCounter();
  for (let hit = 1; hit <= 30_000; hit++) assert.ok(!slow.hit('key', trigger, hit * 6.6), `hit ${hit}`);
});

test('hits that are reported late and out of order are counted by when they came', () => {
  const counter = new HitCounter();
  const trigger = { count: 3, withinMs: 1_000 };
  assert.ok(!counter.hit('key', trigger, 900));
  assert.ok(!counter.hit('key', trigger, 100));
  assert.ok(!counter.hit('key', trigger, 1_500), 'the one at 100 is too old by now');
  assert.ok(counter.hit('key', trigger, 1_000));
});

test('replies to what was on its way when a trigger went off do not make it go off again', () => {
  const counter = new HitCounter({ settleMs: 1_000 });
  const answers = [0, 10, 20, 30, 1_009, 1_010, 1_020].map((atMs) => counter.hit('key', TWICE_AN_HOUR, atMs));
  assert.deepEqual(answers, [false, true, false, false, false, false, true]);
});

test('a flood of keys is bounded, and what was hit last is kept', () => {
  const counter = new HitCounter({ maxKeys: 3 });
  for (const key of ['a', 'b', 'c']) counter.hit(key, { count: 3, withinMs: HOUR_MS }, 0);
  counter.hit('a', { count: 3, withinMs: HOUR_MS }, 1);
  counter.hit('d', { count: 3, withinMs: HOUR_MS }, 2);
  assert.equal(counter.size, 3);
  assert.ok(counter.hit('a', { count: 3, withinMs: HOUR_MS }, 3), 'a was kept');
  assert.ok(!counter.hit('b', { count: 2, withinMs: HOUR_MS }, 4), 'b, hit longest ago, was forgotten');
});
