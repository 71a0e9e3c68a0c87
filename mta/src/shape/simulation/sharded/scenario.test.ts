import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../random.ts';
import { runScenario } from './scenario.ts';
import { ShardedCluster } from './sharded-cluster.ts';

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

  test('pods that reach the store but not each other go on with what they hold: of six connections at least five are in use', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = seededRandom(seed);
      const cluster = new ShardedCluster({
        startMs: 0,
        random,
        delayMs: () => 0.2 + random() * 3,
        watchLagMs: () => 0,
        loss: 0,
        doubling: 0,
        drift: 0,
        latenessMs: () => random() * 5,
      });
      const key = cluster.addLimit('slots', { connections: 6 }, 'slots');
      const pods = [1, 2, 3].map(() => cluster.addPod());
      for (const pod of pods) {
        for (let lane = 0; lane < 6; lane++) {
          pod.addLane({
            keys: cluster.keySet([key]),
            watches: cluster.watchesOf([key]),
            priority: 0,
            recipients: () => 1,
            messagesPerConnection: 20,
            transactionMs: () => 100,
            fromMs: pod.process.nowMs,
            untilMs: Number.POSITIVE_INFINITY,
          });
        }
      }
      cluster.agenda.runUntil(20_000);
      for (const pod of pods) cluster.cutFromPods(pod, 60_000);
      for (let second = 25; second < 80; second += 5) {
        cluster.agenda.runUntil(second * 1_000 + 500);
        const used = cluster.watches.get(key.id)?.connections ?? 0;
        assert.ok(used >= 5, `seed ${seed}: ${used} after ${second} s`);
      }
      cluster.agenda.runUntil(100_000);
      assert.equal(cluster.watches.get(key.id)?.connections, 6);
      assert.deepEqual(cluster.violations(), []);
    }
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
