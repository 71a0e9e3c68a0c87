import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_REPLY_TEXT } from '../spool/mod.ts';
import { replyOf } from './reply-text.ts';

const HOST = 'mx.example';

const CASES: readonly (readonly [
  title: string,
  code: number,
  lines: readonly string[],
  enhanced: string,
  text: string,
])[] = [
  ['the enhanced code', 550, ['5.1.1 no such user'], '5.1.1', 'no such user'],
  ['an enhanced code alone', 250, ['2.0.0'], '2.0.0', ''],
  ['lines that all repeat the code', 421, ['4.7.28 too', '4.7.28 fast'], '4.7.28', 'too fast'],
  ['lines of which only the first has it', 421, ['4.7.28 too', 'fast'], '4.7.28', 'too fast'],
  ['no enhanced code', 250, ['queued'], '', 'queued'],
  ['a version number that looks like one', 220, ['2.0.0.1 server'], '', '2.0.0.1 server'],
  ['a class that contradicts the reply', 550, ['2.1.5 fine'], '', '2.1.5 fine'],
  ['UTF-8', 550, [Buffer.from('5.1.1 unbekannt für uns').toString('latin1')], '5.1.1', 'unbekannt für uns'],
  [
    'controls and direction marks',
    550,
    [Buffer.from('a\u0007b\u202Ec\tz').toString('latin1')],
    '',
    'a b c z',
  ],
];

for (const [title, code, lines, enhanced, text] of CASES) {
  test(`events say what the server said: ${title}`, () => {
    assert.deepEqual(replyOf({ code, lines }, HOST), { code, enhanced, text, host: HOST });
  });
}

test('a talkative server does not fill the store with its texts', () => {
  const { text } = replyOf({ code: 550, lines: Array.from({ length: 100 }, () => 'x'.repeat(100)) }, HOST);
  assert.equal(text.length, MAX_REPLY_TEXT);
});
