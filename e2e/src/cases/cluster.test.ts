import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_UNJOURNALLED_OUTCOMES } from '@sluice/mta/dispatch';
import { skipWithoutNats } from '../harness/nats-server.ts';
import { readQueue } from '../harness/queue-reader.ts';
import type { SluiceProcess } from '../harness/sluice-process.ts';
import { POD_CONNECTIONS, startCluster } from '../harness/test-cluster.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats(
  'several pods share one NATS: mail of a pod that ends is sent by the others',
);

const RUN = 'c';
/** Of the ring. */
const SEGMENTS = 256;

function queued(pod: SluiceProcess): Promise<number> {
  return readQueue(pod.admin).then(({ entries }) => entries);
}

test('the mail of a pod that is killed is sent by another one within 30 seconds', {
  skip,
  timeout: 90_000,
}, async (context) => {
  const cluster = await startCluster(context);
  const victim = await cluster.pod(await cluster.host(5_000));
  const heir = await cluster.pod(await cluster.host(0));
  const got = await cluster.fill(victim, RUN, 3_000);
  const other = await cluster.fill(heir, 'd', 200);
  await cluster.allArrived(new Map([['d', other]]), 10_000);
  assert.ok((await queued(victim)) > 2_500, 'it had something to lose');
  await victim.kill('SIGKILL');
  const tookMs = await cluster.allArrived(new Map([[RUN, got]]), 30_000);
  const { accepted, duplicates } = cluster.judged(RUN, got);
  assert.ok(duplicates <= MAX_UNJOURNALLED_OUTCOMES + POD_CONNECTIONS, `${duplicates} duplicates`);
  context.diagnostic(
    `${accepted} messages, all sent ${Math.round(tookMs)} ms after the kill, ${duplicates} twice`,
  );
});

test('a pod that was killed and starts again under its name takes its mail up at once: nobody waits for 20 seconds for its own death', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const cluster = await startCluster(context);
  const hostname = 'mail-0.example';
  const killed = await cluster.pod(await cluster.host(5_000), { hostname });
  const got = await cluster.fill(killed, RUN, 500);
  await killed.kill('SIGKILL');
  const startMs = performance.now();
  const again = await cluster.pod(await cluster.host(0), { hostname });
  const later = await cluster.fill(again, 'l', 20);
  const acceptsMs = performance.now() - startMs;
  await cluster.allArrived(
    new Map([
      [RUN, got],
      ['l', later],
    ]),
    20_000,
  );
  const { accepted, duplicates } = cluster.judged(RUN, got);
  assert.equal(accepted + cluster.judged('l', later).accepted, 520);
  assert.ok(duplicates <= MAX_UNJOURNALLED_OUTCOMES + POD_CONNECTIONS, `${duplicates} duplicates`);
  assert.ok(acceptsMs < 15_000, `it took mail after ${Math.round(acceptsMs)} ms`);
  context.diagnostic(
    `mail is taken ${Math.round(acceptsMs)} ms after the new process was started, ${duplicates} duplicates`,
  );
});

test('after SIGTERM others send the mail of a pod within 2 seconds, and what waits for its final dot is not sent twice', {
  skip,
  timeout: 90_000,
}, async (context) => {
  const cluster = await startCluster(context);
  const leaver = await cluster.pod(await cluster.host(20_000));
  const heir = await cluster.pod(await cluster.host(0));
  const got = await cluster.fill(leaver, RUN, 2_000);
  await until(
    'transactions are open',
    () => readQueue(leaver.admin),
    ({ lanes }) => (lanes[0]?.inFlight ?? 0) >= POD_CONNECTIONS,
    5_000,
  );
  const before = cluster.ledger.totals.delivered;
  const startMs = performance.now();
  const ended = leaver.kill('SIGTERM');
  await until(
    'others send its mail',
    () => cluster.ledger.totals.delivered,
    (count) => count > before,
    10_000,
  );
  const firstMs = performance.now() - startMs;
  await cluster.allArrived(new Map([[RUN, got]]), 40_000);
  assert.equal(await ended, 0);
  // Its half, and the other half once: while the leaver drains nobody keeps a share free for it.
  const metrics = await (await fetch(`${heir.admin}/metrics`)).text();
  const adoptions = Number(/^sluice_cluster_adoptions_total (\d+)$/m.exec(metrics)?.[1]);
  assert.ok(adoptions >= SEGMENTS && adoptions < SEGMENTS + 20, `${adoptions} adoptions`);
  await until(
    'nothing is queued',
    () => queued(heir),
    (entries) => entries === 0,
    10_000,
  );
  assert.equal(cluster.judged(RUN, got).duplicates, 0);
  assert.ok(firstMs <= 2_000, `the first message went out after ${Math.round(firstMs)} ms`);
  context.diagnostic(`first message ${Math.round(firstMs)} ms after SIGTERM`);
});

test('pods go from three to one and back to three under load: nothing is stranded', {
  skip,
  timeout: 120_000,
}, async (context) => {
  const cluster = await startCluster(context);
  const slow = await cluster.host(40);
  const first = await cluster.pod(slow);
  const [second, third] = await Promise.all([cluster.pod(slow), cluster.pod(slow)]);
  // One after the other: a run's answers come to one array.
  const runs = new Map<string, Uint8Array>();
  const load = async (run: string, pod: SluiceProcess, messages: number): Promise<void> => {
    runs.set(run, await cluster.fill(pod, run, messages, 400));
  };
  await Promise.all([load('a1', first, 600), load('b1', second, 600), load('c1', third, 600)]);
  const alone = load('a2', first, 2_000);
  await second.kill('SIGTERM');
  await third.kill('SIGTERM');
  const again = await Promise.all([cluster.pod(slow), cluster.pod(slow)]);
  await alone;
  await Promise.all(again.map((pod, index) => load(`d${index}`, pod, 200)));
  await cluster.allArrived(runs, 60_000);
  let accepted = 0;
  for (const [run, got] of runs) {
    const judged = cluster.judged(run, got);
    accepted += judged.accepted;
    assert.equal(judged.duplicates, 0, run);
  }
  assert.equal(accepted, 1_800 + 2_000 + 400);
});

test('a pod that is stopped for longer than its session gives up its mail when it goes on: nothing is lost, little is sent twice', {
  skip,
  timeout: 120_000,
}, async (context) => {
  const cluster = await startCluster(context);
  const victim = await cluster.pod(await cluster.host(3_000));
  const heir = await cluster.pod(await cluster.host(0));
  const got = await cluster.fill(victim, RUN, 2_000);
  assert.ok((await queued(victim)) > 1_500, 'it had something to lose');
  process.kill(victim.pid, 'SIGSTOP');
  const runs = new Map([[RUN, got]]);
  try {
    const others = await cluster.fill(heir, 'o', 300, 100);
    runs.set('o', others);
    // The heir has everything but what is on its way in the sockets of the stopped one.
    await until(
      'another pod sends its mail',
      () => cluster.judged(RUN, got).open,
      (open) => open <= POD_CONNECTIONS,
      40_000,
    );
  } finally {
    process.kill(victim.pid, 'SIGCONT');
  }
  // It takes mail again at once, but not into what it had before: that would be in its queue twice once it is adopted again.
  // Its host takes three seconds for each of them.
  const again = await cluster.fill(victim, 'w', 100, 100);
  runs.set('w', again);
  await cluster.allArrived(runs, 60_000);
  assert.equal(cluster.judged('w', again).duplicates, 0);
  const { duplicates } = cluster.judged(RUN, got);
  assert.ok(duplicates <= MAX_UNJOURNALLED_OUTCOMES + POD_CONNECTIONS, `${duplicates} duplicates`);
  await until(
    'it has nothing queued',
    () => queued(victim),
    (entries) => entries === 0,
    10_000,
  );
  // It takes part again, with a new session.
  await until(
    'it is ready',
    async () => (await fetch(`${victim.admin}/readyz`)).status,
    (status) => status === 200,
    30_000,
  );
  runs.set('v', await cluster.fill(victim, 'v', 20));
  await cluster.allArrived(runs, 90_000);
  context.diagnostic(`${duplicates} duplicates`);
});

test('NATS is gone for a moment while two pods work: both go on with what they had', {
  skip,
  timeout: 120_000,
}, async (context) => {
  const cluster = await startCluster(context);
  const slow = await cluster.host(100);
  const pods = [await cluster.pod(slow), await cluster.pod(slow)];
  const runs = new Map<string, Uint8Array>();
  for (const [index, pod] of pods.entries())
    runs.set(`x${index}`, await cluster.fill(pod, `x${index}`, 1_000));
  await cluster.nats.kill('SIGKILL');
  for (const pod of pods)
    assert.equal((await fetch(`${pod.admin}/livez`)).status, 200, 'a pod is not restarted because of NATS');
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await cluster.nats.start();
  for (const pod of pods)
    await until(
      'it is ready',
      async () => (await fetch(`${pod.admin}/readyz`)).status,
      (status) => status === 200,
      20_000,
    );
  for (const [index, pod] of pods.entries()) runs.set(`y${index}`, await cluster.fill(pod, `y${index}`, 200));
  await cluster.allArrived(runs, 40_000);
  let accepted = 0;
  for (const [run, got] of runs) {
    const judged = cluster.judged(run, got);
    accepted += judged.accepted;
    assert.equal(judged.duplicates, 0, run);
  }
  assert.equal(accepted, 2_400);
});
