import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fault, FaultKind } from './fault.ts';
import { type PlannedFault, planFaults } from './fault-plan.ts';

const plan = (
  seed: number,
  durationMs: number,
  without: readonly FaultKind[] = [],
): readonly PlannedFault[] => planFaults({ seed, durationMs, pods: 3, nodes: 3, without: new Set(without) });

function lengthMs(fault: Fault): number {
  if ('downMs' in fault) return fault.downMs;
  return 'forMs' in fault ? fault.forMs : 0;
}

test('a seed that found a bug makes the same faults again', () => {
  assert.deepEqual(plan(7, 300_000), plan(7, 300_000));
  assert.notDeepEqual(plan(7, 300_000), plan(8, 300_000));
});

test('five minutes have every kind of fault, whatever the seed', () => {
  for (let seed = 0; seed < 200; seed++) {
    const kinds = new Set(plan(seed, 300_000).map(({ fault }) => fault.kind));
    assert.equal(kinds.size, 9, `seed ${seed}: ${[...kinds].join(' ')}`);
  }
});

test('every fault is over in time, and no pod or server has two at once', () => {
  for (let seed = 0; seed < 200; seed++) {
    for (const durationMs of [12_000, 60_000, 300_000]) {
      const busyMs = new Map<string, number>();
      let before = 0;
      for (const { atMs, fault } of plan(seed, durationMs)) {
        assert.ok(atMs >= before, 'in their order');
        before = atMs;
        const endMs = atMs + lengthMs(fault);
        assert.ok(endMs <= durationMs, `seed ${seed}: ${fault.kind} at ${atMs} ends at ${endMs}`);
        if (fault.kind === 'poison') continue;
        const target = 'pod' in fault ? `pod ${fault.pod}` : 'nats';
        assert.ok((busyMs.get(target) ?? 0) <= atMs, `seed ${seed}: ${target} at ${atMs}`);
        busyMs.set(target, endMs);
      }
    }
  }
});

test('what cannot be done here is left out of the plan', () => {
  for (let seed = 0; seed < 50; seed++)
    assert.ok(plan(seed, 300_000, ['partition']).every(({ fault }) => fault.kind !== 'partition'));
});

test('also twelve seconds have faults', () => {
  for (let seed = 0; seed < 50; seed++) assert.ok(plan(seed, 12_000).length >= 2, `seed ${seed}`);
});
