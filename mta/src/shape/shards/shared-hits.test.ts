import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Hit } from '../hit-counting.ts';
import { COUNT_ALONE_AFTER_MS, MAX_PENDING_HITS, PendingHits } from './pending-hits.ts';
import { ShardClient, TICK_MS } from './shard-client.ts';
import { ShardLeader } from './shard-leader.ts';

const HIT: Hit = { key: 'tss04 source=192.0.2.10', shard: 'yahoo', count: 5, withinMs: 60_000 };

/** A pod that remembers what became of its hits. */
class Pod {
  readonly session: string;
  readonly answers: boolean[] = [];
  readonly client = new ShardClient(0, () => {});

  constructor(session: string) {
    this.session = session;
  }

  hit(nowMs: number, hit = HIT): void {
    void this.client.hit(hit, nowMs).then((wentOff) => this.answers.push(wentOff));
  }
}

/** Lets leader and pods talk until both are quiet, and those who wait for an answer hear it. Resolves with the time then. */
async function talk(leader: ShardLeader, pods: readonly Pod[], nowMs: number): Promise<number> {
  let atMs = nowMs;
  for (let round = 0; round < 10; round++) {
    for (const { session, client } of pods) {
      const message = client.next(session, atMs);
      if (message?.term === leader.term) leader.receive(message, atMs);
    }
    for (const message of leader.next(atMs))
      pods.find(({ session }) => session === message.session)?.client.receive(message, atMs);
    atMs += TICK_MS;
  }
  await Promise.resolve();
  return atMs;
}

const podsOf = (...sessions: readonly string[]): readonly Pod[] =>
  sessions.map((session) => new Pod(session));

describe('hits of a trigger, counted for all pods', () => {
  test('the fifth of all pods goes off, and one pod alone hears of it; replies that were on their way do not set it off again', async () => {
    const pods = podsOf('one', 'two', 'three');
    const leader = new ShardLeader(0, 1, true);
    for (const { client } of pods) client.follow(1, 0);
    for (const pod of pods) for (let hit = 0; hit < 4; hit++) pod.hit(0);
    await talk(leader, pods, 0);
    const answers = pods.flatMap((pod) => pod.answers);
    assert.equal(answers.length, 12);
    assert.equal(answers.filter(Boolean).length, 1);
  });

  test('a leader counts before it may grant: a reaction does not wait until a dead pod is known to be dead', async () => {
    const [one] = podsOf('one');
    assert.ok(one);
    const leader = new ShardLeader(0, 2, false);
    leader.expect(['one', 'gone'], 0);
    one.client.follow(2, 0);
    for (let hit = 0; hit < 5; hit++) one.hit(0);
    await talk(leader, [one], 0);
    assert.equal(leader.granting, false);
    assert.deepEqual(one.answers, [false, false, false, false, true]);
  });

  test('a new leader is told of what the former one did not answer, as old as it is, and counts from there', async () => {
    const [one] = podsOf('one');
    assert.ok(one);
    one.client.follow(1, 0);
    for (let hit = 0; hit < 4; hit++) one.hit(0);
    assert.ok(one.client.next('one', 0), 'told to a leader that dies');
    const second = new ShardLeader(0, 2, false);
    one.client.follow(2, 500);
    const nowMs = await talk(second, [one], 500);
    assert.deepEqual(one.answers, [false, false, false, false]);
    one.hit(nowMs);
    const laterMs = await talk(second, [one], nowMs);
    assert.equal(one.answers.at(-1), true);
    one.hit(laterMs + HIT.withinMs);
    await talk(second, [one], laterMs + HIT.withinMs);
    assert.equal(one.answers.at(-1), false);
  });

  test('a pod that has no leader goes by its own hits after a second, and those are told to nobody afterwards', async () => {
    const [one] = podsOf('one');
    assert.ok(one);
    for (let hit = 0; hit < 5; hit++) one.hit(hit);
    one.client.countAlone(COUNT_ALONE_AFTER_MS - 1);
    await Promise.resolve();
    assert.deepEqual(one.answers, []);
    one.client.countAlone(COUNT_ALONE_AFTER_MS);
    await Promise.resolve();
    assert.deepEqual(one.answers, [false, false, false, false, true]);
    const leader = new ShardLeader(0, 1, true);
    one.client.follow(1, 2_000);
    const message = one.client.next('one', 2_000);
    assert.deepEqual(
      message?.items.map(({ type }) => type),
      ['registered'],
    );
    assert.equal(leader.granting, false);
  });

  test('everybody who waits is answered, whatever becomes of the hit: too many, too old, the session lost', () => {
    const pending = new PendingHits();
    const answers: boolean[] = [];
    const answer = (wentOff: boolean): void => void answers.push(wentOff);
    const rare = { ...HIT, count: 5_000 };
    for (let hit = 0; hit < MAX_PENDING_HITS + 3; hit++) pending.add(rare, 0, answer);
    assert.equal(answers.length, 3);
    pending.countAlone(HIT.withinMs);
    assert.equal(answers.length, MAX_PENDING_HITS + 3);
    pending.add(rare, 0, answer);
    pending.drop();
    assert.equal(pending.size, 0);
    assert.ok(!answers.includes(true));
    pending.counted(10_000, [10_000]);
    assert.equal(answers.length, MAX_PENDING_HITS + 4);
  });
});
