import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AllocatorEffect, LeasePart } from './effect.ts';
import { RateShare } from './rate-share.ts';

const RATE_PER_MS = 0.01;
const BURST = 2;

/** A client and both of its ways, which keep the order and take as long as they take. */
class Client {
  readonly name: string;
  ratePerMs = 0;
  capacity = 0;
  readonly toClient: AllocatorEffect[] = [];
  readonly toShare: LeasePart[] = [];

  constructor(name: string) {
    this.name = name;
  }

  hear(): void {
    const effect = this.toClient.shift();
    if (effect?.type === 'lease') {
      this.ratePerMs += effect.ratePerMs;
      this.capacity += effect.capacity;
    } else if (effect?.type === 'recall') {
      const ratePerMs = Math.max(0, this.ratePerMs - effect.ratePerMs);
      const capacity = Math.max(0, this.capacity - effect.capacity);
      this.ratePerMs -= ratePerMs;
      this.capacity -= capacity;
      if (ratePerMs > 0 || capacity > 0) this.toShare.push({ ratePerMs, capacity, level: 0 });
    }
  }

  /** What it has, may get and has not given back yet. */
  get all(): number {
    let sum = this.ratePerMs;
    for (const effect of this.toClient) if (effect.type === 'lease') sum += effect.ratePerMs;
    for (const part of this.toShare) sum += part.ratePerMs;
    return sum;
  }
}

const steps = fc.array(
  fc.record({
    who: fc.nat({ max: 3 }),
    what: fc.constantFrom('demand', 'stop', 'hear', 'hear', 'tell', 'tell', 'time'),
    units: fc.integer({ min: 1, max: 9 }),
  }),
  { minLength: 40, maxLength: 200 },
);

test('however long messages take and cross, all clients together never have more of a rate than there is, and what is given back is given again', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      let nowMs = 0;
      const clients = ['a', 'b', 'c', 'd'].map((name) => new Client(name));
      const share = new RateShare(
        { keyId: 'site', rate: 'recipientRate' },
        RATE_PER_MS,
        BURST,
        (effect) => clients.find(({ name }) => name === effect.client)?.toClient.push(effect),
        nowMs,
      );
      const step = (client: Client, what: string, units: number): void => {
        if (what === 'time') nowMs += units * 300;
        else if (what === 'hear') client.hear();
        else if (what === 'tell') {
          const part = client.toShare.shift();
          if (part !== undefined) share.giveBack(client.name, part, nowMs);
        } else {
          const demand = { cost: 1, units: what === 'stop' ? 0 : units, priority: 0, sinceMs: nowMs };
          share.demand(client.name, demand, nowMs);
        }
        share.plan(nowMs);
        const all = clients.reduce((sum, each) => sum + each.all, 0);
        assert.ok(all <= RATE_PER_MS * (1 + 1e-5), `${all} of ${RATE_PER_MS}`);
      };
      for (const { who, what, units } of taken) {
        const client = clients[who];
        if (client !== undefined) step(client, what, units);
      }
      // Everything arrives, and one alone wants all there is.
      for (let round = 0; round < 24; round++) {
        for (const client of clients) {
          if (round % 12 === 0) step(client, client.name === 'a' ? 'demand' : 'stop', 9);
          for (const what of ['hear', 'hear', 'tell', 'time']) step(client, what, 4);
        }
      }
      assert.ok((clients[0]?.ratePerMs ?? 0) > 0, 'nobody gets any more');
    }),
    { numRuns: 400 },
  );
});
