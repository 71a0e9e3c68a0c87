import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, startSink } from '@sluice/mta/sink';
import { plainPlan } from '../harness/plans.ts';
import { residentBytes } from '../harness/process-usage.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { resource, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const ALLOWED_BYTES = 150_000_000;

test('10,000 messages with 100 recipients each are queued in at most 150 MB', {
  timeout: 300_000,
}, async (context) => {
  const sluice = await startSluice({
    spec: { routes: [{ domain: '*', hosts: [{ host: '127.0.0.1', port: 9 }] }] },
    resources: {
      'pool.yaml': onePool(['127.0.5.1']),
      'policy.yaml': [
        resource('ShapingPolicy', 'default', {
          default: { limits: [{ name: 'crawl', per: ['Pool'], connections: 1, connectionRate: '1/h' }] },
        }),
      ],
    },
  });
  context.after(() => sluice.close());
  const domains = Array.from({ length: 500 }, (_, number) => `d${number}.example`);
  // Warm up: code, buffers and the first heap are not what a queued message costs.
  await blast({ target: sluice.smtp, sessions: 10, plan: plainPlan('warm', 500, domains) });
  const idleBytes = residentBytes(sluice.pid);
  const result = await blast({
    target: sluice.smtp,
    sessions: 10,
    plan: { ...plainPlan('many', 10_000, domains), recipientsPerMessage: 100 },
  });
  assert.equal(result.acceptedRecipients, 1_000_000);
  const queue = await readQueue(sluice.admin);
  assert.ok(queue.entries > 500_000, `recipient groups queued: ${queue.entries}`);
  // Garbage of the reception is collected when the process has had a moment of rest.
  const growth = await until(
    `at most ${ALLOWED_BYTES} bytes above idle`,
    () => residentBytes(sluice.pid) - idleBytes,
    (bytes) => bytes <= ALLOWED_BYTES,
    30_000,
  );
  context.diagnostic(
    `1,000,000 recipients in ${queue.entries} groups: ${(growth / 1e6).toFixed(0)} MB above idle`,
  );
});

test('one message of 50 MB passes', { timeout: 120_000 }, async (context) => {
  const sink = await startSink({
    behaviour: { ...PROVIDERS.plain('mx.big.example'), extensions: ['PIPELINING', 'CHUNKING', '8BITMIME'] },
    address: '127.0.0.1',
    port: 0,
  });
  const sluice = await startSluice({
    spec: { routes: [routeTo('big.example', sink)] },
    resources: { 'pool.yaml': onePool(['127.0.5.2']), 'policy.yaml': onePolicy({}) },
  });
  context.after(async () => {
    await sluice.close();
    await sink.close();
  });
  const result = await blast({
    target: sluice.smtp,
    sessions: 1,
    plan: plainPlan('big', 1, ['big.example'], 50_000_000),
  });
  assert.equal(result.accepted, 1, result.lastRefusal);
  await until(
    'it is delivered',
    () => sink.ledger.totals.delivered,
    (delivered) => delivered === 1,
    60_000,
  );
});
