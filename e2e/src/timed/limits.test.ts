import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, type Sink, startSink } from '@sluice/mta/sink';
import { plainPlan } from '../harness/plans.ts';
import { emptyQueue } from '../harness/queue-reader.ts';
import { loopbackSources, onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { resource, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';
import { type AllowedRate, limitViolations } from '../judge/limit-check.ts';

const ALLOWED: AllowedRate = { connections: 3, recipientsPerSecond: 100, burst: 10 };
const LIMITS = [
  { name: 'source-site', per: ['Source', 'Site'], connections: 3, recipientRate: '100/s', burst: 10 },
];

async function slowSink(): Promise<Sink> {
  return startSink({
    behaviour: { ...PROVIDERS.plain('mx.slow.example'), finalDotMs: 15 },
    address: '127.0.0.1',
    port: 0,
  });
}

interface Case {
  readonly title: string;
  readonly resources: Readonly<Record<string, readonly unknown[]>>;
  readonly addresses: readonly string[];
}

const cases: readonly Case[] = [
  {
    title: 'one source: the provider never sees more than the policy allows',
    resources: { 'pool.yaml': onePool(['127.0.2.1']), 'policy.yaml': onePolicy({ limits: LIMITS }) },
    addresses: ['127.0.2.1'],
  },
  {
    title: 'two sources: each has the limit for itself, and both are used',
    resources: {
      'pool.yaml': onePool(['127.0.2.1', '127.0.2.2']),
      'policy.yaml': onePolicy({ limits: LIMITS }),
    },
    addresses: ['127.0.2.1', '127.0.2.2'],
  },
  {
    title: 'one source address in two pools is one address to the provider: the pools share its limit',
    resources: {
      'pool.yaml': [
        resource('EgressPool', 'odd', {
          match: [{ name: 'odd', recipientDomains: ['odd.example'] }],
          sources: loopbackSources(['127.0.2.1']),
        }),
        resource('EgressPool', 'even', {
          match: [{ name: 'even', recipientDomains: ['even.example'] }],
          sources: loopbackSources(['127.0.2.1']),
        }),
      ],
      'policy.yaml': onePolicy({ limits: LIMITS }),
    },
    addresses: ['127.0.2.1'],
  },
];

for (const { title, resources, addresses } of cases) {
  test(title, { timeout: 120_000 }, async (context) => {
    const sink = await slowSink();
    const sluice = await startSluice({
      spec: { routes: [routeTo('odd.example', sink), routeTo('even.example', sink)] },
      resources,
    });
    context.after(async () => {
      await sluice.close();
      await sink.close();
    });
    const messages = 800 * addresses.length;
    const startMs = performance.now();
    const result = await blast({
      target: sluice.smtp,
      sessions: 10,
      plan: plainPlan('limits', messages, ['odd.example', 'even.example']),
    });
    assert.equal(result.accepted, messages);
    await until(
      'everything is delivered',
      () => sink.ledger.totals.delivered,
      (delivered) => delivered >= messages,
      60_000,
    );
    const seconds = (performance.now() - startMs) / 1000;

    assert.equal(sink.ledger.totals.duplicates, 0);
    const record = { name: 'slow', domain: 'odd.example', messages, sources: sink.ledger.sources() };
    assert.deepEqual(limitViolations(record, ALLOWED), []);
    assert.deepEqual(record.sources.map((source) => source.address).sort(), [...addresses]);
    const rate = messages / seconds / addresses.length;
    assert.ok(
      rate > ALLOWED.recipientsPerSecond * 0.85,
      `the limit is used: ${rate.toFixed(1)} of 100/s per source`,
    );
    await emptyQueue(sluice.admin, 5_000);
  });
}
