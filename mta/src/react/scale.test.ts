import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextStepAtMs, recoveredAtMs, scaledCount, scaledRate, shareAt } from './scale.ts';

const HOUR_MS = 3_600_000;
const HALF = { percent: 50, recoverPercent: 120, recoverEveryMs: HOUR_MS, createdAtMs: 1_000 };

test('a bound that was halved climbs back as the policy says: 50, 60, 72, 86.4, 100 percent', () => {
  const shares = [0, 1, 2, 3, 4, 9].map((hours) => shareAt(HALF, 1_000 + hours * HOUR_MS));
  assert.deepEqual(
    shares.map((share) => Math.round(share * 10) / 10),
    [50, 60, 72, 86.4, 100, 100],
  );
  assert.equal(shareAt(HALF, 1_000 + HOUR_MS - 1), 50, 'nothing comes back early');
  assert.equal(recoveredAtMs(HALF), 1_000 + 4 * HOUR_MS);
});

test('the steps are named in turn, and none is left when the bound is whole', () => {
  const steps: number[] = [];
  for (let at: number | undefined = 1_000; at !== undefined; at = nextStepAtMs(HALF, at)) steps.push(at);
  assert.deepEqual(
    steps,
    [0, 1, 2, 3, 4].map((hours) => 1_000 + hours * HOUR_MS),
  );
});

test('a share never exceeds the whole, never shrinks with time, and is whole when it is said to be', () => {
  const course = fc.record({
    percent: fc.double({ min: 0.001, max: 100, noNaN: true }),
    recoverPercent: fc.integer({ min: 101, max: 1_000 }),
    recoverEveryMs: fc.integer({ min: 1, max: HOUR_MS }),
    createdAtMs: fc.constant(0),
  });
  fc.assert(
    fc.property(course, fc.double({ min: 0, max: 2, noNaN: true }), (each, part) => {
      const overMs = recoveredAtMs(each);
      const atMs = overMs * part;
      const share = shareAt(each, atMs);
      assert.ok(share > 0 && share <= 100);
      assert.ok(shareAt(each, atMs + each.recoverEveryMs) >= share);
      assert.ok(shareAt(each, overMs) > 100 - 1e-6);
    }),
  );
});

test('one of three connections at half is one, never none; 3 in a minute at half is 3 in two minutes', () => {
  assert.equal(scaledCount(3, 50), 1);
  assert.equal(scaledCount(1, 1), 1);
  assert.equal(scaledCount(10, 70), 7);
  assert.deepEqual(scaledRate({ count: 3, periodMs: 60_000 }, 50), { count: 3, periodMs: 120_000 });
});
