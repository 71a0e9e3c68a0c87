import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_BUCKETS, TimeSpread } from './time-spread.ts';

test('the age of the oldest mail is never understated, and nothing is left when it has gone', () => {
  const steps = fc.array(fc.record({ add: fc.boolean(), tick: fc.nat(5_000_000), pick: fc.nat() }), {
    minLength: 1,
    maxLength: 400,
  });
  fc.assert(
    fc.property(steps, (all) => {
      const spread = new TimeSpread();
      const present: number[] = [];
      for (const { add, tick, pick } of all) {
        if (add || present.length === 0) {
          present.push(tick);
          spread.add(tick);
        } else {
          const [gone = 0] = present.splice(pick % present.length, 1);
          spread.delete(gone);
        }
        if (present.length === 0) {
          assert.equal(spread.earliest, undefined);
          continue;
        }
        const earliest = spread.earliest ?? Number.POSITIVE_INFINITY;
        assert.ok(earliest <= Math.min(...present));
      }
      for (const tick of present) spread.delete(tick);
      assert.equal(spread.earliest, undefined);
    }),
    { numRuns: 300 },
  );
});

test('with mail of three days the oldest is known to a twentieth of its age', () => {
  const spread = new TimeSpread();
  const days = 3 * 86_400 * 20;
  const ticks = Array.from({ length: 20_000 }, (_, index) => Math.floor((index * 7919 * 977) % days));
  for (const tick of ticks) spread.add(tick);
  assert.ok(spread.bucketCount <= MAX_BUCKETS, 'a lane costs the same however much is queued');
  ticks.sort((a, b) => a - b);
  for (const tick of ticks.slice(0, 15_000)) {
    const error = tick - (spread.earliest ?? 0);
    assert.ok(error >= 0 && error <= days / 20, `${error} ticks off`);
    spread.delete(tick);
  }
});
