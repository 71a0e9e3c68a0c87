import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isDangerous } from './body-check.ts';

test('a line end that stands alone would let one message become two at the next server', () => {
  const words = fc.array(
    fc.constantFrom(
      '\r\n',
      '\r\n',
      '.',
      'word',
      'a',
      '\t',
      '\xe9',
      '\xff\x8d\x8a',
      '\r',
      '\n',
      '\0',
      '\x0b\x0c',
    ),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(
      words,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
      (parts, sizes) => {
        const text = parts.join('');
        const body: Buffer[] = [];
        for (let from = 0, turn = 0; from < text.length; turn++) {
          const to = Math.min(text.length, from + (sizes[turn % sizes.length] ?? 1));
          // Each chunk at another place of its memory, with dangerous neighbours that are not part of it.
          const padded = Buffer.from(`${'\n'.repeat(turn % 5)}${text.slice(from, to)}\0\r\n`, 'latin1');
          body.push(padded.subarray(turn % 5, (turn % 5) + to - from));
          from = to;
        }
        assert.equal(isDangerous(body), /\r(?!\n)|(?<!\r)\n|\0/.test(text), JSON.stringify(text));
      },
    ),
    { numRuns: 3000 },
  );
});

test('a body of nothing, and one without line ends, may go', () => {
  assert.equal(isDangerous([]), false);
  assert.equal(isDangerous([Buffer.alloc(0), Buffer.from('x'.repeat(1001))]), false);
});
