import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Bounds } from '@sluice/crds';
import fc from 'fast-check';
import { type AllocationPort, InProcessAllocation } from './allocation-port.ts';
import { Allocator } from './allocator.ts';
import type { ConnectionGrant, Refusal, Shaper, Waiter } from './contract.ts';
import type { KeySet, LimitKey } from './limit-key.ts';
import { RESERVATION_MS } from './registration.ts';
import { createShaper } from './shaper.ts';
import { LimitWatch } from './simulation/limit-watch.ts';

const ONE = { recipients: 1, sizeBytes: 2_000 };
const perSecond = (count: number): { count: number; periodMs: number } => ({ count, periodMs: 1_000 });

function limit(id: string, bounds: Bounds, more: Partial<LimitKey> = {}): LimitKey {
  return { id, limitName: id, scope: 'Cluster', shard: 'site', bounds, ...more };
}

function keysOf(...keys: LimitKey[]): KeySet {
  return { keys };
}

/** A way to an allocator that is far away and has not answered yet. */
const SILENT_PORT: AllocationPort = {
  bind: () => {},
  demandSlots: () => {},
  cancelSlots: () => {},
  releaseSlots: () => {},
  demandRate: () => {},
  giveBack: () => {},
  advance: () => {},
  nextAtMs: () => undefined,
  heldFromMs: () => Number.POSITIVE_INFINITY,
  leave: () => {},
  look: () => ({ leader: '', self: '', here: false, granting: false }),
};

/** A waiter that notes when it was woken. */
function waiter(name = '', log: string[] = [], priority = 0, since = 0): Waiter {
  return { priority, since, wake: (nowMs) => log.push(`${name}@${nowMs}`) };
}

function connect(shaper: Shaper, keys: KeySet, who: Waiter, nowMs: number): ConnectionGrant {
  const result = shaper.takeConnection(keys, who, nowMs);
  assert.ok(result.granted);
  return result;
}

function refused(result: { readonly granted: true } | Refusal): Refusal {
  assert.ok(!result.granted);
  return result;
}

describe('connections', () => {
  const keys = keysOf(limit('site', { connections: 2 }));

  test('a host that allows two sees two, and the refusal says which limit it was', () => {
    const shaper = createShaper();
    connect(shaper, keys, waiter(), 0);
    connect(shaper, keys, waiter(), 0);
    const refusal = refused(shaper.takeConnection(keys, waiter(), 0));
    assert.deepEqual([refusal.key.id, refusal.bound, refusal.retryAtMs], ['site', 'connections', undefined]);
    assert.deepEqual(shaper.inspect('site', 0), { connections: 2, waiting: 1 });
  });

  test('who asks again before the allocator has answered waits like before: a host that allows two saw as many as asked twice', () => {
    const shaper = createShaper({ allocation: { join: () => SILENT_PORT } });
    const impatient = waiter();
    for (let time = 0; time < 3; time++) {
      const refusal = refused(shaper.takeConnection(keys, impatient, time));
      assert.deepEqual([refusal.key.id, refusal.bound], ['site', 'connections']);
    }
  });

  test('a freed slot goes to the first of those who wait, not to a newcomer, and wakes nobody else', () => {
    const shaper = createShaper();
    const log: string[] = [];
    const grant = connect(shaper, keys, waiter(), 0);
    connect(shaper, keys, waiter(), 0);
    const [bulk, old, urgent] = [
      waiter('bulk', log, 0, 5),
      waiter('old', log, 0, 1),
      waiter('urgent', log, 1, 9),
    ];
    for (const each of [bulk, old, urgent]) refused(shaper.takeConnection(keys, each, 10));
    shaper.release(grant, 20);
    shaper.release(grant, 20);
    assert.deepEqual(log, ['urgent@20']);
    refused(shaper.takeConnection(keys, waiter('newcomer', log, 2), 21));
    connect(shaper, keys, urgent, 22);
    assert.deepEqual(log, ['urgent@20']);
  });

  test('a slot kept for a waiter that never comes is used by the next one a moment later', () => {
    const shaper = createShaper();
    const log: string[] = [];
    const one = keysOf(limit('one', { connections: 1 }));
    const grant = connect(shaper, one, waiter(), 0);
    refused(shaper.takeConnection(one, waiter('gone', log, 0, 1), 5));
    const next = waiter('next', log, 0, 2);
    refused(shaper.takeConnection(one, next, 5));
    shaper.release(grant, 10);
    assert.equal(shaper.nextWakeAtMs(), 10 + RESERVATION_MS);
    shaper.advance(10 + RESERVATION_MS);
    assert.deepEqual(log, ['gone@10', `next@${10 + RESERVATION_MS}`]);
    connect(shaper, one, next, 120);
  });

  test('a slot that came from elsewhere while the process stood still is told of all the same: its mail would wait for ever', () => {
    const allocation = new InProcessAllocation(new Allocator());
    const [here, elsewhere] = ['here', 'elsewhere'].map((client) => createShaper({ client, allocation }));
    assert.ok(here !== undefined && elsewhere !== undefined);
    const one = keysOf(limit('one', { connections: 1 }));
    const grant = connect(elsewhere, one, waiter(), 0);
    const log: string[] = [];
    const who = waiter('mail', log);
    refused(here.takeConnection(one, who, 5));
    elsewhere.release(grant, 10);
    const lateMs = 10 + 3 * RESERVATION_MS;
    here.advance(lateMs);
    assert.deepEqual(log, [`mail@${lateMs}`]);
    connect(here, one, who, lateMs + RESERVATION_MS - 1);
  });

  test('a cancelled waiter gives up its turn at once', () => {
    const shaper = createShaper();
    const log: string[] = [];
    const one = keysOf(limit('one', { connections: 1 }));
    const grant = connect(shaper, one, waiter(), 0);
    const first = waiter('first', log, 0, 1);
    refused(shaper.takeConnection(one, first, 5));
    refused(shaper.takeConnection(one, waiter('second', log, 0, 2), 5));
    shaper.release(grant, 10);
    shaper.cancel(first);
    assert.equal(shaper.nextWakeAtMs(), 10);
    shaper.advance(10);
    assert.deepEqual(log, ['first@10', 'second@10']);
  });

  test('all or nothing: what one limit refuses holds no slot of the other', () => {
    const shaper = createShaper();
    const group = limit('group', { connections: 5 });
    const one = limit('one', { connections: 1 });
    connect(shaper, keysOf(group, one), waiter(), 0);
    refused(shaper.takeConnection(keysOf(group, one), waiter(), 0));
    assert.equal(shaper.inspect('group', 0)?.connections, 1);
  });

  test('whoever idles on a slot is told that it is wanted, and when it is wanted no more', () => {
    const told: string[] = [];
    const shaper = createShaper({
      onSlotWanted: (key, elsewhere) => told.push(`wanted ${key.id}${elsewhere ? ' elsewhere' : ''}`),
      onSlotServed: (key) => told.push(`served ${key.id}`),
    });
    const one = keysOf(limit('one', { connections: 1 }));
    const grant = connect(shaper, one, waiter(), 0);
    const next = waiter();
    refused(shaper.takeConnection(one, next, 5));
    assert.deepEqual(told, ['wanted one']);
    shaper.release(grant, 10);
    connect(shaper, one, next, 11);
    assert.deepEqual(told, ['wanted one', 'served one']);
  });

  test('whoever holds a slot knows whether it is another pod that waits for it', () => {
    const told: string[] = [];
    const allocation = new InProcessAllocation(new Allocator());
    const onSlotWanted = (key: { readonly id: string }, elsewhere: boolean) =>
      told.push(`${key.id} ${elsewhere ? 'elsewhere' : 'here'}`);
    const here = createShaper({ client: 'here', allocation, onSlotWanted });
    const there = createShaper({ client: 'there', allocation });
    const one = keysOf(limit('one', { connections: 1 }));
    connect(here, one, waiter(), 0);
    refused(here.takeConnection(one, waiter(), 1));
    assert.deepEqual(told.splice(0), ['one here']);
    refused(there.takeConnection(one, waiter(), 2));
    here.advance(3);
    assert.deepEqual(told, ['one elsewhere']);
  });

  test('connections are opened no faster than connectionRate allows, and hold no slot while they wait for it', () => {
    const shaper = createShaper();
    const log: string[] = [];
    const keys = keysOf(limit('k', { connections: 10, connectionRate: perSecond(1), burst: 1 }));
    connect(shaper, keys, waiter(), 0);
    const next = waiter('next', log);
    const refusal = refused(shaper.takeConnection(keys, next, 100));
    assert.deepEqual([refusal.bound, refusal.retryAtMs], ['connectionRate', 1_000]);
    assert.equal(shaper.inspect('k', 100)?.connections, 1);
    shaper.advance(1_000);
    assert.deepEqual(log, ['next@1000']);
    connect(shaper, keys, next, 1_001);
  });
});

describe('transactions', () => {
  test('two rates are one decision: a refusal by the second spends nothing of the first', () => {
    const shaper = createShaper();
    const a = limit('a', { recipientRate: perSecond(10), burst: 2 });
    const b = limit('b', { messageRate: perSecond(1), burst: 1 });
    assert.ok(shaper.takeTransaction(keysOf(a, b), ONE, waiter(), 0).granted);
    const refusal = refused(shaper.takeTransaction(keysOf(a, b), ONE, waiter(), 0));
    assert.deepEqual([refusal.key.id, refusal.bound, refusal.retryAtMs], ['b', 'messageRate', 1_000]);
    assert.ok(shaper.takeTransaction(keysOf(a), ONE, waiter(), 0).granted);
    refused(shaper.takeTransaction(keysOf(a), ONE, waiter(), 0));
  });

  test('waiters are woken in order, as many as can go, when their tokens are there', () => {
    const shaper = createShaper();
    const log: string[] = [];
    const keys = keysOf(limit('k', { recipientRate: perSecond(10), burst: 2 }));
    for (let sent = 0; sent < 2; sent++) assert.ok(shaper.takeTransaction(keys, ONE, waiter(), 0).granted);
    const [second, first, third] = [
      waiter('second', log, 0, 2),
      waiter('first', log, 0, 1),
      waiter('third', log, 0, 3),
    ];
    for (const each of [second, first, third]) refused(shaper.takeTransaction(keys, ONE, each, 10));
    assert.equal(shaper.nextWakeAtMs(), 100);
    shaper.advance(100);
    assert.deepEqual(log, ['first@100']);
    assert.ok(shaper.takeTransaction(keys, ONE, first, 101).granted);
    shaper.advance(300);
    assert.deepEqual(log, ['first@100', 'second@300', 'third@300']);
    assert.equal(shaper.inspect('k', 300)?.waiting, 0);
  });

  test('a newcomer does not take the token for which another was woken, until that one let it go', () => {
    const shaper = createShaper();
    const log: string[] = [];
    const keys = keysOf(limit('k', { recipientRate: perSecond(10), burst: 1 }));
    assert.ok(shaper.takeTransaction(keys, ONE, waiter(), 0).granted);
    const first = waiter('first', log);
    refused(shaper.takeTransaction(keys, ONE, first, 0));
    shaper.advance(100);
    refused(shaper.takeTransaction(keys, ONE, waiter('newcomer', log, 5), 101));
    assert.ok(shaper.takeTransaction(keys, ONE, first, 102).granted);
    shaper.advance(202);
    assert.deepEqual(log, ['first@100', 'newcomer@202']);
  });

  test('a message for more recipients than the burst goes when the bucket is full, and the rate is kept over time', () => {
    const shaper = createShaper();
    const keys = keysOf(limit('k', { recipientRate: perSecond(10), burst: 5 }));
    const big = { recipients: 30, sizeBytes: 1 };
    assert.ok(shaper.takeTransaction(keys, big, waiter(), 0).granted);
    assert.equal(refused(shaper.takeTransaction(keys, ONE, waiter(), 0)).retryAtMs, 2_600);
    assert.equal(refused(shaper.takeTransaction(keys, big, waiter(), 0)).retryAtMs, 3_000);
  });

  test('small messages do not eat the tokens that a large one ahead of them is waiting for', () => {
    const shaper = createShaper();
    const keys = keysOf(limit('k', { recipientRate: perSecond(10), burst: 10 }));
    const large = waiter('', [], 0, 1);
    const small = waiter('', [], 0, 2);
    assert.ok(shaper.takeTransaction(keys, { recipients: 6, sizeBytes: 1 }, small, 0).granted);
    refused(shaper.takeTransaction(keys, { recipients: 8, sizeBytes: 1 }, large, 5));
    refused(shaper.takeTransaction(keys, ONE, small, 6));
    shaper.advance(400);
    assert.ok(shaper.takeTransaction(keys, { recipients: 8, sizeBytes: 1 }, large, 400).granted);
  });

  test('100/h is one every 36 s', () => {
    const shaper = createShaper();
    const keys = keysOf(limit('k', { messageRate: { count: 100, periodMs: 3_600_000 } }));
    const sentAt: number[] = [];
    const lane: Waiter = { priority: 0, since: 0, wake: (nowMs) => send(nowMs) };
    const send = (nowMs: number): void => {
      while (shaper.takeTransaction(keys, ONE, lane, nowMs).granted) sentAt.push(Math.round(nowMs / 1_000));
    };
    send(0);
    for (let nowMs = shaper.nextWakeAtMs() ?? 0; nowMs < 120_000; nowMs = shaper.nextWakeAtMs() ?? 0) {
      shaper.advance(nowMs);
    }
    assert.deepEqual(sentAt, [0, 36, 72, 108]);
  });

  test('a limit without bounds and a key set without keys stop nothing', () => {
    const shaper = createShaper();
    for (const keys of [keysOf(), keysOf(limit('open', {}))]) {
      assert.ok(shaper.takeTransaction(keys, ONE, waiter(), 0).granted);
      shaper.release(connect(shaper, keys, waiter(), 0), 0);
    }
    assert.equal(shaper.nextWakeAtMs(), undefined);
  });

  for (const [rate, latenessMs] of [
    [10, 10],
    [100, 10],
    [5_000, 5],
  ] as const) {
    test(`one lane uses at least 95 % of ${rate}/s though its timer is ${latenessMs} ms late`, () => {
      const shaper = createShaper();
      const keys = keysOf(limit('k', { recipientRate: perSecond(rate) }));
      let sent = 0;
      const lane: Waiter = { priority: 0, since: 0, wake: (nowMs) => send(nowMs) };
      const send = (nowMs: number): void => {
        while (shaper.takeTransaction(keys, ONE, lane, nowMs).granted) sent++;
      };
      send(0);
      for (let nowMs = 0; nowMs < 30_000; ) {
        nowMs = Math.max(nowMs, shaper.nextWakeAtMs() ?? Number.POSITIVE_INFINITY) + latenessMs;
        shaper.advance(nowMs);
      }
      assert.ok(sent >= 0.95 * rate * 30, `sent ${sent}`);
    });
  }
});

describe('changed bounds', () => {
  test('raised bounds wake who waits, lowered ones let existing connections live', () => {
    const shaper = createShaper();
    const log: string[] = [];
    const keys = keysOf(limit('k', { connections: 1 }));
    const grant = connect(shaper, keys, waiter(), 0);
    const second = waiter('second', log);
    refused(shaper.takeConnection(keys, second, 0));
    shaper.updateBounds('k', { connections: 2 }, 10);
    assert.deepEqual(log, ['second@10']);
    connect(shaper, keys, second, 11);
    shaper.updateBounds('k', { connections: 1 }, 20);
    assert.equal(shaper.inspect('k', 20)?.connections, 2);
    refused(shaper.takeConnection(keys, waiter('third', log), 21));
    shaper.release(grant, 30);
    assert.deepEqual(log, ['second@10']);
  });

  test('a key of a newer configuration replaces the bounds; key sets of the old one do not bring them back', () => {
    const shaper = createShaper();
    const old = keysOf(limit('k', { connections: 1 }, { generation: 1 }));
    connect(shaper, old, waiter(), 0);
    const now = keysOf(limit('k', { connections: 3 }, { generation: 2 }));
    connect(shaper, now, waiter(), 1);
    connect(shaper, old, waiter(), 2);
    const late = keysOf(limit('k', { connections: 9 }, { generation: 1 }));
    refused(shaper.takeConnection(late, waiter(), 3));
    assert.equal(shaper.inspect('k', 0)?.connections, 3);
  });

  test('a rate that is lifted lets go who waits for it; a faster one is used at once', () => {
    const shaper = createShaper();
    const log: string[] = [];
    const keys = keysOf(limit('k', { messageRate: perSecond(1), burst: 1 }));
    shaper.takeTransaction(keys, ONE, waiter(), 0);
    refused(shaper.takeTransaction(keys, ONE, waiter('a', log), 0));
    shaper.updateBounds('k', { messageRate: perSecond(100), burst: 1 }, 5);
    shaper.advance(15);
    assert.deepEqual(log, ['a@15']);
    refused(shaper.takeTransaction(keys, ONE, waiter('b', log), 16));
    shaper.updateBounds('k', {}, 17);
    assert.deepEqual(log, ['a@15', 'b@17']);
    assert.ok(shaper.takeTransaction(keys, ONE, waiter(), 18).granted);
  });
});

describe('several pods', () => {
  test('scope Cluster is shared by two pods, scope Pod is each one’s own', () => {
    const allocation = new InProcessAllocation(new Allocator());
    const pods = ['one', 'two'].map((client) => createShaper({ client, allocation }));
    const [one, two] = pods;
    assert.ok(one !== undefined && two !== undefined);
    const shared = keysOf(limit('shared', { connections: 1 }));
    const own = keysOf(limit('own', { connections: 1 }, { scope: 'Pod' }));
    connect(one, shared, waiter(), 0);
    connect(one, own, waiter(), 0);
    refused(two.takeConnection(shared, waiter(), 0));
    connect(two, own, waiter(), 0);
    assert.equal(two.inspect('own', 0)?.connections, 1);
  });

  test('what keys at rest held is given back, so that another pod finds the whole rate', () => {
    const allocation = new InProcessAllocation(new Allocator());
    const shaper = createShaper({ client: 'one', allocation });
    const keys = keysOf(limit('k', { connections: 1, recipientRate: perSecond(10) }));
    shaper.takeTransaction(keys, ONE, waiter(), 0);
    shaper.release(connect(shaper, keys, waiter(), 0), 1);
    assert.equal(allocation.allocator.size, 1);
    shaper.advance(60_000);
    shaper.advance(120_000);
    assert.equal(shaper.inspect('k', 120_000), undefined);
    assert.equal(allocation.allocator.size, 0);
    assert.ok(shaper.takeTransaction(keys, ONE, waiter(), 120_001).granted);
  });
});

describe('random schedules', () => {
  const rate = fc.record({
    count: fc.integer({ min: 1, max: 50 }),
    periodMs: fc.constantFrom(1_000, 60_000),
  });
  const bounds = fc.record(
    {
      connections: fc.integer({ min: 1, max: 4 }),
      connectionRate: rate,
      recipientRate: rate,
      messageRate: rate,
      burst: fc.integer({ min: 1, max: 10 }),
    },
    { requiredKeys: [] },
  );
  const step = fc.record({
    pod: fc.nat(2),
    lane: fc.nat(3),
    act: fc.constantFrom('connect', 'send', 'release', 'cancel', 'send', 'connect'),
    waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000 })),
    recipients: fc.integer({ min: 1, max: 12 }),
  });

  test('no provider sees more than its limits, and what is woken in turn can go', () => {
    fc.assert(
      fc.property(bounds, bounds, bounds, fc.array(step, { maxLength: 150 }), (a, b, c, steps) => {
        const limits = [limit('a', a), limit('b', b), limit('broad', c, { shard: '' })];
        const watches = [a, b, c].map((each, index) => new LimitWatch(`${index}`, each, 0));
        const combinations = [[0], [1], [0, 2], [0, 1, 2]];
        const allocation = new InProcessAllocation(new Allocator());
        const pods = ['x', 'y', 'z'].map((client) => {
          const shaper = createShaper({ client, allocation });
          const lanes = combinations.map((indexes, place) => ({
            keys: { keys: indexes.flatMap((index) => limits[index] ?? []) },
            watches: indexes.flatMap((index) => watches[index] ?? []),
            waiter: waiter('', [], place % 2),
            grants: [] as ConnectionGrant[],
          }));
          return { shaper, lanes };
        });
        let nowMs = 0;
        for (const { pod, lane: place, act, waitMs, recipients } of steps) {
          nowMs += waitMs;
          for (const { shaper } of pods)
            if ((shaper.nextWakeAtMs() ?? nowMs + 1) <= nowMs) shaper.advance(nowMs);
          const { shaper, lanes } = pods[pod] ?? {};
          const lane = lanes?.[place];
          if (shaper === undefined || lane === undefined) continue;
          if (act === 'connect') {
            const result = shaper.takeConnection(lane.keys, lane.waiter, nowMs);
            if (!result.granted) continue;
            lane.grants.push(result);
            for (const watch of lane.watches) watch.connect(nowMs);
          } else if (act === 'release') {
            const grant = lane.grants.pop();
            if (grant === undefined) continue;
            for (const watch of lane.watches) watch.disconnect();
            shaper.release(grant, nowMs);
            shaper.release(grant, nowMs);
          } else if (act === 'send') {
            const cost = { recipients, sizeBytes: 1 };
            if (!shaper.takeTransaction(lane.keys, cost, lane.waiter, nowMs).granted) continue;
            for (const watch of lane.watches) {
              watch.spend('recipientRate', recipients, nowMs);
              watch.spend('messageRate', 1, nowMs);
            }
          } else {
            shaper.cancel(lane.waiter);
          }
        }
        assert.deepEqual(
          watches.flatMap((watch) => watch.violations),
          [],
        );
      }),
      { numRuns: 400 },
    );
  });
});

test('a timer that rings to the very fraction of a millisecond does not stop the pod for ever: today is so many milliseconds that doubles round', () => {
  const keys = keysOf(limit('site', { messageRate: perSecond(499), burst: 1 }));
  const log: string[] = [];
  let nowMs = 1_795_000_000_000.123;
  const shaper = createShaper();
  for (let round = 0; round < 2_000; round++) {
    const who = waiter(`${round}`, log);
    const taken = shaper.takeTransaction(keys, ONE, who, nowMs);
    if (!taken.granted) {
      nowMs = shaper.nextWakeAtMs() ?? nowMs;
      shaper.advance(nowMs);
      nowMs = shaper.nextWakeAtMs() ?? nowMs;
      shaper.advance(nowMs);
      shaper.cancel(who);
    }
    nowMs += 0.37;
  }
  assert.ok(log.length > 100);
});
