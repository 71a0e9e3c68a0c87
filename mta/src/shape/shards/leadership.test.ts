import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LeaderLine } from './leader-line.ts';
import { BALANCE_AFTER_MS, Leadership, NEXT_IN_LINE_MS } from './leadership.ts';
import type { PodSessions } from './pod-sessions.ts';
import { SHARDS } from './shard-number.ts';

/** Sessions as a test wants them. */
function sessionsOf(
  id: string,
  living: readonly string[],
  dead: ReadonlySet<string> = new Set(),
): PodSessions {
  return {
    id,
    validUntilMs: () => Number.POSITIVE_INFINITY,
    living: () => living,
    get changes() {
      return dead.size;
    },
    isLiving: (session) => living.includes(session),
    isDead: (session) => dead.has(session),
    expect: () => {},
    readUntilMs: () => 0,
    renewSoon: () => {},
  };
}

const ALL = ['a', 'b', 'c'];
const leadBy = (session: string): number =>
  Array.from({ length: SHARDS }, (_, shard) => shard).find(
    (shard) => new LeaderLine(ALL, session).placeFor(shard) === 0,
  ) ?? -1;

describe('who leads a shard', () => {
  test('a shard that nobody ever led is taken at once by the one who should, and by others only if it does not', () => {
    const shard = leadBy('a');
    const shards = (leadership: Leadership, nowMs: number): number[] =>
      leadership.writes(nowMs).map((write) => write.shard);
    assert.ok(shards(new Leadership(sessionsOf('a', ALL)), 0).includes(shard));
    const other = new Leadership(sessionsOf('b', ALL));
    assert.ok(!shards(other, 0).includes(shard));
    assert.ok(shards(other, 2 * NEXT_IN_LINE_MS).includes(shard));
  });

  test('a shard of a living leader is never taken; of a dead one it is, with the next term and on the revision that was read', () => {
    const shard = leadBy('a');
    const dead = new Set<string>();
    const leadership = new Leadership(sessionsOf('a', ALL, dead));
    leadership.observed(shard, { session: 'z', term: 7, revision: 12 });
    assert.ok(!leadership.writes(0).some((write) => write.shard === shard));
    dead.add('z');
    const taken = leadership.writes(1).find((write) => write.shard === shard);
    assert.deepEqual(taken, { shard, entry: { session: 'a', term: 8 }, onRevision: 12 });
  });

  test('a shard that another pod should lead is handed over when that has been so for a while: pods that come and go move nothing', () => {
    const shard = leadBy('b');
    const leadership = new Leadership(sessionsOf('a', ALL));
    for (let each = 0; each < SHARDS; each++)
      leadership.observed(each, { session: each === shard ? 'a' : 'z', term: 1, revision: each + 1 });
    assert.deepEqual(leadership.writes(0), []);
    assert.deepEqual(leadership.writes(BALANCE_AFTER_MS - 1), []);
    const released = { shard, entry: { session: undefined, term: 1 }, onRevision: shard + 1 };
    assert.deepEqual(leadership.writes(BALANCE_AFTER_MS), [released]);
  });

  test('a pod that ends gives up what it leads and takes nothing', () => {
    const leadership = new Leadership(sessionsOf('a', ['a']));
    leadership.observed(1, { session: 'a', term: 1, revision: 1 });
    leadership.leave();
    assert.deepEqual(
      leadership.writes(0).map(({ shard, entry }) => [shard, entry.session]),
      [[1, undefined]],
    );
    assert.equal(leadership.left, false);
    leadership.observed(1, { session: undefined, term: 1, revision: 2 });
    assert.equal(leadership.left, true);
  });

  test('what the store says twice, or late, changes nothing', () => {
    const leadership = new Leadership(sessionsOf('a', ALL));
    assert.equal(leadership.observed(1, { session: 'b', term: 2, revision: 5 }), true);
    assert.equal(leadership.observed(1, { session: 'a', term: 1, revision: 3 }), false);
    assert.equal(leadership.observed(1, { session: 'b', term: 2, revision: 5 }), false);
    assert.equal(leadership.entry(1)?.session, 'b');
  });
});
