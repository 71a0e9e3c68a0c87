import assert from 'node:assert/strict';
import { test } from 'node:test';
import { burstOf } from './burst.ts';
import type { RateName } from './limit-key.ts';

const SECOND = 1_000;
const HOUR = 3_600_000;

const CASES: readonly [string, RateName, number, number, number | undefined, number][] = [
  ['a fast rate may be a tenth of a second late without loss', 'recipientRate', 100, SECOND, undefined, 11],
  ['the slowest fast rates too', 'messageRate', 1, SECOND, undefined, 1.1],
  ['100/h is one every 36 s and never two at once', 'recipientRate', 100, HOUR, undefined, 1],
  ['unless the limit says otherwise', 'recipientRate', 100, HOUR, 20, 20],
  ['bytes are units like others', 'byteRate', 1_000_000, SECOND, undefined, 100_001],
  ['a burst below one unit would stop everything', 'recipientRate', 10, SECOND, 0, 1],
];

for (const [title, name, count, periodMs, burst, expected] of CASES) {
  test(`burst: ${title}`, () => {
    const bounds = { [name]: { count, periodMs }, ...(burst === undefined ? {} : { burst }) };
    assert.equal(burstOf(bounds, name), expected);
  });
}
