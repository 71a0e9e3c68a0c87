import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AllocationPort, InProcessAllocation, type RoutedKey } from '../allocation-port.ts';
import { Allocator } from '../allocator.ts';
import type { AllocatorEffect } from '../effect.ts';
import { CLAIM_AFTER_MS } from '../slot-book.ts';
import { SlotDesk } from './slot-desk.ts';
import { UNIT_IDLE_MS } from './standing-units.ts';

const URGENCY = { priority: 0, waitedMs: 0 };

function keyOf(id: string, connections: number, broad = false): RoutedKey {
  const shard = broad ? '' : id;
  return { id, broad, shard, podOnly: false, bounds: { connections }, generation: undefined };
}

/** Shards: one allocator for each key, as if each were led by somebody else. */
class Shards {
  readonly #allocations = new Map<string, InProcessAllocation>();

  allocation(shard: string): InProcessAllocation {
    const known = this.#allocations.get(shard) ?? new InProcessAllocation(new Allocator());
    this.#allocations.set(shard, known);
    return known;
  }

  inUse(key: RoutedKey): number {
    return this.allocation(key.id).allocator.inspect(key.id)?.connections ?? 0;
  }
}

class Pod {
  readonly told: AllocatorEffect[] = [];
  readonly desk: SlotDesk;

  constructor(name: string, shards: Shards) {
    const ports = new Map<string, AllocationPort>();
    this.desk = new SlotDesk(
      ({ id }) => {
        const known = ports.get(id);
        if (known !== undefined) return known;
        const port = shards.allocation(id).join(name, (effect, nowMs) => {
          if (!('rate' in effect) && effect.type !== 'lost') this.desk.receive(effect, nowMs);
        });
        ports.set(id, port);
        return port;
      },
      (effect) => this.told.push(effect),
    );
  }

  /** The grant of a demand, `undefined` = it waits. */
  grantOf(demand: number): number | undefined {
    const found = this.told.find((effect) => effect.type === 'slots' && effect.demand === demand);
    return found?.type === 'slots' ? found.grant : undefined;
  }
}

describe('slots of keys that several shards lead', () => {
  const source = keyOf('source', 1, true);
  const tenant = keyOf('tenant', 1, true);
  const site = keyOf('site', 1);
  const other = keyOf('other', 1);

  test('one of every key, and all come back: the destination at once, the source when nobody used it for a while', () => {
    const shards = new Shards();
    const pod = new Pod('one', shards);
    pod.desk.demandSlots(1, [source, site], URGENCY, 0);
    const grant = pod.grantOf(1);
    assert.ok(grant !== undefined);
    assert.deepEqual([shards.inUse(source), shards.inUse(site)], [1, 1]);
    pod.desk.releaseSlots(grant, 0);
    pod.desk.releaseSlots(grant, 0);
    assert.deepEqual([shards.inUse(source), shards.inUse(site)], [1, 0], 'the unit stands by');
    pod.desk.advance(UNIT_IDLE_MS);
    assert.equal(shards.inUse(source), 0);
  });

  test('who waits for a destination holds no source meanwhile: other destinations go on', () => {
    const shards = new Shards();
    const [one, two] = [new Pod('one', shards), new Pod('two', shards)];
    one.desk.demandSlots(1, [site], URGENCY, 0);
    two.desk.demandSlots(1, [source, site], URGENCY, 0);
    assert.equal(two.grantOf(1), undefined);
    two.desk.demandSlots(2, [source, other], URGENCY, 0);
    assert.ok(two.grantOf(2) !== undefined);
    // The turn at the site comes while the source is in use: it is for others.
    one.desk.releaseSlots(one.grantOf(1) ?? 0, 1);
    assert.equal(two.grantOf(1), undefined);
    assert.equal(shards.inUse(site), 0);
    two.desk.releaseSlots(two.grantOf(2) ?? 0, 2);
    assert.ok(two.grantOf(1) !== undefined, 'and it goes when both are there');
  });

  test('one that has waited long keeps its turn at the destination while it waits for the source', () => {
    const shards = new Shards();
    const [one, two] = [new Pod('one', shards), new Pod('two', shards)];
    one.desk.demandSlots(1, [site], URGENCY, 0);
    two.desk.demandSlots(1, [source, site], URGENCY, 0);
    two.desk.demandSlots(2, [source, other], URGENCY, 0);
    one.desk.releaseSlots(one.grantOf(1) ?? 0, CLAIM_AFTER_MS);
    assert.equal(shards.inUse(site), 1);
    two.desk.releaseSlots(two.grantOf(2) ?? 0, CLAIM_AFTER_MS + 1);
    assert.ok(two.grantOf(1) !== undefined);
  });

  test('a unit that stands by goes to the pod that needs it', () => {
    const shards = new Shards();
    const [one, two] = [new Pod('one', shards), new Pod('two', shards)];
    one.desk.demandSlots(1, [source, site], URGENCY, 0);
    one.desk.releaseSlots(one.grantOf(1) ?? 0, 1);
    two.desk.demandSlots(1, [source, other], URGENCY, 2);
    assert.ok(two.grantOf(1) !== undefined);
    assert.equal(shards.inUse(source), 1);
  });

  test('the unit of one that waited long at its destination is given back all the same: nobody else could use the source any more', () => {
    const shards = new Shards();
    const [one, two] = [new Pod('one', shards), new Pod('two', shards)];
    one.desk.demandSlots(1, [site], URGENCY, 0);
    two.desk.demandSlots(1, [source, site], URGENCY, 0);
    let nowMs = 0;
    for (; nowMs < 3 * UNIT_IDLE_MS; nowMs += 1_000) two.desk.advance(nowMs);
    assert.equal(shards.inUse(source), 0);
    one.desk.releaseSlots(one.grantOf(1) ?? 0, nowMs);
    const grant = two.grantOf(1);
    assert.ok(grant !== undefined);
    two.desk.releaseSlots(grant, nowMs);
    one.desk.demandSlots(2, [source, other], URGENCY, nowMs);
    assert.ok(one.grantOf(2) !== undefined, 'another pod gets it at once');
    one.desk.releaseSlots(one.grantOf(2) ?? 0, nowMs);
    for (const untilMs = nowMs + 3 * UNIT_IDLE_MS; nowMs < untilMs; nowMs += 1_000)
      for (const { desk } of [one, two]) desk.advance(nowMs);
    assert.equal(shards.inUse(source), 0);
  });

  test('two broad keys are taken together or not at all', () => {
    const shards = new Shards();
    const [one, two] = [new Pod('one', shards), new Pod('two', shards)];
    one.desk.demandSlots(1, [tenant], URGENCY, 0);
    two.desk.demandSlots(1, [source, tenant], URGENCY, 0);
    assert.equal(two.grantOf(1), undefined);
    two.desk.demandSlots(2, [source], URGENCY, 0);
    assert.ok(two.grantOf(2) !== undefined, 'the source is not held in vain');
    two.desk.releaseSlots(two.grantOf(2) ?? 0, 1);
    one.desk.releaseSlots(one.grantOf(1) ?? 0, 1);
    assert.ok(two.grantOf(1) !== undefined);
  });

  test('a demand that is taken back leaves nothing behind, wherever it was', () => {
    const shards = new Shards();
    const [one, two] = [new Pod('one', shards), new Pod('two', shards)];
    one.desk.demandSlots(1, [site], URGENCY, 0);
    two.desk.demandSlots(1, [source, site], URGENCY, 0);
    two.desk.cancelSlots(1, 1);
    one.desk.releaseSlots(one.grantOf(1) ?? 0, 2);
    two.desk.advance(UNIT_IDLE_MS + 2);
    assert.deepEqual([shards.inUse(source), shards.inUse(site)], [0, 0]);
    assert.equal(two.grantOf(1), undefined);
  });
});
