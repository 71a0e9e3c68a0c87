import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextConditions, transitions } from './conditions.ts';

const accepted = { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'In force.' } as const;

test('the time of a transition moves only with the status: anything else would be a change that wakes the operator again', () => {
  const first = nextConditions([], [accepted], 1, '2026-12-01T00:00:00Z');
  const reworded = nextConditions(first, [{ ...accepted, message: 'Else.' }], 2, '2026-12-02T00:00:00Z');
  assert.equal(reworded[0]?.lastTransitionTime, '2026-12-01T00:00:00Z');
  assert.equal(reworded[0]?.observedGeneration, 2);
  assert.deepEqual(transitions(first, reworded), []);
  const refused = nextConditions(reworded, [{ ...accepted, status: 'False' }], 3, '2026-12-03T00:00:00Z');
  assert.equal(refused[0]?.lastTransitionTime, '2026-12-03T00:00:00Z');
  assert.equal(transitions(reworded, refused).length, 1);
});

test('a condition that is not wanted any more is not written any more', () => {
  const before = nextConditions(
    [],
    [accepted, { ...accepted, type: 'Conflicted' }],
    1,
    '2026-12-01T00:00:00Z',
  );
  const after = nextConditions(before, [accepted], 1, '2026-12-02T00:00:00Z');
  assert.deepEqual(
    after.map(({ type }) => type),
    ['Accepted'],
  );
});

test('a message longer than the schema takes is cut: the API server would refuse the whole status', () => {
  const long = { ...accepted, message: 'x'.repeat(40_000) };
  const [condition] = nextConditions([], [long], 1, '2026-12-01T00:00:00Z');
  assert.equal(condition?.message.length, 32_768);
});
