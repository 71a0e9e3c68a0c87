import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, startSink } from '@sluice/mta/sink';
import { plainPlan } from '../harness/plans.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { onePool, routeTo } from '../harness/resources.ts';
import { resource, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const BACKLOG = 100_000;
const MEASURED = 3_000;
const RATE_PER_SECOND = 300;
/** Below this a ratio measures the machine, not the queue. */
const FLOOR_MS = 20;

test(`${BACKLOG} messages queued for a blocked destination leave the latency of the others alone`, {
  timeout: 300_000,
}, async (context) => {
  const sink = await startSink({
    behaviour: PROVIDERS.plain('mx.good.example'),
    address: '127.0.0.1',
    port: 0,
  });
  const sluice = await startSluice({
    spec: {
      routes: [routeTo('good.example', sink), routeTo('blocked.example', sink)],
      events: { file: 'events.jsonl' },
    },
    resources: {
      'pool.yaml': onePool(['127.0.4.1']),
      'policy.yaml': [
        resource('ShapingPolicy', 'default', {
          destinations: [
            {
              name: 'blocked',
              match: { domains: ['blocked.example'] },
              limits: [{ name: 'crawl', per: ['Domain'], recipientRate: '1/h' }],
            },
          ],
        }),
      ],
    },
  });
  context.after(async () => {
    await sluice.close();
    await sink.close();
  });
  const measure = async (run: string): Promise<number> => {
    const before = sink.ledger.totals.delivered;
    await blast({
      target: sluice.smtp,
      sessions: 4,
      ratePerSecond: RATE_PER_SECOND,
      plan: plainPlan(run, MEASURED, ['good.example']),
    });
    await until(
      'the good mail is delivered',
      () => sink.ledger.totals.delivered - before,
      (count) => count >= MEASURED,
      60_000,
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    return percentile99(agesOf(join(sluice.directory, 'events.jsonl'), run));
  };
  const idleMs = await measure('idle');
  await blast({ target: sluice.smtp, sessions: 20, plan: plainPlan('block', BACKLOG, ['blocked.example']) });
  const queue = await readQueue(sluice.admin);
  assert.ok(queue.entries >= BACKLOG - 10, `the backlog is queued: ${queue.entries}`);
  const loadedMs = await measure('loaded');
  context.diagnostic(
    `p99 from accepted to delivered: ${idleMs} ms without, ${loadedMs} ms with ${BACKLOG} messages queued elsewhere`,
  );
  assert.ok(
    loadedMs <= Math.max(FLOOR_MS, idleMs * 2),
    `p99 ${loadedMs} ms with the backlog, ${idleMs} ms without`,
  );
});

function agesOf(file: string, run: string): number[] {
  const ages: number[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (!line.includes('"delivered"') || !line.includes(`"${run}.`)) continue;
    ages.push(JSON.parse(line).ageMs);
  }
  return ages;
}

function percentile99(values: readonly number[]): number {
  assert.ok(values.length >= MEASURED * 0.99, `${values.length} delivered events were found`);
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0;
}
