import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bounds } from '@sluice/crds';
import { InProcessAllocation } from './allocation-port.ts';
import { Allocator } from './allocator.ts';
import type { Waiter } from './contract.ts';
import type { LimitKey } from './limit-key.ts';
import { createShaper } from './shaper.ts';

const WAITER: Waiter = { priority: 0, since: 0, wake: () => {} };

function limit(bounds: Bounds, scope: 'Cluster' | 'Pod' = 'Cluster'): LimitKey {
  return { id: 'site', limitName: 'site', scope, shard: 'site', bounds };
}

test('who asks sees how many slots are held, by which pod, and how many wait; and asking takes nothing', () => {
  const allocation = new InProcessAllocation(new Allocator());
  const [one, two] = ['one', 'two'].map((client) => createShaper({ client, allocation }));
  assert.ok(one !== undefined && two !== undefined);
  const key = limit({ connections: 2 });
  assert.deepEqual(one.look(key, 0), { led: { leader: 'one', self: 'one', here: true, granting: true } });
  const keys = { keys: [key] };
  one.takeConnection(keys, WAITER, 0);
  two.takeConnection(keys, WAITER, 0);
  two.takeConnection(keys, { ...WAITER }, 0);
  for (let times = 0; times < 2; times++) {
    assert.deepEqual(two.look(key, 1), {
      held: { connections: 1, waiting: 1, rates: [] },
      led: {
        leader: 'two',
        self: 'two',
        here: true,
        granting: true,
        key: {
          connections: {
            bound: 2,
            inUse: 2,
            holders: [
              { client: 'one', count: 1 },
              { client: 'two', count: 1 },
            ],
            waiting: 1,
          },
          rates: [],
        },
      },
    });
  }
});

test('of a rate it is seen what is left, wherever it is: at the pods and in the pool', () => {
  const shaper = createShaper({ client: 'one' });
  const key = limit({ recipientRate: { count: 10, periodMs: 1_000 }, burst: 20 });
  const cost = { recipients: 15, sizeBytes: 1 };
  assert.ok(shaper.takeTransaction({ keys: [key] }, cost, WAITER, 0).granted);
  assert.ok(!shaper.takeTransaction({ keys: [key] }, cost, WAITER, 100).granted);
  const { held, led } = shaper.look(key, 100);
  const [mine] = held?.rates ?? [];
  assert.ok(mine !== undefined);
  assert.equal(mine.waiting, 15);
  const [rate] = led.key?.rates ?? [];
  assert.ok(rate !== undefined);
  assert.deepEqual([rate.ratePerMs, rate.burst], [0.01, 20]);
  // 20 at once, 15 spent, one came back in 100 ms.
  assert.ok(Math.abs(mine.level + rate.poolLevel - 6) < 0.001, `${mine.level} + ${rate.poolLevel}`);
});

test('a limit of one pod alone is seen under the name that the pod has for it', () => {
  const shaper = createShaper({ client: 'one' });
  const key = limit({ connections: 3 }, 'Pod');
  assert.ok(shaper.takeConnection({ keys: [key] }, WAITER, 0).granted);
  assert.equal(shaper.look(key, 0).led.key?.connections?.inUse, 1);
});
