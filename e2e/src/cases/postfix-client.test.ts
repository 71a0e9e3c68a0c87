import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { PROVIDERS, startSink } from '@sluice/mta/sink';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const SMTP_SOURCE = '/usr/sbin/smtp-source';
const MESSAGES = 500;
const skip = existsSync(SMTP_SOURCE)
  ? false
  : `${SMTP_SOURCE} is not here (Debian package postfix): NOT COVERED: a client that is not ours, one command at a time`;

test('a client that does not pipeline gets its mail through: smtp-source of Postfix', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const sink = await startSink({ behaviour: PROVIDERS.plain('mx.example'), address: '127.0.0.1', port: 0 });
  const sluice = await startSluice({
    spec: { routes: [routeTo('a.example', sink)] },
    resources: { 'pool.yaml': onePool(['127.0.8.1']), 'policy.yaml': onePolicy({}) },
  });
  context.after(async () => {
    await sluice.close();
    await sink.close();
  });
  const target = `${sluice.smtp.host}:${sluice.smtp.port}`;
  await promisify(execFile)(SMTP_SOURCE, [
    ...[
      '-s',
      '10',
      '-m',
      String(MESSAGES),
      '-l',
      '4096',
      '-f',
      'news@shop.example',
      '-t',
      'somebody@a.example',
      target,
    ],
  ]);
  await until(
    'everything is delivered',
    () => sink.ledger.totals.delivered,
    (delivered) => delivered === MESSAGES,
    20_000,
  );
  assert.equal(sink.ledger.sources()[0]?.address, '127.0.8.1');
});
