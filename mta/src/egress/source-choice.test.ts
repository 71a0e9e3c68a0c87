import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceConfig } from '@sluice/crds';
import fc from 'fast-check';
import { createSourceChoice, LEAD_QUANTUM_MESSAGES } from './source-choice.ts';

function source(name: string, weight: number, state: SourceConfig['state'] = 'Active'): SourceConfig {
  return {
    name,
    address: '192.0.2.1',
    ehlo: 'out.example',
    weight,
    state,
    labels: {},
    egress: { type: 'Direct' },
  };
}

const always = (): boolean => true;
const MESSAGES = 10_000;
const weightLists = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 6 });

test('a new address gets its share of connections from the first one on', () => {
  const sources = [source('a', 3), source('b', 1)];
  const choice = createSourceChoice(sources);
  const chosen = Array.from({ length: 8 }, () => choice.choose(always)?.name);
  assert.equal(chosen.filter((name) => name === 'a').length, 6);
  assert.equal(chosen.filter((name) => name === 'b').length, 2);
});

test('weights hold over 10,000 messages when each message chooses its source', () => {
  fc.assert(
    fc.property(weightLists, (weights) => {
      const sources = weights.map((weight, index) => source(`s${index}`, weight));
      const choice = createSourceChoice(sources);
      const carried = new Map<string, number>();
      for (let message = 0; message < MESSAGES; message++) {
        const chosen = choice.choose(always);
        assert.ok(chosen);
        choice.charge(chosen, 1);
        carried.set(chosen.name, (carried.get(chosen.name) ?? 0) + 1);
      }
      assertShares(sources, carried);
    }),
    { numRuns: 50 },
  );
});

test('weights hold over 10,000 messages although sessions of one source are many times faster', () => {
  fc.assert(
    fc.property(weightLists, fc.integer({ min: 1, max: 1 << 30 }), (weights, seed) => {
      const sources = weights.map((weight, index) => source(`s${index}`, weight));
      const choice = createSourceChoice(sources);
      const random = randomOf(seed);
      const carried = new Map<string, number>();
      let sent = 0;
      for (let turn = 0; sent < MESSAGES; turn++) {
        assert.ok(turn < MESSAGES * 1000, 'nobody may pull');
        // The first source asks ten times as often as the others together.
        const asks = random() < 0.9 ? sources[0] : sources[Math.floor(random() * sources.length)];
        assert.ok(asks);
        if (!choice.mayPull(asks, always)) continue;
        choice.charge(asks, 1);
        carried.set(asks.name, (carried.get(asks.name) ?? 0) + 1);
        sent++;
      }
      assertShares(sources, carried);
    }),
    { numRuns: 50 },
  );
});

test('an address that comes back does not burst: it never leads the others by what it missed', () => {
  fc.assert(
    fc.property(
      weightLists,
      fc.array(fc.record({ away: fc.nat(), messages: fc.integer({ min: 1, max: 800 }) }), {
        minLength: 2,
        maxLength: 20,
      }),
      fc.integer({ min: 1, max: 1 << 30 }),
      (weights, phases, seed) => {
        const sources = weights.map((weight, index) => source(`s${index}`, weight));
        const choice = createSourceChoice(sources);
        const random = randomOf(seed);
        for (const phase of phases) {
          // A set of sources is away; at least one stays.
          const here = sources.filter((_, index) => ((phase.away >> index) & 1) === 0);
          const usable = here.length === 0 ? sources.slice(0, 1) : here;
          const isUsable = (each: SourceConfig): boolean => usable.includes(each);
          const total = usable.reduce((sum, each) => sum + each.weight, 0);
          const carried = new Map<string, number>();
          for (let sent = 0, turn = 0; sent < phase.messages; turn++) {
            assert.ok(turn < 1_000_000, 'nobody may pull');
            const asks = usable[Math.floor(random() * usable.length)];
            assert.ok(asks);
            if (!choice.mayPull(asks, isUsable)) continue;
            choice.charge(asks, 1);
            carried.set(asks.name, (carried.get(asks.name) ?? 0) + 1);
            sent++;
          }
          // Inside a phase: its share of the phase, what it may be ahead, and what it was behind when the phase began.
          for (const each of usable) {
            const fair = (phase.messages * each.weight) / total;
            const bound = fair + LEAD_QUANTUM_MESSAGES * (2 + usable.length);
            assert.ok(
              (carried.get(each.name) ?? 0) <= bound,
              `${each.name}: ${carried.get(each.name)} > ${bound}`,
            );
          }
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('a light source that carried one message does not stop the heavy one', () => {
  const heavy = source('heavy', 1000);
  const light = source('light', 1);
  const choice = createSourceChoice([heavy, light]);
  for (let message = 0; message < 900; message++) {
    assert.ok(choice.mayPull(heavy, always), `stopped after ${message}`);
    choice.charge(heavy, 1);
  }
});

test('a source whose partner is suspended carries everything', () => {
  const a = source('a', 1);
  const b = source('b', 1);
  const choice = createSourceChoice([a, b]);
  for (let message = 0; message < 1000; message++) {
    assert.ok(choice.mayPull(a, (each) => each === a));
    choice.charge(a, 1);
  }
  // b returns and gets half from now on, not everything.
  let inRow = 0;
  while (choice.mayPull(b, always)) {
    choice.charge(b, 1);
    inRow++;
    assert.ok(inRow <= 2 * LEAD_QUANTUM_MESSAGES + 1);
  }
});

test('an address that is being taken out of service gets no connection and its sessions stop', () => {
  const draining = source('draining', 1000, 'Draining');
  const disabled = source('disabled', 1000, 'Disabled');
  const active = source('active', 1);
  const choice = createSourceChoice([draining, disabled, active]);
  for (let turn = 0; turn < 10; turn++) assert.equal(choice.choose(always), active);
  assert.equal(choice.mayPull(draining, always), false);
  assert.equal(choice.mayPull(disabled, always), false);
  assert.equal(choice.mayPull(active, always), true);
  assert.equal(createSourceChoice([draining]).choose(always), undefined);
  assert.equal(
    choice.choose(() => false),
    undefined,
  );
});

function assertShares(sources: readonly SourceConfig[], carried: ReadonlyMap<string, number>): void {
  const total = sources.reduce((sum, each) => sum + each.weight, 0);
  for (const each of sources) {
    const share = (carried.get(each.name) ?? 0) / MESSAGES;
    const due = each.weight / total;
    assert.ok(Math.abs(share - due) <= 0.02, `${each.name}: ${share} instead of ${due}`);
  }
}

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
