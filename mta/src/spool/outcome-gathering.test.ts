import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENOUGH_OUTCOMES, OUTCOME_GATHER_MS, OutcomeGathering } from './outcome-gathering.ts';

test('an outcome waits for others a moment, never for ever, and not at all once they are many', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let due = 0;
  const gathering = new OutcomeGathering(() => due++);
  gathering.begin();
  context.mock.timers.tick(OUTCOME_GATHER_MS - 1);
  gathering.begin();
  assert.equal(gathering.isEnough(1), false);
  assert.equal(gathering.isEnough(ENOUGH_OUTCOMES), true);
  context.mock.timers.tick(1);
  assert.equal(due, 1);
  assert.equal(gathering.isEnough(1), true, 'also when the store was busy at that moment');
  gathering.end();
  assert.equal(gathering.isEnough(1), false);
  gathering.begin();
  gathering.end();
  context.mock.timers.tick(OUTCOME_GATHER_MS);
  assert.equal(due, 1, 'they went with mail that was stored');
});
