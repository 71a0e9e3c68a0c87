import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Bounds } from '@sluice/crds';
import type { RoutedKey } from '../allocation-port.ts';
import type { AllocatorEffect } from '../effect.ts';
import { HEARD_WITHIN_MS, UNREACHABLE_AFTER_MS } from './conversation.ts';
import { ShardClient, TICK_MS } from './shard-client.ts';
import { ShardLeader } from './shard-leader.ts';

const SHARD = 3;

function keyOf(id: string, bounds: Bounds): RoutedKey {
  return { id, broad: false, shard: id, podOnly: false, bounds, generation: undefined };
}

/** A pod that remembers what it was told. */
class Pod {
  readonly session: string;
  readonly told: AllocatorEffect[] = [];
  readonly client = new ShardClient(SHARD, (effect) => this.told.push(effect));

  constructor(session: string) {
    this.session = session;
  }

  get grants(): number[] {
    return this.told.flatMap((effect) => (effect.type === 'slots' ? [effect.grant] : []));
  }
}

/** Lets leader and pods talk until both are quiet. Returns the time then. */
function talk(leader: ShardLeader, pods: readonly Pod[], nowMs: number): number {
  let atMs = nowMs;
  for (let round = 0; round < 20; round++) {
    for (const { session, client } of pods) {
      const message = client.next(session, atMs);
      if (message?.term === leader.term) leader.receive(message, atMs);
    }
    leader.advance(atMs);
    for (const message of leader.next(atMs))
      pods.find(({ session }) => session === message.session)?.client.receive(message, atMs);
    atMs += TICK_MS;
  }
  return atMs;
}

const URGENCY = { priority: 0, waitedMs: 0 };

describe('the leader of a shard', () => {
  test('a new one grants nothing before every living session has told what it holds, so that nothing is given twice', () => {
    const key = keyOf('a', { connections: 1 });
    const [one, two] = [new Pod('one'), new Pod('two')];
    const first = new ShardLeader(SHARD, 1, true);
    first.expect(['one', 'two'], 0);
    for (const { client } of [one, two]) client.follow(1, 0);
    one.client.demandSlots(1, [key], URGENCY, 0);
    let nowMs = talk(first, [one, two], 0);
    assert.equal(one.grants.length, 1);

    const second = new ShardLeader(SHARD, 2, false);
    for (const { client } of [one, two]) client.follow(2, nowMs);
    second.expect(['one', 'two'], nowMs);
    two.client.demandSlots(1, [key], URGENCY, nowMs);
    nowMs = talk(second, [two], nowMs);
    assert.deepEqual(second.missing, ['one']);
    assert.equal(second.granting, false);
    nowMs = talk(second, [one, two], nowMs);
    assert.equal(second.granting, true);
    assert.deepEqual(two.grants, [], 'the slot is held by the other pod');

    one.client.releaseSlots(one.grants[0] ?? 0, nowMs);
    nowMs = talk(second, [one, two], nowMs);
    assert.equal(two.grants.length, 1);
    assert.notEqual(two.grants[0], one.grants[0], 'a number of one term is none of another');
  });

  test('a slot for a pod that cannot be reached goes to another one, and the pod is next when it is heard again', () => {
    const key = keyOf('a', { connections: 1 });
    const [near, far] = [new Pod('near'), new Pod('far')];
    const leader = new ShardLeader(SHARD, 1, true);
    leader.expect(['near', 'far'], 0);
    for (const { client } of [near, far]) client.follow(1, 0);
    near.client.demandSlots(1, [key], URGENCY, 0);
    let nowMs = talk(leader, [near, far], 0);
    far.client.demandSlots(1, [key], URGENCY, nowMs);
    nowMs = talk(leader, [near, far], nowMs);

    // From here on nothing goes to or from the far one.
    nowMs += HEARD_WITHIN_MS;
    near.client.releaseSlots(near.grants[0] ?? 0, nowMs);
    near.client.demandSlots(2, [key], URGENCY, nowMs);
    nowMs = talk(leader, [near], nowMs);
    assert.equal(near.grants.length, 1, 'it is the turn of the far one');
    nowMs = talk(leader, [near], nowMs + UNREACHABLE_AFTER_MS);
    assert.equal(near.grants.length, 2);

    nowMs = talk(leader, [near, far], nowMs + 2_000);
    near.client.releaseSlots(near.grants[1] ?? 0, nowMs);
    near.client.demandSlots(3, [key], URGENCY, nowMs);
    nowMs = talk(leader, [near, far], nowMs);
    assert.deepEqual([near.grants.length, far.grants.length], [2, 1]);
  });

  test('one that is missing holds others up until it is dead, and no longer', () => {
    const key = keyOf('a', { connections: 1 });
    const two = new Pod('two');
    const leader = new ShardLeader(SHARD, 2, false);
    leader.expect(['one', 'two'], 0);
    two.client.follow(2, 0);
    two.client.demandSlots(1, [key], URGENCY, 0);
    const nowMs = talk(leader, [two], 0);
    assert.deepEqual(two.grants, []);
    leader.clientDied('one', nowMs);
    talk(leader, [two], nowMs);
    assert.equal(two.grants.length, 1);
  });

  test('a rate that others hold parts of is not given again by a new leader', () => {
    const key = keyOf('a', { recipientRate: { count: 100, periodMs: 1_000 } });
    const [one, two] = [new Pod('one'), new Pod('two')];
    const first = new ShardLeader(SHARD, 1, true);
    first.expect(['one', 'two'], 0);
    for (const { client } of [one, two]) client.follow(1, 0);
    one.client.demandRate(key, 'recipientRate', { ...URGENCY, cost: 1, units: 50 }, 0);
    let nowMs = talk(first, [one, two], 0);
    const second = new ShardLeader(SHARD, 2, false);
    second.expect(['one', 'two'], nowMs);
    for (const { client } of [one, two]) client.follow(2, nowMs);
    two.client.demandRate(key, 'recipientRate', { ...URGENCY, cost: 1, units: 50 }, nowMs);
    nowMs = talk(second, [one, two], nowMs);
    const leased = (pod: Pod): number =>
      pod.told.reduce((sum, effect) => sum + (effect.type === 'lease' ? effect.ratePerMs : 0), 0);
    assert.ok(Math.abs(leased(one) - 0.1) < 1e-9, 'one had all of it');
    assert.equal(leased(two), 0);
    assert.ok(
      one.told.some(({ type }) => type === 'ask' || type === 'recall'),
      'and is asked for a part',
    );
  });

  test('a slow turn is told to nobody before it is written down, and what stands written is obeyed', () => {
    const key = keyOf('a', { messageRate: { count: 1, periodMs: 60_000 } });
    const one = new Pod('one');
    const leader = new ShardLeader(SHARD, 2, false);
    leader.expect(['one'], 0);
    one.client.follow(2, 0);
    one.client.demandRate(key, 'messageRate', { ...URGENCY, cost: 1, units: 1 }, 0);
    let nowMs = talk(leader, [one], 0);
    assert.deepEqual(leader.records(), [{ type: 'load', keyId: 'a', rate: 'messageRate' }]);
    leader.loaded('a', 'messageRate', { level: 0, out: false, elapsedMs: 45_000 }, nowMs);
    nowMs = talk(leader, [one], nowMs);
    assert.deepEqual(leader.records(), [], 'fifteen seconds are missing');
    nowMs = talk(leader, [one], nowMs + 15_000);
    const [record] = leader.records();
    assert.ok(record?.type === 'save' && record.out && record.level < 0.1);
    const leases = (): number => one.told.filter(({ type }) => type === 'lease').length;
    assert.equal(leases(), 0);
    leader.saved('a', 'messageRate');
    talk(leader, [one], nowMs);
    assert.equal(leases(), 1);
  });

  test('of a turn that was out nobody knows when it was spent: a new leader counts from now', () => {
    const key = keyOf('a', { messageRate: { count: 1, periodMs: 60_000 } });
    const one = new Pod('one');
    const leader = new ShardLeader(SHARD, 2, false);
    leader.expect(['one'], 0);
    one.client.follow(2, 0);
    one.client.demandRate(key, 'messageRate', { ...URGENCY, cost: 1, units: 1 }, 0);
    const nowMs = talk(leader, [one], 0);
    leader.records();
    leader.loaded('a', 'messageRate', { level: 0, out: true, elapsedMs: 59_000 }, nowMs);
    talk(leader, [one], nowMs + 30_000);
    assert.deepEqual(leader.records(), []);
  });
});

describe('what a pod knows of a shard', () => {
  test('while the leader does not answer, a slot that comes free serves the next demand for the same keys, and is given back later', () => {
    const key = keyOf('a', { connections: 1 });
    const one = new Pod('one');
    const leader = new ShardLeader(SHARD, 1, true);
    leader.expect(['one'], 0);
    one.client.follow(1, 0);
    one.client.demandSlots(1, [key], URGENCY, 0);
    let nowMs = talk(leader, [one], 0);
    const [grant = 0] = one.grants;
    one.client.demandSlots(2, [key], URGENCY, nowMs);
    one.client.next('one', nowMs);
    nowMs += UNREACHABLE_AFTER_MS;
    one.client.releaseSlots(grant, nowMs);
    assert.deepEqual(one.grants, [grant, grant], 'the waiting demand has it');
    one.client.releaseSlots(grant, nowMs);
    one.client.demandSlots(3, [key], URGENCY, nowMs);
    assert.equal(one.grants.length, 3, 'kept, then used');
    one.client.releaseSlots(grant, nowMs);
    talk(leader, [one], nowMs + 2_000);
    assert.equal(leader.inspect('a')?.connections ?? 0, 0, 'given back when the leader answers');
  });

  test('a lower term is never heard again', () => {
    const key = keyOf('a', { connections: 1 });
    const one = new Pod('one');
    const old = new ShardLeader(SHARD, 1, true);
    old.expect(['one'], 0);
    one.client.follow(1, 0);
    one.client.demandSlots(1, [key], URGENCY, 0);
    const message = one.client.next('one', 0);
    assert.ok(message !== undefined);
    old.receive(message, 0);
    const late = old.next(0);
    one.client.follow(2, 1);
    one.client.follow(1, 2);
    assert.equal(one.client.term, 2);
    for (const each of late) one.client.receive(each, 3);
    assert.deepEqual(one.grants, []);
  });

  test('after its session was lost it holds nothing and registers nothing', () => {
    const key = keyOf('a', { connections: 1 });
    const one = new Pod('one');
    const leader = new ShardLeader(SHARD, 1, true);
    leader.expect(['one'], 0);
    one.client.follow(1, 0);
    one.client.demandSlots(1, [key], URGENCY, 0);
    const nowMs = talk(leader, [one], 0);
    one.client.fence(nowMs);
    one.client.follow(2, nowMs);
    assert.deepEqual(one.client.next('other', nowMs)?.items, [{ type: 'registered' }]);
  });
});
