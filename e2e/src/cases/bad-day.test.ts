import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { type Behaviour, Ledger, PROVIDERS, type Sink, startSink } from '@sluice/mta/sink';
import { EVENTS_FILE, oneEndEach } from '../harness/event-reader.ts';
import { HandClient } from '../harness/hand-client.ts';
import { plainPlan } from '../harness/plans.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

/** Supervisors kill after 30 s; a stop that has only to wait for a slow provider must be far below: 2 s for a silent client, 1 s for it to close. */
const STOP_WITHIN_MS = 6_000;
/** Supervisors and shells repeat themselves. */
const SIGNALS = 3;
const RETRY = { retry: { delays: ['1s'], expireAfter: '1h' } };

function temporaryDirectory(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-day-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function startProvider(
  context: TestContext,
  manners: Partial<Behaviour> = {},
  ledger = new Ledger(),
): Promise<Sink> {
  const sink = await startSink({
    behaviour: { ...PROVIDERS.plain('mx.example'), ...manners },
    address: '127.0.0.1',
    port: 0,
    ledger,
  });
  context.after(() => sink.close());
  return sink;
}

interface Place {
  readonly directory: string;
  readonly sink: Sink;
  readonly layer?: Readonly<Record<string, unknown>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

async function startAt(
  context: TestContext,
  { directory, sink, layer, spec }: Place,
): Promise<SluiceProcess> {
  const sluice = await startSluice({
    directory,
    spec: { routes: [routeTo('a.example', sink)], events: { file: EVENTS_FILE }, ...spec },
    resources: { 'pool.yaml': onePool(['127.0.10.1']), 'policy.yaml': onePolicy({ ...RETRY, ...layer }) },
  });
  context.after(() => void sluice.kill('SIGKILL'));
  return sluice;
}

async function emptyQueue(sluice: SluiceProcess, withinMs = 10_000): Promise<void> {
  await until(
    'the queue is empty',
    () => readQueue(sluice.admin),
    ({ entries }) => entries === 0,
    withinMs,
  );
}

test('a second process on the same spool says so and exits 1; the first one goes on', {
  timeout: 20_000,
}, async (context) => {
  const sink = await startProvider(context);
  const place = { directory: temporaryDirectory(context), sink };
  const first = await startAt(context, place);
  await assert.rejects(startAt(context, place), /ended with 1:[\s\S]*SLUICE_SPOOL_LOCKED/);
  await blast({ target: first.smtp, sessions: 1, plan: plainPlan('first', 10, ['a.example']) });
  await emptyQueue(first);
  assert.equal(await first.kill('SIGTERM'), 0);
});

test('a spool that cannot be used is named in the error, with what to do, and exit code 1', {
  timeout: 20_000,
}, async (context) => {
  const sink = await startProvider(context);
  const garbage = temporaryDirectory(context);
  writeFileSync(join(garbage, 'spool.sqlite'), 'this is no database, whatever its name says\n'.repeat(200));
  const folder = temporaryDirectory(context);
  mkdirSync(join(folder, 'spool.sqlite'));
  for (const directory of [garbage, folder]) {
    await assert.rejects(startAt(context, { directory, sink }), (error: Error) => {
      assert.match(error.message, /ended with 1:/);
      assert.match(error.message, /spool\.sqlite/);
      assert.match(error.message, /SLUICE_SPOOL_\w+/);
      assert.match(error.message, /cure:/);
      assert.doesNotMatch(error.message, /bug in Sluice|SLUICE_SPOOL_LOCKED/);
      return true;
    });
  }
});

test('below the minimum of free disk every client reads 452 4.3.1 and /readyz says why; lowered, mail flows', {
  timeout: 20_000,
}, async (context) => {
  const sink = await startProvider(context);
  const directory = temporaryDirectory(context);
  const spool = (minFreeBytes: string): Record<string, unknown> => ({
    spool: { type: 'SQLite', sqlite: { path: join(directory, 'spool.sqlite'), minFreeBytes } },
  });
  const full = await startAt(context, { directory, sink, spec: spool('1000Ti') });
  for (let index = 0; index < 20; index++) {
    const client = new HandClient(full.smtp);
    await client.hello();
    const [reply] = await client.ask('MAIL FROM:<s@shop.example>\r\n');
    assert.match(reply ?? '', /^452 4\.3\.1 /);
    assert.match((await client.ask('NOOP\r\n'))[0] ?? '', /^250 /, 'the session goes on');
    client.destroy();
  }
  const ready = await fetch(`${full.admin}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /spool/);
  assert.equal(await full.kill('SIGTERM'), 0);
  const lowered = await startAt(context, { directory, sink, spec: spool('1Mi') });
  const result = await blast({
    target: lowered.smtp,
    sessions: 1,
    plan: plainPlan('low', 10, ['a.example']),
  });
  assert.equal(result.accepted, 10);
  await emptyQueue(lowered);
});

test('a process that stands still for 3 s under load loses nothing, sends nothing twice, breaks no limit', {
  timeout: 20_000,
}, async (context) => {
  const sink = await startProvider(context, { finalDotMs: 10 });
  const limits = [{ name: 'site', per: ['Site'], connections: 4, recipientRate: '400/s', burst: 10 }];
  const sluice = await startAt(context, { directory: temporaryDirectory(context), sink, layer: { limits } });
  const blasting = blast({ target: sluice.smtp, sessions: 8, plan: plainPlan('stop', 1_500, ['a.example']) });
  await until(
    'mail flows',
    () => sink.ledger.totals.delivered,
    (count) => count > 100,
    5_000,
  );
  process.kill(sluice.pid, 'SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  process.kill(sluice.pid, 'SIGCONT');
  const result = await blasting;
  assert.equal(result.accepted, 1_500);
  await emptyQueue(sluice);
  assert.deepEqual(sink.ledger.totals, { delivered: 1_500, duplicates: 0 });
  assert.ok((sink.ledger.sources()[0]?.peakConnections ?? 99) <= 4);
  const busiest = Math.max(...(sink.ledger.sources()[0]?.buckets ?? [999]));
  assert.ok(busiest <= 400 / 10 + 10 + 20, `no burst to make up for the lost time: ${busiest} in 100 ms`);
});

test('SIGTERM, and twice more, under load with slow final dots: exit 0 in time, nothing lost, nothing twice', {
  timeout: 20_000,
}, async (context) => {
  const sink = await startProvider(context, { finalDotMs: 1_500 });
  const directory = temporaryDirectory(context);
  const layer = { limits: [{ name: 'site', per: ['Site'], connections: 100 }] };
  const sluice = await startAt(context, { directory, sink, layer });
  const stop = new AbortController();
  let accepted = 0;
  const blasting = blast({
    target: sluice.smtp,
    sessions: 8,
    signal: stop.signal,
    ratePerSecond: 150,
    plan: plainPlan('term', 400, ['a.example']),
    onAnswer: (_, answer) => {
      if (answer.code === 250) accepted++;
    },
  });
  await until(
    'final dots are waited for',
    () => sink.ledger.sources()[0]?.recipientsOffered ?? 0,
    (count) => count > 30,
    5_000,
  );
  // A client that never ends its message must not hold up the stop either.
  const dripping = new HandClient(sluice.smtp);
  await dripping.hello();
  await dripping.ask('MAIL FROM:<s@shop.example>\r\n');
  const startMs = performance.now();
  const ended = sluice.kill('SIGTERM');
  for (let index = 1; index < SIGNALS; index++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(sluice.pid, 'SIGTERM');
  }
  assert.equal(await ended, 0);
  assert.ok(performance.now() - startMs < STOP_WITHIN_MS, `${performance.now() - startMs} ms`);
  dripping.destroy();
  stop.abort();
  await blasting;
  const before = sink.ledger.totals.delivered;
  assert.ok(before > 30, 'open transactions ended with their final dot');
  const quick = await startProvider(context, {}, sink.ledger);
  const again = await startAt(context, { directory, sink: quick });
  await emptyQueue(again);
  assert.deepEqual(sink.ledger.totals, { delivered: accepted, duplicates: 0 });
  assert.equal(await again.kill('SIGTERM'), 0);
  await oneEndEach(directory, accepted);
});

test('a client in the middle of its message and a provider that does not answer share one grace: the stop is in time', {
  timeout: 20_000,
}, async (context) => {
  const sink = await startProvider(context, { finalDotMs: 12_000 });
  const directory = temporaryDirectory(context);
  const sluice = await startAt(context, { directory, sink, spec: { drainTimeout: '4s' } });
  await blast({ target: sluice.smtp, sessions: 1, plan: plainPlan('stuck', 2, ['a.example']) });
  await until(
    'the final dot is waited for',
    () => sink.ledger.sources()[0]?.recipientsOffered ?? 0,
    (count) => count > 0,
    5_000,
  );
  const client = new HandClient(sluice.smtp);
  await client.hello();
  await client.ask('MAIL FROM:<s@shop.example>\r\nRCPT TO:<x@a.example>\r\nDATA\r\n', 3);
  const drip = setInterval(() => client.send('x\r\n'), 500);
  const startMs = performance.now();
  assert.equal(await sluice.kill('SIGTERM'), 0);
  clearInterval(drip);
  client.destroy();
  // Half a second for a cut session to be seen by its peer, twice; the rest is for a busy machine.
  assert.ok(performance.now() - startMs < 4_000 + 2_500, `${performance.now() - startMs} ms`);
});

test('kill -9 in the middle of a message to 50: after the restart only the transaction that was open is sent twice', {
  timeout: 20_000,
}, async (context) => {
  const sink = await startProvider(context, { finalDotMs: 600 });
  const directory = temporaryDirectory(context);
  const layer = {
    session: { recipientsPerTransaction: 10 },
    limits: [{ name: 'site', per: ['Site'], connections: 1 }],
  };
  const sluice = await startAt(context, { directory, sink, layer });
  const plan = { ...plainPlan('fifty', 1, ['a.example']), recipientsPerMessage: 50 };
  assert.equal((await blast({ target: sluice.smtp, sessions: 1, plan })).accepted, 1);
  await until(
    'the third transaction is open',
    () => sink.ledger.sources()[0]?.recipientsOffered ?? 0,
    (count) => count >= 30,
    10_000,
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  await sluice.kill('SIGKILL');
  const again = await startAt(context, { directory, sink, layer });
  await emptyQueue(again);
  const times = Array.from({ length: 50 }, (_, number) => sink.ledger.timesDelivered('fifty', number));
  assert.ok(
    times.every((count) => count === 1 || count === 2),
    JSON.stringify(times),
  );
  const twice = times.filter((count) => count === 2).length;
  assert.ok(twice <= 10, `${twice} recipients got it twice; one transaction of 10 was open`);
});
