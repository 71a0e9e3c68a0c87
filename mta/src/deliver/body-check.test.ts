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

test('a dangerous octet is found at every place of a word and across every cut', () => {
  const octets = [0x61, 0x0d, 0x0a, 0x00, 0x0c, 0xff, 0x8d];
  const memory = new ArrayBuffer(64);
  for (let number = 0; number < octets.length ** 4; number++) {
    const text = [0, 1, 2, 3].map((place) => octets[Math.trunc(number / octets.length ** place) % 7] ?? 0);
    for (const at of [0, 1, 2, 3, 14, 15, 17]) {
      const body = Buffer.from(memory, 4 + (at & 3), at + 4 + 3).fill('b');
      body.set(text, at);
      const expected = /\r(?!\n)|(?<!\r)\n|\0/.test(body.toString('latin1'));
      assert.equal(isDangerous([body]), expected, `${text} at ${at}`);
      const cut = at + (number % 5);
      const pieces = [body.subarray(0, cut), Buffer.alloc(0), body.subarray(cut)];
      assert.equal(isDangerous(pieces), expected, `${text} at ${at}, cut at ${cut}`);
    }
  }
});

test('a body of nothing, and one without line ends, may go', () => {
  assert.equal(isDangerous([]), false);
  assert.equal(isDangerous([Buffer.alloc(0), Buffer.from('x'.repeat(1001))]), false);
});
