import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idCheck } from './id-check.ts';
import { newMessageId } from './message-id.ts';

test('the check is FNV-1a: an index written by one version is understood by the next', () => {
  // http://www.isthe.com/chongo/src/fnv/test_fnv.c
  assert.equal(idCheck(''), 0x811c9dc5);
  assert.equal(idCheck('a'), 0xe40c292c);
  assert.equal(idCheck('foobar'), 0xbf9cf968);
});

test('neighbouring ids have different checks, or a wrong message could be sent', () => {
  const checks = new Set<number>();
  for (let count = 0; count < 20_000; count++) checks.add(idCheck(newMessageId(1_780_000_000_000)));
  // 20,000 random draws of 2^32 collide 0.05 times.
  assert.ok(checks.size >= 19_998, `${20_000 - checks.size} of 20,000 collide`);
});
