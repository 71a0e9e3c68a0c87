import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Bounds } from '@sluice/crds';
import fc from 'fast-check';
import { Allocator, type AllocatorKey } from './allocator.ts';
import { burstOf, ratePerMs } from './burst.ts';
import type { AllocatorEffect, LeasePart } from './effect.ts';
import type { RateName } from './limit-key.ts';
import { CLAIM_AFTER_MS } from './slot-book.ts';

const perSecond = (count: number): { count: number; periodMs: number } => ({ count, periodMs: 1_000 });
const FRESH = { priority: 0, waitedMs: 0 };

function key(id: string, bounds: Bounds, broad = false): AllocatorKey {
  return { id, broad, bounds, generation: undefined };
}

/** Grants among the effects, as `client:demand`. */
function granted(effects: readonly AllocatorEffect[]): string[] {
  return effects.flatMap((effect) => (effect.type === 'slots' ? [`${effect.client}:${effect.demand}`] : []));
}

function grantOf(effects: readonly AllocatorEffect[]): number {
  const slots = effects.find((effect) => effect.type === 'slots');
  assert.ok(slots?.type === 'slots');
  return slots.grant;
}

describe('slots', () => {
  test('a fifth connection to a host that allows four waits until one is released', () => {
    const allocator = new Allocator();
    const site = key('site', { connections: 4 });
    for (const id of [1, 2, 3, 4]) allocator.demandSlots('pod', id, [site], FRESH, 0);
    const grant = grantOf(allocator.drain());
    allocator.demandSlots('pod', 5, [site], FRESH, 0);
    assert.deepEqual(
      allocator.drain().map((effect) => effect.type),
      ['queued', 'slotWanted'],
    );
    allocator.releaseSlots('pod', grant, 10);
    assert.deepEqual(granted(allocator.drain()), ['pod:5']);
  });

  test('a release that is repeated frees nothing twice, and nobody can release the slot of another pod', () => {
    const allocator = new Allocator();
    const site = key('site', { connections: 1 });
    allocator.demandSlots('pod', 1, [site], FRESH, 0);
    const grant = grantOf(allocator.drain());
    allocator.releaseSlots('other', grant, 0);
    assert.equal(allocator.inspect('site')?.connections, 1);
    allocator.releaseSlots('pod', grant, 0);
    allocator.demandSlots('pod', 2, [site], FRESH, 0);
    allocator.drain();
    allocator.releaseSlots('pod', grant, 0);
    assert.equal(allocator.inspect('site')?.connections, 1);
  });

  test('urgent mail gets the freed slot first, then the oldest', () => {
    const allocator = new Allocator();
    const site = key('site', { connections: 1 });
    allocator.demandSlots('pod', 1, [site], FRESH, 0);
    const grant = grantOf(allocator.drain());
    allocator.demandSlots('pod', 2, [site], { priority: 0, waitedMs: 5 }, 10);
    allocator.demandSlots('pod', 3, [site], { priority: 0, waitedMs: 9 }, 10);
    allocator.demandSlots('pod', 4, [site], { priority: 1, waitedMs: 0 }, 10);
    allocator.drain();
    const order: string[] = [];
    for (let next = grant; order.length < 3; ) {
      allocator.releaseSlots('pod', next, 20);
      const effects = allocator.drain();
      order.push(...granted(effects));
      next = grantOf(effects);
    }
    assert.deepEqual(order, ['pod:4', 'pod:3', 'pod:2']);
  });

  test('a pod with a backlog of hours takes turns with a pod whose mail is new', () => {
    const allocator = new Allocator();
    const site = key('site', { connections: 1 });
    const old = { priority: 0, waitedMs: 3_600_000 };
    allocator.demandSlots('big', 0, [site], old, 0);
    let grant = grantOf(allocator.drain());
    for (let id = 1; id <= 50; id++) allocator.demandSlots('big', id, [site], old, 0);
    allocator.demandSlots('small', 1, [site], FRESH, 1);
    allocator.drain();
    const order: string[] = [];
    let holder = 'big';
    for (let nowMs = 10; nowMs < 60; nowMs += 10) {
      allocator.releaseSlots(holder, grant, nowMs);
      const effects = allocator.drain();
      grant = grantOf(effects);
      order.push(...granted(effects));
      holder = order.at(-1)?.split(':')[0] ?? '';
    }
    assert.ok(
      order.slice(0, 2).includes('small:1'),
      `small must not wait for the backlog: ${order.join(' ')}`,
    );
  });

  test('a connection that needs two limits is not overtaken for ever by those that need one', () => {
    const allocator = new Allocator();
    const a = key('a', { connections: 1 });
    const b = key('b', { connections: 1 });
    const held = new Map<string, number>();
    let id = 0;
    const renew = (which: AllocatorKey, nowMs: number): void => {
      allocator.demandSlots(`pod-${which.id}`, ++id, [which], FRESH, nowMs);
    };
    const take = (nowMs: number): boolean => {
      for (const effect of allocator.drain()) {
        if (effect.type !== 'slots') continue;
        if (effect.client === 'both') return true;
        held.set(effect.client, effect.grant);
      }
      for (const which of [a, b]) renew(which, nowMs);
      return false;
    };
    take(0);
    take(0);
    allocator.demandSlots('both', 1, [a, b], FRESH, 1);
    let nowMs = 1;
    let served = take(nowMs);
    // The two keys are never free at the same time.
    for (; !served && nowMs < 3 * CLAIM_AFTER_MS; nowMs += 100) {
      const client = (nowMs - 1) % 200 === 0 ? 'pod-a' : 'pod-b';
      const grant = held.get(client);
      held.delete(client);
      if (grant !== undefined) allocator.releaseSlots(client, grant, nowMs);
      served = take(nowMs);
    }
    assert.equal(served, true);
  });

  test('a session that frees two limits at once serves the oldest of both lines', () => {
    const allocator = new Allocator();
    const site = key('a-site', { connections: 1 });
    const tenant = key('tenant', { connections: 1 }, true);
    allocator.demandSlots('pod', 1, [site, tenant], FRESH, 0);
    const grant = grantOf(allocator.drain());
    allocator.demandSlots('pod', 2, [tenant], { priority: 0, waitedMs: 100 }, 100);
    allocator.demandSlots('pod', 3, [site, tenant], FRESH, 100);
    allocator.drain();
    allocator.releaseSlots('pod', grant, 200);
    assert.deepEqual(granted(allocator.drain()), ['pod:2']);
  });

  test('a limit at rest that somebody names who waits for another one is not forgotten and counted twice', () => {
    const allocator = new Allocator();
    const site = key('site', { connections: 1 });
    const tenant = key('tenant', { connections: 1 }, true);
    allocator.demandSlots('pod', 1, [site], FRESH, 0);
    const grant = grantOf(allocator.drain());
    allocator.demandSlots('pod', 2, [site, tenant], FRESH, 0);
    allocator.advance(60_000);
    allocator.demandSlots('pod', 3, [tenant], FRESH, 60_000);
    assert.deepEqual(granted(allocator.drain()), ['pod:3']);
    allocator.releaseSlots('pod', grant, 60_001);
    assert.deepEqual(granted(allocator.drain()), []);
  });

  test('lowered bounds end no connection and let none in until enough have ended; raised ones wake who waits', () => {
    const allocator = new Allocator();
    for (const id of [1, 2, 3]) allocator.demandSlots('pod', id, [key('site', { connections: 3 })], FRESH, 0);
    const grants = allocator.drain().flatMap((effect) => (effect.type === 'slots' ? [effect.grant] : []));
    allocator.bind(key('site', { connections: 1 }), 0);
    allocator.demandSlots('pod', 4, [key('site', { connections: 1 })], FRESH, 0);
    for (const grant of grants.slice(0, 2)) allocator.releaseSlots('pod', grant, 1);
    assert.deepEqual(granted(allocator.drain()), []);
    allocator.bind(key('site', { connections: 2 }), 2);
    assert.deepEqual(granted(allocator.drain()), ['pod:4']);
  });

  test('slots of a pod that is gone are in use elsewhere at once, and its demands wait no more', () => {
    const allocator = new Allocator();
    const site = key('site', { connections: 1 });
    allocator.demandSlots('dead', 1, [site], FRESH, 0);
    allocator.demandSlots('dead', 2, [site], FRESH, 0);
    allocator.demandSlots('alive', 1, [site], FRESH, 1);
    allocator.drain();
    allocator.removeClient('dead', 2);
    assert.deepEqual(granted(allocator.drain()), ['alive:1']);
    assert.deepEqual(allocator.inspect('site'), { connections: 1, waiting: 0 });
  });
});

describe('rates', () => {
  const demand = (
    cost: number,
    units: number,
  ): { cost: number; units: number; priority: number; waitedMs: number } => ({
    cost,
    units,
    priority: 0,
    waitedMs: 0,
  });

  test('a pod that is alone gets the whole rate at once and is told nothing more', () => {
    const allocator = new Allocator();
    allocator.demandRate(
      'pod',
      key('k', { recipientRate: perSecond(100) }),
      'recipientRate',
      demand(1, 5),
      0,
    );
    const [lease, ...others] = allocator.drain();
    assert.ok(lease?.type === 'lease');
    assert.deepEqual([lease.ratePerMs, lease.capacity, lease.level, others.length], [0.1, 11, 11, 0]);
    assert.equal(allocator.nextAtMs(), undefined);
  });

  test('a second pod gets its share only after the first has given it back', () => {
    const allocator = new Allocator();
    const k = key('k', { recipientRate: perSecond(100) });
    allocator.demandRate('one', k, 'recipientRate', demand(1, 5), 0);
    allocator.drain();
    allocator.demandRate('two', k, 'recipientRate', demand(1, 5), 100);
    const effects = allocator.drain();
    assert.deepEqual(
      effects.map((effect) => `${effect.type} ${effect.client}`),
      ['ask one', 'recall one'],
    );
    const recall = effects.find((effect) => effect.type === 'recall');
    assert.ok(recall?.type === 'recall');
    const back = { ratePerMs: 0.1 - recall.ratePerMs, capacity: 11 - recall.capacity, level: 2 };
    allocator.giveBack('one', 'k', 'recipientRate', back, 105);
    const [lease] = allocator.drain();
    assert.ok(lease?.type === 'lease' && lease.client === 'two');
    assert.ok(lease.ratePerMs + recall.ratePerMs <= 0.1 + 1e-12);
    assert.ok(lease.capacity + recall.capacity <= 11 + 1e-9);
    assert.ok(lease.level <= 2 + 1e-9, 'tokens are moved, not made');
  });

  test('100/h gives one turn every 36 s, to the pods in turn', () => {
    const allocator = new Allocator();
    const k = key('k', { recipientRate: { count: 100, periodMs: 3_600_000 } });
    for (const client of ['one', 'two']) allocator.demandRate(client, k, 'recipientRate', demand(1, 1), 0);
    const turns: string[] = [];
    for (let nowMs = 0; nowMs <= 110_000; nowMs = allocator.nextAtMs() ?? Number.POSITIVE_INFINITY) {
      allocator.advance(nowMs);
      for (const effect of allocator.drain()) {
        if (effect.type !== 'lease') continue;
        assert.equal(effect.once, true);
        turns.push(`${effect.client} ${Math.round(nowMs / 1_000)}`);
        const spent: LeasePart = { ...effect, level: effect.level - 1 };
        allocator.giveBack(effect.client, 'k', 'recipientRate', spent, nowMs);
        allocator.demandRate(effect.client, k, 'recipientRate', demand(1, 1), nowMs);
      }
    }
    assert.deepEqual(turns, ['one 0', 'two 36', 'one 72', 'two 108']);
  });

  test('a pod that dies with tokens leaves none to others, or the provider would see them twice', () => {
    const allocator = new Allocator();
    const k = key('k', { recipientRate: perSecond(10), burst: 50 });
    allocator.demandRate('dead', k, 'recipientRate', demand(1, 1), 0);
    allocator.demandRate('alive', k, 'recipientRate', demand(1, 1), 0);
    allocator.drain();
    allocator.removeClient('dead', 1_000);
    const lease = allocator.drain().find((effect) => effect.type === 'lease' && effect.client === 'alive');
    assert.ok(lease?.type === 'lease');
    assert.equal(lease.level, 0);
  });

  test('keys at rest cost nothing', () => {
    const allocator = new Allocator();
    for (let number = 0; number < 100; number++) {
      const k = key(`k${number}`, { connections: 5, recipientRate: perSecond(10) });
      allocator.demandSlots('pod', number, [k], FRESH, 0);
      allocator.demandRate('pod', k, 'recipientRate', demand(1, 1), 0);
    }
    for (const effect of allocator.drain()) {
      if (effect.type === 'slots') allocator.releaseSlots('pod', effect.grant, 1);
      if (effect.type === 'lease')
        allocator.giveBack('pod', effect.keyId, effect.rate, { ...effect, level: 0 }, 1);
    }
    allocator.advance(2);
    assert.equal(allocator.size, 100, 'a bucket that is not full again is remembered');
    allocator.advance(60_000);
    assert.equal(allocator.size, 0);
  });
});

describe('what is leased', () => {
  type Step =
    | { readonly do: 'demand'; readonly client: number; readonly cost: number; readonly units: number }
    | { readonly do: 'answer'; readonly client: number; readonly part: number }
    | { readonly do: 'remove'; readonly client: number }
    | { readonly do: 'bounds'; readonly count: number; readonly burst: number };

  const client = fc.integer({ min: 0, max: 4 });
  const steps = fc.array(
    fc.record({
      waitMs: fc.integer({ min: 0, max: 1_500 }),
      step: fc.oneof<fc.Arbitrary<Step>[]>(
        fc.record({
          do: fc.constant('demand' as const),
          client,
          cost: fc.integer({ min: 1, max: 60 }),
          units: fc.nat(100),
        }),
        fc.record({ do: fc.constant('answer' as const), client, part: fc.integer({ min: 0, max: 10 }) }),
        fc.record({ do: fc.constant('remove' as const), client }),
        fc.record({
          do: fc.constant('bounds' as const),
          count: fc.integer({ min: 1, max: 500 }),
          burst: fc.integer({ min: 1, max: 50 }),
        }),
      ),
    }),
    { maxLength: 60 },
  );

  test('never sums up to more than the rate and the burst, whatever pods ask, answer late, or do not answer', () => {
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 30 }),
        (schedule, count, burst) => {
          let bounds: Bounds = { recipientRate: perSecond(count), burst };
          const name: RateName = 'recipientRate';
          const allocator = new Allocator();
          const held = new Map<
            string,
            { ratePerMs: number; capacity: number; recall?: { ratePerMs: number; capacity: number } }
          >();
          let nowMs = 0;
          let before = { rateSum: 0, capacitySum: 0 };
          const settle = (): void => {
            for (const effect of allocator.drain()) {
              const { client: id } = effect;
              const had = held.get(id);
              if (effect.type === 'lease') {
                const ratePart = (had?.ratePerMs ?? 0) + effect.ratePerMs;
                held.set(id, {
                  ...had,
                  ratePerMs: ratePart,
                  capacity: (had?.capacity ?? 0) + effect.capacity,
                });
              } else if (effect.type === 'recall' && had !== undefined) {
                held.set(id, { ...had, recall: effect });
              }
            }
            let rateSum = 0;
            let capacitySum = 0;
            for (const part of held.values()) {
              rateSum += part.ratePerMs;
              capacitySum += part.capacity;
            }
            // While recalled parts of lowered bounds are on their way back, the sum may be above the bound: then it may only fall.
            const { recipientRate } = bounds;
            assert.ok(recipientRate !== undefined);
            assert.ok(
              rateSum <= Math.max(before.rateSum, ratePerMs(recipientRate)) * (1 + 1e-5),
              `rate ${rateSum}`,
            );
            assert.ok(
              capacitySum <= Math.max(before.capacitySum, burstOf(bounds, name)) + 1e-4,
              `capacity ${capacitySum}`,
            );
            before = { rateSum, capacitySum };
          };
          for (const { waitMs, step } of schedule) {
            nowMs += waitMs;
            allocator.advance(nowMs);
            settle();
            if (step.do === 'bounds') {
              bounds = { recipientRate: perSecond(step.count), burst: step.burst };
              allocator.bind(key('k', bounds), nowMs);
            } else if (step.do === 'demand') {
              const { cost, units } = step;
              allocator.demandRate(
                `${step.client}`,
                key('k', bounds),
                name,
                { cost, units, ...FRESH },
                nowMs,
              );
            } else if (step.do === 'remove') {
              held.delete(`${step.client}`);
              allocator.removeClient(`${step.client}`, nowMs);
            } else {
              const part = held.get(`${step.client}`);
              const recall = part?.recall;
              if (part !== undefined && recall !== undefined) {
                const ratePart = Math.max(0, part.ratePerMs - recall.ratePerMs);
                const capacity = Math.max(0, part.capacity - recall.capacity);
                held.set(`${step.client}`, {
                  ratePerMs: part.ratePerMs - ratePart,
                  capacity: part.capacity - capacity,
                });
                const level = (capacity * step.part) / 10;
                allocator.giveBack(
                  `${step.client}`,
                  'k',
                  name,
                  { ratePerMs: ratePart, capacity, level },
                  nowMs,
                );
              }
            }
            settle();
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
