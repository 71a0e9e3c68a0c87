import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalOf } from './refusal.ts';

const FULL = [
  [10077, 'maximum bytes exceeded'],
  [10077, 'maximum messages exceeded'],
  [10077, 'write /data/jetstream/1.blk: no space left on device'],
  [10002, 'resource limits exceeded for account'],
  [10023, 'insufficient resources'],
  [10028, 'insufficient memory resources available'],
  [10047, 'insufficient storage resources available'],
  [10122, 'stream max bytes exceeds account limit max stream bytes'],
] as const;

const UNAVAILABLE = [
  [10077, 'store is closed'],
  [10077, 'read-only file system'],
  [10008, 'JetStream system temporarily unavailable'],
  [10054, 'message size exceeds maximum allowed'],
  [10071, 'wrong last sequence: 17'],
  [10109, 'invalid operation on sealed stream'],
  [10118, 'stream is offline'],
  [10167, 'too many requests'],
  [0, 'no stream takes it, or it has no leader'],
  [19_999, 'an error of a version to come'],
] as const;

test('a full store is told as full, so that clients come later and operators see why', () => {
  for (const [errorCode, description] of FULL) {
    const { refused, reason } = refusalOf({ code: 503, errorCode, description });
    assert.equal(refused, 'full', description);
    assert.match(reason, /max_bytes/);
  }
});

test('whatever else JetStream says no with is unavailable, never an exception and never taken as stored', () => {
  for (const [errorCode, description] of UNAVAILABLE) {
    const { refused, reason } = refusalOf({ code: 503, errorCode, description });
    assert.equal(refused, 'unavailable', description);
    assert.ok(reason.includes(description));
  }
});
