import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Capabilities, capabilitiesOf, NO_CAPABILITIES } from './capabilities.ts';

const CASES: readonly (readonly [
  title: string,
  lines: readonly string[],
  expected: Partial<Capabilities>,
])[] = [
  ['nothing', [], {}],
  ['case does not matter', ['Pipelining', 'chunking'], { pipelining: true, chunking: true }],
  ['SIZE with a number', ['SIZE 1000'], { size: true, maxSizeBytes: 1000 }],
  ['SIZE 0 is no limit', ['SIZE 0'], { size: true }],
  ['SIZE alone is no limit', ['SIZE'], { size: true }],
  ['SIZE with nonsense is no limit', ['SIZE many'], { size: true }],
  [
    '8BITMIME, SMTPUTF8, STARTTLS',
    ['8BITMIME', 'SMTPUTF8', 'STARTTLS'],
    { eightBitMime: true, smtputf8: true, startTls: true },
  ],
  [
    'AUTH in both spellings',
    ['AUTH PLAIN', 'AUTH=LOGIN CRAM-MD5'],
    { auth: new Set(['PLAIN', 'LOGIN', 'CRAM-MD5']) },
  ],
  ['DSN', ['DSN'], { dsn: true }],
  ['unknown keywords', ['X-ANONYMOUSTLS', '', 'X-DSN'], {}],
];

for (const [title, lines, expected] of CASES) {
  test(`a peer is used for what it offers: ${title}`, () => {
    // The first line is the server's name, even where it looks like a keyword.
    assert.deepEqual(capabilitiesOf({ code: 250, lines: ['PIPELINING', ...lines] }), {
      ...NO_CAPABILITIES,
      ...expected,
    });
  });
}
