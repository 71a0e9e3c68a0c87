import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EntryTable, READY } from './entry-table.ts';
import { sampleEntry } from './sample.ts';
import { LAST_TICK } from './ticks.ts';
import { TimerWheel } from './timer-wheel.ts';

const anyDelay = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 70_000 }),
  fc.integer({ min: 0, max: 20_000_000 }),
  fc.integer({ min: 0, max: 900_000_000 }),
);

test('no entry fires early, late, twice or out of order, whatever is cancelled meanwhile', () => {
  const step = fc.record({ what: fc.constantFrom('add', 'add', 'cancel', 'advance'), delay: anyDelay });
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.array(step, { maxLength: 120 }), (start, steps) => {
      const table = new EntryTable();
      const wheel = new TimerWheel(table);
      wheel.advance(start, () => assert.fail('nothing is filed'));
      const filed = new Map<number, { tick: number; order: number }>();
      let order = 0;
      const advance = (tick: number) => {
        const fired: number[] = [];
        const due = [...filed].filter(([, { tick: at }]) => at <= tick);
        due.sort(([, a], [, b]) => a.tick - b.tick || a.order - b.order);
        wheel.advance(tick, (entry) => {
          assert.equal(wheel.tick, filed.get(entry)?.tick);
          fired.push(entry);
        });
        assert.deepEqual(
          fired,
          due.map(([entry]) => entry),
        );
        for (const entry of fired) filed.delete(entry);
      };
      for (const { what, delay } of steps) {
        if (what === 'advance') advance(Math.min(wheel.tick + delay, LAST_TICK - 1));
        if (what === 'add') {
          const tick = Math.min(wheel.tick + delay, LAST_TICK);
          const entry = table.add(sampleEntry(), 0, 0, tick, 0);
          table.setState(entry, READY);
          wheel.schedule(entry);
          filed.set(entry, { tick: Math.max(tick, wheel.tick + 1), order: order++ });
        }
        const [first] = filed.keys();
        if (what === 'cancel' && first !== undefined) {
          wheel.cancel(first);
          filed.delete(first);
        }
        const next = wheel.nextTick();
        const earliest = Math.min(...[...filed.values()].map(({ tick }) => tick));
        if (filed.size === 0) assert.equal(next, undefined);
        else
          assert.ok(next !== undefined && next > wheel.tick && next <= earliest, `${next} for ${earliest}`);
      }
      // What is added when the wheel stands at its last tick but one is filed under the last.
      advance(LAST_TICK);
      assert.equal(filed.size, 0);
      assert.equal(wheel.nextTick(), undefined);
    }),
    { numRuns: 500 },
  );
});

test('a short delay is named exactly, so the pod wakes once and not too early', () => {
  const table = new EntryTable();
  const wheel = new TimerWheel(table);
  wheel.advance(1_000_000, () => assert.fail('nothing is filed'));
  const entry = table.add(sampleEntry(), 0, 0, 1_000_003, 0);
  table.setState(entry, READY);
  wheel.schedule(entry);
  assert.equal(wheel.nextTick(), 1_000_003);
});
