import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OwnerRules } from '../owner-command.ts';
import type { FaultName } from './faults.ts';
import type { PodRules } from './pod.ts';
import { runScenario } from './scenario.ts';

const STEPS = 400;
const SEEDS = 15;
/** A rule that is switched off must be noticed within so many seeds. */
const MUTATION_SEEDS = 100;

describe('simulated clusters of pods on JetStream', () => {
  test('no accepted mail is lost, no duplicate is unexplained, every segment finds an owner, whatever fails', () => {
    let duplicates = 0;
    let faults = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = runScenario({ seed, steps: STEPS });
      assert.deepEqual(outcome.violations, [], `seed ${seed}`);
      duplicates += outcome.duplicates;
      faults += outcome.faults;
    }
    assert.ok(faults > SEEDS, 'the simulator must cause trouble');
    assert.ok(duplicates > 0, 'owners that are lost with mail in flight cause duplicates');
  });

  test('after a power loss only mail whose entries were rolled back is missing', () => {
    let lost = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = runScenario({ seed, steps: STEPS, powerLoss: true });
      assert.deepEqual(outcome.violations, [], `seed ${seed}`);
      lost += outcome.lostToRollback;
    }
    assert.ok(lost > 0, 'a power loss that loses nothing is none');
  });

  test('a seed gives the same run again, so that what it found can be looked at', () => {
    assert.deepEqual(runScenario({ seed: 7, steps: STEPS }), runScenario({ seed: 7, steps: STEPS }));
  });

  const podMutations: readonly (readonly [keyof PodRules, string])[] = [
    ['endsOwnSession', 'a stopped process that goes on as if nothing was sends twice'],
    ['provesSilence', 'a watch that was cut off makes living sessions look dead'],
  ];
  for (const [rule, title] of podMutations) {
    test(`the simulator notices: ${title}`, () => {
      const isNoticed = (seed: number): boolean =>
        runScenario({ seed, steps: STEPS, podRules: { [rule]: false } }).violations.length > 0;
      assert.ok(
        Array.from({ length: MUTATION_SEEDS }, (_, index) => index + 1).some(isNoticed),
        `runs without the rule '${rule}' went well`,
      );
    });
  }

  const mutations: readonly (readonly [keyof OwnerRules, string, (readonly FaultName[])?])[] = [
    ['expectsLastSequence', 'appends that expect nothing let an old owner write'],
    ['readsAfterTimeout', 'a time-out that counts as success loses outcomes'],
    ['awaitsMarkers', 'a replay that stops at an empty page misses mail', ['drain']],
    ['sweeps', 'without a look at old epochs the late publish of a stopped owner is lost', ['pause']],
    ['purgesOnlySwept', 'a purge beyond what was looked at deletes late publishes'],
    ['retiresAfterMoved', 'an original that goes before its move is journalled is lost'],
    ['awaitsHandover', 'what a draining owner still sends is sent twice if nobody waits for it'],
    ['recordsStartsOfAdopted', 'a message that ends its process at once ends every other one too', ['drain']],
  ];
  for (const [rule, title, only] of mutations) {
    test(`the simulator notices: ${title}`, () => {
      for (let seed = 1; seed <= MUTATION_SEEDS; seed++) {
        const outcome = runScenario({ seed, steps: STEPS, rules: { [rule]: false }, ...(only && { only }) });
        if (outcome.violations.length > 0) return;
      }
      assert.fail(
        `${MUTATION_SEEDS} runs without the rule '${rule}' went well: the simulator does not see it`,
      );
    });
  }
});
