import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_UNJOURNALLED_OUTCOMES } from '@sluice/mta/dispatch';
import { skipWithoutNats } from '../harness/nats-server.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { POD_CONNECTIONS, startCluster } from '../harness/test-cluster.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats('20,000 messages of a pod that ends are sent by the others in time');
const QUEUED = 20_000;
const RUN = 'q';

test('20,000 messages of a pod that is killed are sent by the others within 30 seconds', {
  skip,
  timeout: 180_000,
}, async (context) => {
  const cluster = await startCluster(context);
  // Nothing that it begins ends before it is killed.
  const victim = await cluster.pod(await cluster.host(60_000));
  const fast = await cluster.host(0);
  const heirs = [await cluster.pod(fast), await cluster.pod(fast)];
  const got = await cluster.fill(victim, RUN, QUEUED);
  const { entries } = await readQueue(victim.admin);
  await victim.kill('SIGKILL');
  const startMs = performance.now();
  await until(
    'others send its mail',
    () => cluster.ledger.totals.delivered,
    (delivered) => delivered > 0,
    40_000,
  );
  const firstMs = performance.now() - startMs;
  const tookMs = firstMs + (await cluster.allArrived(new Map([[RUN, got]]), 60_000));
  const { accepted, duplicates } = cluster.judged(RUN, got);
  context.diagnostic(
    `${entries} of ${accepted} were queued at the victim; first message after ${Math.round(firstMs)} ms, all ${Math.round(tookMs)} ms after the kill, ${duplicates} twice`,
  );
  assert.equal(accepted, QUEUED);
  assert.ok(duplicates <= MAX_UNJOURNALLED_OUTCOMES + POD_CONNECTIONS, `${duplicates} duplicates`);
  assert.ok(tookMs <= 30_000, `all were sent after ${Math.round(tookMs)} ms`);
  for (const heir of heirs)
    await until(
      'nothing is queued',
      () => readQueue(heir.admin),
      (queue) => queue.entries === 0,
      10_000,
    );
});

test('20,000 messages of a pod that gets SIGTERM: others begin within 2 seconds, and a final dot of 90 seconds is waited for and not sent twice', {
  skip,
  timeout: 240_000,
}, async (context) => {
  const cluster = await startCluster(context);
  const leaver = await cluster.pod(await cluster.host(90_000), { drainTimeout: '120s' });
  const fast = await cluster.host(0);
  const heirs = [await cluster.pod(fast), await cluster.pod(fast)];
  const got = await cluster.fill(leaver, RUN, QUEUED);
  await until(
    'transactions are open',
    () => readQueue(leaver.admin),
    ({ lanes }) => (lanes[0]?.inFlight ?? 0) >= POD_CONNECTIONS,
    5_000,
  );
  const startMs = performance.now();
  const ended = leaver.kill('SIGTERM');
  await until(
    'others send its mail',
    () => cluster.ledger.totals.delivered,
    (delivered) => delivered > 0,
    10_000,
  );
  const firstMs = performance.now() - startMs;
  await until(
    'all but what waits for its final dot has arrived',
    () => cluster.judged(RUN, got).open,
    (open) => open <= POD_CONNECTIONS,
    30_000,
  );
  const mostMs = performance.now() - startMs;
  assert.equal(cluster.judged(RUN, got).open, POD_CONNECTIONS, 'nobody begins what is open elsewhere');
  await cluster.allArrived(new Map([[RUN, got]]), 120_000);
  assert.equal(await ended, 0);
  const tookMs = performance.now() - startMs;
  context.diagnostic(
    `first message ${Math.round(firstMs)} ms after SIGTERM, ${QUEUED - POD_CONNECTIONS} after ${Math.round(mostMs)} ms, the last final dots and the end after ${Math.round(tookMs)} ms`,
  );
  for (const heir of heirs)
    await until(
      'nothing is queued',
      () => readQueue(heir.admin),
      (queue) => queue.entries === 0,
      10_000,
    );
  const { accepted, duplicates } = cluster.judged(RUN, got);
  assert.deepEqual({ accepted, duplicates }, { accepted: QUEUED, duplicates: 0 });
  assert.ok(firstMs <= 2_000, `the first message went out after ${Math.round(firstMs)} ms`);
});
