import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newMessageId } from '../message-id.ts';
import { decodeSession, encodeSession, type SessionValue } from './session-bucket.ts';

const value: SessionValue = {
  session: newMessageId(0),
  renewals: 7,
  ended: false,
  segments: [0, 7, 8, 200, 255],
  host: 'pod-1',
  version: '0.1.0',
  configHash: 'abc',
  state: 'ready',
  life: { home: 'boot net', socket: 'sluice-1' },
};

test('what a session claims arrives whole: a segment that is left out is taken over from a living pod for nothing', () => {
  assert.deepEqual(decodeSession(encodeSession(value)), value);
  const all = { ...value, segments: Array.from({ length: 256 }, (_, segment) => segment) };
  assert.deepEqual(decodeSession(encodeSession(all)), all);
  assert.ok(encodeSession(all).length < 300, 'it is said every four seconds');
});

test('what others write into the bucket is no session', () => {
  for (const text of ['', 'x', '{}', JSON.stringify({ ...value, segments: 3 })])
    assert.equal(decodeSession(Buffer.from(text)), undefined, text);
});
