import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteBudget } from './write-budget.ts';

test('what pods do all day costs the API server a few writes a second, and what they do once is written at once', () => {
  const budget = new WriteBudget(0);
  let written = 0;
  // A review every 5 s for an hour, each of 2,500 statuses that differ.
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 5_000) {
    let review = 0;
    while (review < 2_500 && budget.take(nowMs)) review++;
    if (nowMs === 0) assert.equal(review, 2_500);
    written += review;
  }
  assert.ok(written <= 3_000 + 3_600 * 5, `${written}`);
  assert.ok(written >= 3_600 * 5);
});
