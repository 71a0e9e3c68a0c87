import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LastReplies, MAX_LAST_REPLIES } from './last-replies.ts';

const reply = (text: string) => ({ code: 451, enhanced: '4.7.1', text, host: 'mx.example' });

test('what a report on expiry says is there for the latest groups, however many there were', () => {
  const replies = new LastReplies();
  const count = 3 * MAX_LAST_REPLIES;
  for (let sequence = 0; sequence < count; sequence++) {
    replies.set(sequence, 0, reply(String(sequence)));
    // One that is answered again and again is never the oldest.
    replies.set(0, 1, reply('again'));
    if (sequence % 3 === 0) replies.delete(sequence, 0);
  }
  assert.equal(replies.get(0, 1)?.text, 'again');
  assert.equal(replies.get(1, 0), undefined);
  assert.equal(replies.get(count - 1, 0)?.text, String(count - 1));
  let kept = 0;
  for (let sequence = 0; sequence < count; sequence++) if (replies.get(sequence, 0) !== undefined) kept++;
  assert.equal(kept, MAX_LAST_REPLIES - 1);
});
