import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_UNJOURNALLED_OUTCOMES } from '@sluice/mta/dispatch';
import { type LimitCluster, type LimitPod, startLimitCluster } from '../harness/limit-cluster.ts';
import { skipWithoutNats } from '../harness/nats-server.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats('limits hold while leaders, pods and NATS are cut off');

/** The fault lasts so long. */
const FAULT_SECONDS = 60;
const SLOTS = { connections: 6 };
const SLOTS_FINAL_DOT_MS = 100;
const RATE_PER_SECOND = 50;
/** 100 ms worth and one. */
const RATE_BURST = 6;
const HOSTS = [
  { name: 'slots', limit: SLOTS, finalDotMs: SLOTS_FINAL_DOT_MS },
  { name: 'rate', limit: { connections: 32, recipientRate: `${RATE_PER_SECOND}/s` }, finalDotMs: 2 },
];
/** A session that is not acknowledged starts nothing after this long; what it had begun ends soon. */
const HOLDS_AFTER_SECONDS = 15;
/** What a pod may send twice when it lost its session: outcomes that it could not write down, and what was in flight. */
const TWICE_PER_LOST_SESSION = MAX_UNJOURNALLED_OUTCOMES + 38;

interface Loaded {
  readonly cluster: LimitCluster;
  readonly pods: readonly LimitPod[];
}

/** Three pods that all have more mail for both hosts than they can send in `seconds`, and have shared the limits for a while. */
async function loadedPods(
  context: Parameters<typeof startLimitCluster>[0],
  seconds: number,
): Promise<Loaded> {
  const cluster = await startLimitCluster(context, HOSTS);
  const pods = await cluster.pods(3);
  const slotsPerSecond = (SLOTS.connections * 1_000) / SLOTS_FINAL_DOT_MS;
  await Promise.all(
    pods.flatMap((pod, index) => [
      cluster.mail(pod, 'slots', `s${index}`, Math.ceil((slotsPerSecond * seconds) / 2)),
      cluster.mail(pod, 'rate', `r${index}`, Math.ceil((RATE_PER_SECOND * seconds) / 2)),
    ]),
  );
  await until(
    'all pods send to both',
    () => ['s0', 's1', 's2', 'r0', 'r1', 'r2'].map((run) => deliveredOf(cluster, run)),
    (counts) => counts.every((count) => count >= 20),
    60_000,
  );
  return { cluster, pods };
}

function deliveredOf({ hosts }: LimitCluster, run: string): number {
  let sum = 0;
  for (const { sink } of hosts.values())
    sum += sink.ledger.runs.get(run)?.reduce((total, each) => total + each, 0) ?? 0;
  return sum;
}

const seconds = (count: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, count * 1_000));

/** Deliveries a second to both hosts while something lasts. */
async function pace(cluster: LimitCluster, forSeconds: number): Promise<{ slots: number; rate: number }> {
  const [fromMs, slots, rate] = [
    performance.now(),
    cluster.host('slots').delivered(),
    cluster.host('rate').delivered(),
  ];
  await seconds(forSeconds);
  const per = (performance.now() - fromMs) / 1_000;
  return {
    slots: (cluster.host('slots').delivered() - slots) / per,
    rate: (cluster.host('rate').delivered() - rate) / per,
  };
}

function assertWithin(cluster: LimitCluster): void {
  const rates = { recipientsPerSecond: RATE_PER_SECOND, burst: RATE_BURST };
  assert.deepEqual(cluster.host('rate').violations({ connections: 32, ...rates }), []);
  assert.deepEqual(cluster.host('slots').violations({ ...SLOTS, recipientsPerSecond: 1e6, burst: 0 }), []);
}

function duplicates({ hosts }: LimitCluster): number {
  return [...hosts.values()].reduce((sum, { sink }) => sum + sink.ledger.totals.duplicates, 0);
}

async function readiness({ admin }: LimitPod): Promise<string> {
  return (await fetch(`${admin}/readyz`)).text();
}

/** Sum of the series that begin so. */
async function metric({ admin }: LimitPod, name: string): Promise<number> {
  const page = await (await fetch(`${admin}/metrics`)).text();
  const lines = page.split('\n').filter((each) => each.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

test('leaders that cannot be reached for a minute: three pods go on with what they hold, at least 80 % of what is allowed, and never more', {
  skip,
  timeout: 300_000,
}, async (context) => {
  const { cluster, pods } = await loadedPods(context, FAULT_SECONDS + 60);
  const before = await pace(cluster, 10);
  for (const { link } of pods) link.drop((subject) => /\.shape\.(leader|pod)\./.test(subject));
  const during = pace(cluster, FAULT_SECONDS);
  await until(
    'a pod says that leaders do not answer',
    () => Promise.all(pods.map(readiness)),
    (bodies) => bodies.some((body) => body.includes('do not answer')),
    10_000,
  );
  const degraded = await Promise.all(pods.map((pod) => metric(pod, 'sluice_limit_shards{state="degraded"}')));
  assert.ok(Math.max(...degraded) > 0, degraded.join(' '));
  const meanwhile = await during;
  for (const { link } of pods) link.drop(() => false);
  await until(
    'leaders answer again',
    () => Promise.all(pods.map((pod) => metric(pod, 'sluice_limit_shards{state="degraded"}'))),
    (counts) => counts.every((count) => count === 0),
    10_000,
  );
  const after = await pace(cluster, 10);
  const figures = [before, meanwhile, after].map(
    ({ slots, rate }) => `${slots.toFixed(1)} by slots, ${rate.toFixed(1)} of ${RATE_PER_SECOND}/s`,
  );
  context.diagnostic(`before: ${figures[0]}; meanwhile: ${figures[1]}; after: ${figures[2]}`);
  assertWithin(cluster);
  assert.equal(duplicates(cluster), 0);
  assert.ok(meanwhile.slots >= 0.8 * before.slots, figures.join('; '));
  assert.ok(meanwhile.rate >= 0.8 * RATE_PER_SECOND, figures.join('; '));
  assert.ok(after.rate >= 0.9 * RATE_PER_SECOND, figures.join('; '));
});

test('a pod that is cut off from NATS holds after 15 seconds, the others use what it had, and nothing is exceeded when it comes back', {
  skip,
  timeout: 300_000,
}, async (context) => {
  const { cluster, pods } = await loadedPods(context, 120);
  const [pod] = pods;
  assert.ok(pod !== undefined);
  const own = (): number => deliveredOf(cluster, 's0') + deliveredOf(cluster, 'r0');
  pod.link.cut();
  const cutAtMs = performance.now();
  await seconds(HOLDS_AFTER_SECONDS + 1);
  const held = own();
  assert.match(await readiness(pod), /NATS does not acknowledge/);
  assert.equal(await metric(pod, 'sluice_limits_held'), 1);
  await seconds(14);
  assert.equal(own(), held, 'it sends nothing');
  const others = await pace(cluster, 10);
  assert.equal(own(), held, 'it sends nothing');
  pod.link.mend();
  const mendedAtMs = performance.now();
  await until('it sends again', own, (count) => count > held, 30_000);
  const backMs = performance.now() - mendedAtMs;
  const after = await pace(cluster, 10);
  context.diagnostic(
    `cut for ${Math.round((mendedAtMs - cutAtMs) / 1_000)} s; the others meanwhile: ${others.rate.toFixed(1)} of ${RATE_PER_SECOND}/s; ` +
      `sends again after ${Math.round(backMs)} ms, then ${after.rate.toFixed(1)} of ${RATE_PER_SECOND}/s; ${duplicates(cluster)} twice`,
  );
  assertWithin(cluster);
  assert.ok(duplicates(cluster) <= TWICE_PER_LOST_SESSION, `${duplicates(cluster)} twice`);
  assert.ok(others.rate >= 0.95 * RATE_PER_SECOND, `${others.rate}`);
  assert.ok(after.rate >= 0.9 * RATE_PER_SECOND, `${after.rate}`);
  assert.match(await readiness(pod), /limits are shared with other pods/);
});

test('NATS gone for a minute: every pod holds, nothing is lost or counted as an attempt, and ten seconds after its return the full rate is used', {
  skip,
  timeout: 400_000,
}, async (context) => {
  const { cluster, pods } = await loadedPods(context, 60);
  await cluster.nats.kill('SIGKILL');
  const goneAtMs = performance.now();
  await seconds(HOLDS_AFTER_SECONDS + 2);
  const all = (): number => cluster.host('slots').delivered() + cluster.host('rate').delivered();
  const held = all();
  for (const pod of pods) {
    assert.match(await readiness(pod), /NATS does not acknowledge/);
    assert.equal(await metric(pod, 'sluice_limits_held'), 1);
  }
  await seconds(FAULT_SECONDS - (performance.now() - goneAtMs) / 1_000);
  assert.equal(all(), held, 'nothing is sent');
  await cluster.nats.start();
  const backAtMs = performance.now();
  await until('mail flows', all, (count) => count > held, 30_000);
  const flowsMs = performance.now() - backAtMs;
  await seconds(Math.max(0, 10 - flowsMs / 1_000));
  const after = await pace(cluster, 5);
  context.diagnostic(
    `first mail ${Math.round(flowsMs)} ms after NATS is back; 10 s after it ${after.rate.toFixed(1)} of ${RATE_PER_SECOND}/s; ${duplicates(cluster)} twice`,
  );
  const total = (pods.length * 60 * ((SLOTS.connections * 1_000) / SLOTS_FINAL_DOT_MS + RATE_PER_SECOND)) / 2;
  await until('everything is delivered', all, (count) => count >= total, 120_000);
  assertWithin(cluster);
  assert.ok(duplicates(cluster) <= pods.length * TWICE_PER_LOST_SESSION, `${duplicates(cluster)} twice`);
  for (const pod of pods)
    assert.equal(await metric(pod, 'sluice_recipient_outcomes_total{outcome="deferred"'), 0);
  assert.ok(flowsMs <= 10_000, `first mail after ${flowsMs} ms`);
  assert.ok(after.rate >= 0.95 * RATE_PER_SECOND, `${after.rate}`);
});
