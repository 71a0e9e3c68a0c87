import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LeaderLine } from './leader-line.ts';
import { SHARDS, shardOf } from './shard-number.ts';

describe('shards', () => {
  test('all keys of a destination are in one shard, so that they are taken in one request; broad keys have their own', () => {
    const site = shardOf({ id: 'per-site|Site=mx.example', shard: 'mx.example' });
    assert.equal(shardOf({ id: 'per-source-site|Source=a|Site=mx.example', shard: 'mx.example' }), site);
    const broad = new Set(
      Array.from({ length: 50 }, (_, index) => shardOf({ id: `source|Source=${index}`, shard: '' })),
    );
    assert.ok(broad.size > 20, `50 sources in ${broad.size} shards`);
  });

  test('destinations are spread evenly', () => {
    const counts = new Array<number>(SHARDS).fill(0);
    for (let site = 0; site < 6_400; site++) {
      const shard = shardOf({ id: '', shard: `mx${site}.example` });
      counts[shard] = (counts[shard] ?? 0) + 1;
    }
    assert.ok(Math.min(...counts) > 50 && Math.max(...counts) < 160, counts.join(' '));
  });

  test('pods lead alike many, and one that goes moves only its own', () => {
    const sessions = ['a', 'b', 'c', 'd'];
    const leads = (living: readonly string[]): string[] =>
      Array.from(
        { length: SHARDS },
        (_, shard) => living.find((each) => new LeaderLine(living, each).placeFor(shard) === 0) ?? '',
      );
    const all = leads(sessions);
    for (const session of sessions)
      assert.ok(all.filter((each) => each === session).length >= 6, all.join(''));
    const without = leads(['a', 'b', 'd']);
    for (const [shard, leader] of all.entries()) if (leader !== 'c') assert.equal(without[shard], leader);
  });
});
