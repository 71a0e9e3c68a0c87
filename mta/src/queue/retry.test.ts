import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextAttemptAtMs, RETRY_JITTER, retryDelayMs } from './retry.ts';

const delaysMs = [300_000, 900_000, 3_600_000];

test('retries follow the list of the policy, and its last delay repeats', () => {
  const middle = () => 0.5;
  assert.deepEqual(
    [1, 2, 3, 4, 100].map((attempts) => retryDelayMs(delaysMs, attempts, middle)),
    [300_000, 900_000, 3_600_000, 3_600_000, 3_600_000],
  );
});

test('jitter spreads retries by a fortieth to both sides and no further', () => {
  assert.equal(
    retryDelayMs(delaysMs, 1, () => 0),
    300_000 - 300_000 * RETRY_JITTER,
  );
  const latest = retryDelayMs(delaysMs, 1, () => 1 - Number.EPSILON);
  assert.equal(latest, 300_000 + 300_000 * RETRY_JITTER);
});

test('the next attempt is the delay after now', () => {
  assert.equal(
    nextAttemptAtMs(1_000_000, delaysMs, 2, () => 0.5),
    1_900_000,
  );
});

test('a policy without delays is a bug and says so', () => {
  assert.throws(() => retryDelayMs([], 1, () => 0.5), RangeError);
});
