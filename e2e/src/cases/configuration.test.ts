import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, startSink } from '@sluice/mta/sink';
import { plainPlan } from '../harness/plans.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

/** Time in which a changed resource must be in force. */
const IN_FORCE_MS = 2_000;

async function configHash(admin: string): Promise<string> {
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  return /sluice_config_info\{hash="([0-9a-f]+)"\}/.exec(metrics)?.[1] ?? '';
}

test('a changed policy is in force within 2 s, without dropping a connection; a broken one changes nothing and is reported', {
  timeout: 60_000,
}, async (context) => {
  const sink = await startSink({
    behaviour: { ...PROVIDERS.plain('mx.example'), finalDotMs: 5 },
    address: '127.0.0.1',
    port: 0,
  });
  const sluice = await startSluice({
    spec: { routes: [routeTo('a.example', sink)] },
    resources: {
      'pool.yaml': onePool(['127.0.6.1']),
      'policy.yaml': onePolicy({
        limits: [{ name: 'site', per: ['Site'], connections: 1, recipientRate: '20/s' }],
      }),
    },
  });
  context.after(async () => {
    await sluice.close();
    await sink.close();
  });
  const first = await configHash(sluice.admin);
  assert.match(first, /^[0-9a-f]{64}$/);
  await blast({ target: sluice.smtp, sessions: 2, plan: plainPlan('cfg', 400, ['a.example']) });
  const delivered = (): number => sink.ledger.totals.delivered;
  const before = delivered();
  assert.ok(before < 200, `the slow limit holds mail back: ${before} delivered`);

  const changedAtMs = performance.now();
  sluice.writeResources(
    'policy.yaml',
    onePolicy({ limits: [{ name: 'site', per: ['Site'], connections: 1, recipientRate: '2000/s' }] }),
  );
  const second = await until(
    'the new configuration is in force',
    () => configHash(sluice.admin),
    (hash) => hash !== first && hash !== '',
    IN_FORCE_MS,
  );
  assert.ok(performance.now() - changedAtMs < IN_FORCE_MS);
  await until('the backlog flows', delivered, (count) => count === 400, 5_000);
  assert.equal(sink.ledger.totals.duplicates, 0);
  assert.ok(
    sink.ledger.sources()[0]?.peakConnections === 1,
    'the limit of one connection holds over the change',
  );

  writeFileSync(
    join(sluice.directory, 'resources', 'policy.yaml'),
    'apiVersion: sluice.email/v1alpha1\nkind: ShapingPolicy\nmetadata: {name: default}\nspec: {default: {limts: []}}\n',
  );
  const ready = await until(
    'the body of /readyz names the mistake',
    async () => (await fetch(`${sluice.admin}/readyz`)).text(),
    (body) => body.includes('limts'),
    IN_FORCE_MS + 1_000,
  );
  assert.match(ready, /"ready":true/, 'a broken change does not make the pod unready');
  assert.equal(await configHash(sluice.admin), second, 'the last good configuration stays in force');
  assert.ok(
    sluice.log.some((line) => line.includes('limts')),
    'the log names the mistake',
  );
  const metrics = await (await fetch(`${sluice.admin}/metrics`)).text();
  assert.match(
    metrics,
    /sluice_config_(last_)?(ok|reload_success)\S* 0/,
    'the metric says that the last reload failed',
  );
});
