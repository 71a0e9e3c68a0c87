import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asksForCode, replyMatch } from './reply-pattern.ts';

test('codes at the beginning of an expression are asked for as codes: the text has none', () => {
  assert.deepEqual(replyMatch('^421[ -]4\\.7\\.28 unusual rate'), {
    codes: [421],
    enhancedCodes: ['4.7.28'],
    text: 'unusual rate',
  });
  assert.deepEqual(replyMatch('421.*TS03'), { codes: [421], text: 'TS03' });
  assert.deepEqual(replyMatch('^(?:421|451|421)\\s+busy'), { codes: [421, 451], text: 'busy' });
  assert.deepEqual(replyMatch('^5.7.1 blocked'), { enhancedCodes: ['5.7.1'], text: 'blocked' });
  assert.deepEqual(replyMatch('550.*'), { codes: [550] });
});

test('an expression that begins with no code stays as it is', () => {
  for (const text of ['temporarily deferred', '^RL0000', '4500 messages', 'a|b', '(one|two) 421'])
    assert.deepEqual(replyMatch(text), { text });
});

test('a reaction never hits more than the rule that it comes from', () => {
  for (const expression of [
    '',
    '.*',
    '421 busy|550 blocked',
    '421+',
    '(?<!not )blocked',
    '(',
    'x'.repeat(513),
  ])
    assert.equal(typeof replyMatch(expression), 'string', expression);
});

test('a code that is left in the text is noticed: it would never be found there', () => {
  assert.ok(asksForCode({ text: '(busy|421 later)' }));
  assert.ok(!asksForCode({ text: 'room 421' }));
});
