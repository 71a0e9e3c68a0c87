import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageText } from './age-text.ts';

test('ages read at a glance: two units, rounded down, never negative', () => {
  const texts = [-5, 0, 999, 1_000, 59_999, 60_000, 3_725_000, 90_000_000, 86_400_000, 86_405_000].map(
    ageText,
  );
  assert.deepEqual(texts, ['0s', '0s', '0s', '1s', '59s', '1m', '1h2m', '1d1h', '1d', '1d']);
});
