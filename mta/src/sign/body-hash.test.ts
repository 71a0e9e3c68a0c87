import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { bodyHash } from './body-hash.ts';

/** RFC 6376 §3.4.4 and §3.4.3 word by word, on a whole string. */
function plainRelaxed(body: string): string {
  const lines = body.replace(/[ \t]+(?=\r\n|$)/g, '').replace(/[ \t]+/g, ' ');
  const text = lines.replace(/(\r\n)+$/, '');
  return text === '' ? '' : `${text}\r\n`;
}

function plainSimple(body: string): string {
  return `${body.replace(/(\r\n)+$/, '')}\r\n`;
}

const sha256 = (text: string): string => createHash('sha256').update(text, 'latin1').digest('base64');

/** Bodies made of what canonicalization looks at, and pieces cut anywhere, between CR and LF too. */
const bodies = fc
  .array(
    fc.constantFrom(
      '\r\n',
      '\r\n',
      '\r\n\r\n',
      ' ',
      '\t',
      '  ',
      'a',
      'word',
      'a bc d',
      'some words of prose, a b c ',
      '\u00a0\u007f\u0080\u00ff',
      '.',
      '\r',
      '\n',
      '\u00e9',
      '\u0000',
      '\u000b',
      'x'.repeat(600),
    ),
    {
      maxLength: 60,
    },
  )
  .map((parts) => parts.join(''));
const cuts = fc.array(fc.nat(80), { maxLength: 12 });

function cut(octets: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let start = 0;
  for (const length of lengths) {
    pieces.push(octets.subarray(start, start + length));
    start += length;
  }
  pieces.push(octets.subarray(start));
  return pieces;
}

test('a body hashed in pieces has the hash of the definition, or signatures break by chance of the network', () => {
  fc.assert(
    fc.property(bodies, cuts, fc.nat(20), (body, lengths, before) => {
      const message = cut(Buffer.from('h'.repeat(before) + body, 'latin1'), lengths);
      assert.equal(bodyHash(message, before, 'relaxed'), sha256(plainRelaxed(body)), 'relaxed');
      assert.equal(bodyHash(message, before, 'simple'), sha256(plainSimple(body)), 'simple');
    }),
    { numRuns: 3_000 },
  );
});

test('a body larger than the scratch memory, changed in each line, has the hash of the definition', () => {
  const body = `${'Flowed text with a blank at the end, \t and two  inside \r\n'.repeat(3_000)}\r\n\r\n`;
  const message = cut(Buffer.from(body, 'latin1'), [1, 65_536, 7, 30_000]);
  assert.equal(bodyHash(message, 0, 'relaxed'), sha256(plainRelaxed(body)));
});
