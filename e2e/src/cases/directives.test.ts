import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, type Sink, startSink } from '@sluice/mta/sink';
import { EVENTS_FILE, readEvents } from '../harness/event-reader.ts';
import { plainPlan } from '../harness/plans.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const MAIN = fileURLToPath(import.meta.resolve('@sluice/mta/main'));
const SOURCES = ['127.0.9.21', '127.0.9.22'];

/** `sluice …` as an operator runs it, against this MTA. */
async function sluiceCommand(sluice: SluiceProcess, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(MAIN, [...args, '--admin', new URL(sluice.admin).host], {
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` },
  });
  return stdout;
}

async function startPair(
  context: TestContext,
  layer: Readonly<Record<string, unknown>>,
  behaviour = PROVIDERS.plain('mx.good.example'),
): Promise<{ readonly sink: Sink; readonly sluice: SluiceProcess; readonly spec: Record<string, unknown> }> {
  const sink = await startSink({ behaviour, address: '127.0.0.1', port: 0 });
  context.after(() => sink.close());
  const spec = { events: { file: EVENTS_FILE }, routes: [routeTo('a.example', sink)] };
  const sluice = await startSluice({
    spec,
    resources: { 'pool.yaml': onePool(SOURCES), 'policy.yaml': onePolicy(layer) },
  });
  context.after(() => sluice.close());
  return { sink, sluice, spec };
}

const send = (sluice: SluiceProcess, run: string, messages: number) =>
  blast({ target: sluice.smtp, plan: plainPlan(run, messages, ['a.example']), sessions: 4 });

test('an operator holds mail, looks at it, restarts the MTA, and releases it: nothing left meanwhile, all of it afterwards', async (context) => {
  const { sink, sluice, spec } = await startPair(context, {});
  const rehearsal = await sluiceCommand(sluice, 'hold', '--domain', 'a.example', '--dry-run');
  assert.match(rehearsal, /would touch 0 queued recipient groups/);
  await sluiceCommand(sluice, 'hold', '--domain', 'a.example', '--reason', 'wrong link');
  await until(
    'it is obeyed',
    async () => JSON.parse(await sluiceCommand(sluice, 'directives', '--json')),
    ({ directives }) => directives.length === 1,
    5_000,
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  await send(sluice, 'held', 50);
  assert.match(await sluiceCommand(sluice, 'queue', 'list', '--by', 'domain'), /^a\.example +50 /m);
  assert.equal(sink.ledger.totals.delivered, 0);
  await sluice.kill('SIGTERM');
  const again = await startSluice({ spec, resources: {}, directory: sluice.directory });
  context.after(() => again.close());
  assert.match(
    await sluiceCommand(again, 'directives'),
    /^hold +domain=a\.example +operator .* wrong link$/m,
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(sink.ledger.totals.delivered, 0, 'held over the restart');
  assert.match(await sluiceCommand(again, 'release', '--domain', 'a.example'), /1 ended/);
  await until(
    'all is delivered',
    () => sink.ledger.totals.delivered,
    (delivered) => delivered === 50,
    10_000,
  );
});

test('a provider that says TSS04 is left alone by the source it speaks of, within a second of the fifth reply, and the event says why', async (context) => {
  const reactions = [
    {
      name: 'tss04',
      match: { codes: [421], text: '\\[TSS04\\]' },
      trigger: { count: 5, within: '1h', per: ['Source', 'Site'] },
      actions: [{ type: 'Suspend', suspend: { per: ['Source', 'Site'], for: '4s' } }],
    },
  ];
  const limits = [{ name: 'source-site', per: ['Source', 'Site'], connections: 5 }];
  const { sink, sluice } = await startPair(
    context,
    { reactions, limits, retry: { delays: ['1s'] } },
    PROVIDERS.yahoo('mta5.yahoo.example'),
  );
  await send(sluice, 'storm', 2_000);
  const events = await until(
    'a reaction went off',
    () => readEvents(sluice.directory).filter(({ type }) => type === 'reacted'),
    (reacted) => reacted.length > 0,
    20_000,
  );
  const [first] = events;
  assert.equal(first?.reaction, 'tss04');
  assert.match(first?.reply?.text ?? '', /TSS04/);
  assert.match(first?.directives?.[0] ?? '', /^reaction suspend source=127\.0\.9\.2[12],site=/);
  const metrics = await (await fetch(`${sluice.admin}/metrics`)).text();
  assert.match(
    metrics,
    /sluice_reaction_hits_total\{reaction="tss04",group="",code="421",went_off="true"\} [1-9]/,
  );
  await until(
    'the suspension ends by itself',
    async () => JSON.parse(await sluiceCommand(sluice, 'directives', '--json')),
    ({ directives }) => directives.length === 0,
    20_000,
  );
  await sluice.kill('SIGTERM');
  const told = readEvents(sluice.directory).filter(({ type }) => type === 'delivered');
  assert.equal(told.length, sink.ledger.totals.delivered, 'what was taken is told, and nothing else');
  assert.equal(sink.ledger.totals.duplicates, 0);
});
