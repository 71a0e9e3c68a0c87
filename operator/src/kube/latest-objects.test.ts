import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatestObjects } from './latest-objects.ts';

const object = (version: number) => ({ metadata: { name: 'a', resourceVersion: String(version) } });

test('an own write counts until the reflector has it: nothing is written twice because the copy is old', () => {
  const heard = new Map([['a', object(9)]]);
  const latest = new LatestObjects(() => heard);
  latest.wrote('a', object(10));
  assert.equal(latest.get('a')?.metadata.resourceVersion, '10');
  assert.deepEqual(latest.heard(['a']), [], 'what was heard is of before');
  assert.equal(latest.get('a')?.metadata.resourceVersion, '10');
  heard.set('a', object(10));
  assert.deepEqual(latest.heard(['a']), [], 'the own write is no news');
  latest.wrote('a', object(10));
  heard.set('a', object(11));
  assert.deepEqual(latest.heard(['a']), ['a'], 'what somebody else wrote is');
  assert.equal(latest.get('a')?.metadata.resourceVersion, '11');
});

test('an object that is new and not yet heard of is there; one that was deleted is not named any more', () => {
  const heard = new Map([['old', object(1)]]);
  const latest = new LatestObjects(() => heard);
  latest.wrote('a', object(2));
  latest.deleted('old');
  assert.deepEqual(latest.names(), ['a']);
  assert.equal(latest.get('old'), undefined);
  heard.delete('old');
  assert.deepEqual(latest.heard(['old']), []);
  heard.set('old', object(3));
  assert.deepEqual(latest.heard(['old']), ['old']);
  assert.deepEqual(latest.names().toSorted(), ['a', 'old'], 'and may come again');
});
