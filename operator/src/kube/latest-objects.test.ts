import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from './kube-object.ts';
import { LatestObjects } from './latest-objects.ts';

const object = (version: number) => ({ metadata: { name: 'a', resourceVersion: String(version) } });

/** A reflector that is told what to have heard. */
function heardOf(version: number) {
  const objects = new Map<string, KubeObject>();
  const heard = { objects, resourceVersion: String(version) };
  const latest = new LatestObjects(heard);
  const hear = (next: number, name: string, is: KubeObject | undefined) => {
    heard.resourceVersion = String(next);
    if (is === undefined) objects.delete(name);
    else objects.set(name, is);
    return latest.heard([name]);
  };
  return { latest, hear, version: () => latest.get('a')?.metadata.resourceVersion };
}

test('an own write counts until the reflector has it: nothing is written twice because the copy is old', () => {
  const { latest, hear, version } = heardOf(8);
  hear(9, 'a', object(9));
  latest.wrote('a', object(11));
  assert.equal(version(), '11');
  assert.deepEqual(hear(10, 'a', object(10)), [], 'what was heard is of before');
  assert.equal(version(), '11');
  assert.deepEqual(hear(11, 'a', object(11)), [], 'the own write is no news');
  latest.wrote('a', object(12));
  assert.deepEqual(hear(13, 'a', object(13)), ['a'], 'what somebody else wrote is');
  assert.equal(version(), '13');
});

test('an answer to an own write that comes after the news that the object is gone brings no ghost back', () => {
  const { latest, hear, version } = heardOf(8);
  hear(9, 'a', object(9));
  hear(11, 'a', undefined);
  latest.wrote('a', object(10));
  assert.equal(version(), undefined);
  assert.deepEqual(latest.names(), []);
});

test('an object that is new and not yet heard of is there; one that was deleted is not named any more, and may come again', () => {
  const { latest, hear } = heardOf(1);
  hear(2, 'old', object(2));
  latest.wrote('a', object(3));
  latest.deleted('old');
  assert.deepEqual(latest.names(), ['a']);
  assert.equal(latest.get('old'), undefined);
  assert.deepEqual(hear(4, 'old', undefined), []);
  assert.deepEqual(hear(5, 'old', object(5)), ['old']);
  assert.equal(latest.get('old')?.metadata.resourceVersion, '5');
});
