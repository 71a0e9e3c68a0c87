import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Bounds } from '@sluice/crds';
import { SimulatedCluster } from './cluster.ts';
import { seededRandom } from './random.ts';

const SEEDS = 60;
const RUN_MS = 120_000;
const START_MS = 1_000_000;
/** No lane may wait longer than this in a simulated cluster with the loads below; what it really is depends on load and bounds. */
const LONGEST_WAIT_MS = 90_000;

const perSecond = (count: number): { count: number; periodMs: number } => ({ count, periodMs: 1_000 });

function randomBounds(random: () => number): Bounds {
  const pick = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1));
  return {
    connections: pick(1, 6),
    ...(random() < 0.3 ? { connectionRate: perSecond(pick(1, 20)) } : {}),
    ...(random() < 0.7 ? { recipientRate: perSecond(pick(2, 200)) } : {}),
    ...(random() < 0.3 ? { messageRate: perSecond(pick(1, 50)) } : {}),
    ...(random() < 0.2 ? { byteRate: perSecond(pick(500, 50_000)) } : {}),
    ...(random() < 0.3 ? { burst: pick(1, 30) } : {}),
  };
}

/** A cluster that the seed determines: limits, pods, lanes, delays, and perhaps a death. */
function randomCluster(seed: number): SimulatedCluster {
  const random = seededRandom(seed);
  const delayMs = random() < 0.3 ? () => 0 : () => random() * 20;
  const cluster = new SimulatedCluster(START_MS, delayMs, () => random() * 5);
  cluster.addLimit('source', { connections: 2 + Math.floor(random() * 10) }, true);
  cluster.addLimit('tenant', randomBounds(random), true);
  for (const site of ['a', 'b', 'c']) cluster.addLimit(site, randomBounds(random));
  const pods = 1 + Math.floor(random() * 4);
  for (let number = 0; number < pods; number++) {
    const pod = cluster.addPod(`pod-${number}`);
    const lanes = 1 + Math.floor(random() * 4);
    for (let lane = 0; lane < lanes; lane++) {
      const ids = [['a', 'b', 'c'][Math.floor(random() * 3)] ?? 'a'];
      if (random() < 0.6) ids.push('source');
      if (random() < 0.3) ids.push('tenant');
      pod.addLane({
        keys: cluster.keySet(ids),
        watches: cluster.watchesOf(ids),
        priority: 0,
        recipients: random() < 0.1 ? () => 1 + Math.floor(random() * 40) : () => 1,
        messagesPerConnection: 1 + Math.floor(random() * 5),
        transactionMs: () => random() * 200,
        fromMs: START_MS + random() * 10_000,
        untilMs: START_MS + (random() < 0.3 ? random() : 1) * RUN_MS,
      });
    }
  }
  if (pods > 1 && random() < 0.5) {
    cluster.agenda.at(START_MS + random() * RUN_MS * 0.5, () => cluster.kill('pod-0', 20_000));
  }
  return cluster;
}

describe('simulated clusters', () => {
  for (const [pods, loaded, rate] of [
    [1, 1, 10],
    [3, 1, 10],
    [3, 3, 10],
    [10, 10, 100],
  ] as const) {
    test(`${loaded} of ${pods} pods with mail use at least 95 % of ${rate}/s, in equal parts`, () => {
      const random = seededRandom(1);
      const cluster = new SimulatedCluster(
        START_MS,
        () => random() * 10,
        () => random() * 10,
      );
      cluster.addLimit('k', { recipientRate: perSecond(rate) });
      for (let number = 0; number < pods; number++) {
        const pod = cluster.addPod(`pod-${number}`);
        if (number >= loaded) continue;
        pod.addLane({
          keys: cluster.keySet(['k']),
          watches: cluster.watchesOf(['k']),
          priority: 0,
          recipients: () => 1,
          messagesPerConnection: Number.POSITIVE_INFINITY,
          transactionMs: () => 0.5,
          fromMs: START_MS,
          untilMs: Number.POSITIVE_INFINITY,
        });
      }
      cluster.agenda.runUntil(START_MS + RUN_MS);
      const allowed = (rate * RUN_MS) / 1_000;
      const sent = [...cluster.pods.values()].map((pod) => pod.lanes[0]?.sent ?? 0);
      const total = sent.reduce((sum, each) => sum + each, 0);
      assert.ok(total >= 0.95 * allowed, `used ${total} of ${allowed}`);
      assert.ok(Math.min(...sent.slice(0, loaded)) >= (0.8 * allowed) / loaded, `by pod: ${sent.join(' ')}`);
      assert.deepEqual(cluster.violations(), []);
    });
  }

  test('what a provider allows is never exceeded, whatever pods, delays, loads and deaths there are', () => {
    let used = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const cluster = randomCluster(seed);
      cluster.agenda.runUntil(START_MS + RUN_MS);
      assert.deepEqual(cluster.violations(), [], `seed ${seed}`);
      for (const watch of cluster.watches.values()) used += watch.used;
    }
    assert.ok(used > 10_000, `the simulation must carry mail, carried ${used}`);
  });

  test('no lane of a living pod waits for ever', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const cluster = randomCluster(seed);
      cluster.agenda.runUntil(START_MS + RUN_MS);
      for (const [name, pod] of cluster.pods) {
        if (!pod.alive) continue;
        for (const lane of pod.lanes) {
          const open = lane.waitingSinceMs === undefined ? 0 : cluster.agenda.nowMs - lane.waitingSinceMs;
          const waited = Math.max(lane.longestWaitMs, open);
          assert.ok(waited <= LONGEST_WAIT_MS, `seed ${seed}: a lane of ${name} waited ${waited} ms`);
        }
      }
    }
  });

  test('mail that needs four exhausted limits at once goes too, though four pods take turns on each of them', () => {
    const random = seededRandom(1);
    const slowMs = 5_000;
    const cluster = new SimulatedCluster(
      START_MS,
      () => random() * 20,
      () => random() * 5,
    );
    cluster.addLimit('slow', { messageRate: { count: 1, periodMs: slowMs } });
    cluster.addLimit('site', { recipientRate: perSecond(2), burst: 1 });
    cluster.addLimit('group', { messageRate: perSecond(1), burst: 1 });
    cluster.addLimit('tenant', { recipientRate: perSecond(3), burst: 1 }, true);
    const all = ['slow', 'site', 'group', 'tenant'];
    for (let number = 0; number < 4; number++) {
      const pod = cluster.addPod(`pod-${number}`);
      for (const ids of [all, ['slow'], ['site'], ['group', 'tenant'], ['tenant']]) {
        pod.addLane({
          keys: cluster.keySet(ids),
          watches: cluster.watchesOf(ids),
          priority: 0,
          recipients: () => 1,
          messagesPerConnection: Number.POSITIVE_INFINITY,
          transactionMs: () => random() * 100,
          fromMs: START_MS,
          untilMs: Number.POSITIVE_INFINITY,
        });
      }
    }
    const runMs = 600_000;
    cluster.agenda.runUntil(START_MS + runMs);
    // Eight lanes share the slow limit: each should have its turn once in eight periods. Four times that is the worst we accept.
    const sent = [...cluster.pods.values()].map((pod) => pod.lanes[0]?.sent ?? 0);
    assert.ok(Math.min(...sent) >= runMs / (8 * slowMs) / 4, `by pod: ${sent.join(' ')}`);
    assert.deepEqual(cluster.violations(), []);
  });

  test('the same seed gives the same run: a failure can be looked at again', () => {
    const sent = [7, 7].map((seed) => {
      const cluster = randomCluster(seed);
      cluster.agenda.runUntil(START_MS + 20_000);
      return [...cluster.pods.values()].flatMap((pod) => pod.lanes.map((lane) => lane.sent));
    });
    assert.deepEqual(sent[0], sent[1]);
  });
});
