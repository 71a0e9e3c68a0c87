import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runScenario } from './scenario.ts';

const SIZE = { pods: 4, keys: 1_000, runMs: 120_000 };
const SEEDS = 12;
/** Small clusters with much trouble, in which a broken rule must show. */
const SIZE_OF_MUTANTS = { pods: 3, keys: 100, runMs: 120_000, faults: 5 };
const SEEDS_OF_MUTANTS = 60;

describe('clusters of pods that share limits over a network, with deaths, stops, cuts, losses and clocks that are wrong', () => {
  test('what a provider allows is never exceeded, nobody waits for ever, and what is allowed is used', () => {
    let utilisation = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const verdict = runScenario(seed, SIZE);
      assert.deepEqual(verdict.violations, [], `seed ${seed}`);
      assert.deepEqual(verdict.starved, [], `seed ${seed}`);
      utilisation += verdict.utilisation / SEEDS;
    }
    assert.ok(utilisation > 0.9, `used ${utilisation} of the busy limit, faults included`);
  });

  for (const broken of ['Registration', 'Hold', 'Death', 'Levels'] as const) {
    test(`the judge sees pods that break the rule of ${broken}`, () => {
      for (let seed = 1; seed <= SEEDS_OF_MUTANTS; seed++)
        if (runScenario(seed, { ...SIZE_OF_MUTANTS, broken }).violations.length > 0) return;
      assert.fail(`no violation in ${SEEDS_OF_MUTANTS} seeds`);
    });
  }

  test('the same seed gives the same run: a failure can be looked at again', () => {
    const [one, other] = [7, 7].map((seed) => runScenario(seed, { ...SIZE, runMs: 20_000 }));
    assert.deepEqual(one, other);
  });
});
