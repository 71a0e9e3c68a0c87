import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, startSink } from '@sluice/mta/sink';
import { z } from 'zod';
import { storedEvents } from '../harness/event-stream-reader.ts';
import { freePorts } from '../harness/free-ports.ts';
import { EVENT_READER, jetStreamSpool, POD_USER } from '../harness/jetstream-spec.ts';
import { skipWithoutNats, startNats } from '../harness/nats-server.ts';
import { plainPlan } from '../harness/plans.ts';
import { onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats('several workers on one host, sharing the listeners');
const WORKERS = 2;

const logLine = z.object({ msg: z.string(), worker: z.number().optional(), pid: z.number().optional() });

/** Process ids of the workers that were started, in order. */
function startedPids(log: readonly string[]): readonly { readonly worker: number; readonly pid: number }[] {
  return log.flatMap((line) => {
    const { msg, worker = 0, pid = 0 } = logLine.parse(JSON.parse(line));
    return msg === 'worker started' ? [{ worker, pid }] : [];
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function readyz(admin: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${admin}/readyz`);
  return { status: response.status, text: await response.text() };
}

/** A Sluice of several workers and a nats-server, both ended with the test. */
async function startWorkers(context: TestContext): Promise<SluiceProcess> {
  const nats = await startNats({ users: [POD_USER] });
  context.after(() => nats.close());
  const [port = 0] = await freePorts(1);
  const sluice = await startSluice({
    args: ['--workers', String(WORKERS)],
    spec: {
      listeners: {
        smtp: [{ name: 'smtp', address: `127.0.0.1:${port}`, relayNetworks: ['127.0.0.0/8'] }],
        admin: { address: '127.0.0.1:0' },
      },
      spool: jetStreamSpool([nats.url]),
    },
    resources: { 'pool.yaml': onePool(['127.0.3.2']) },
  });
  context.after(() => sluice.close());
  return sluice;
}

test('a worker that is killed is started again while the admin address answers for all; SIGTERM ends all of them', {
  skip,
  timeout: 120_000,
}, async (context) => {
  const sluice = await startWorkers(context);
  const pids = startedPids(sluice.log);
  assert.equal(pids.length, WORKERS);
  const metrics = await (await fetch(`${sluice.admin}/metrics`)).text();
  for (let worker = 1; worker <= WORKERS; worker++)
    assert.match(metrics, new RegExp(`^process_start_time_seconds\\{worker="${worker}"\\}`, 'm'));
  assert.match(metrics, /^sluice_workers\{state="ready"\} 2$/m);
  assert.equal((await fetch(`${sluice.admin}/queue/list`)).status, 200);
  assert.deepEqual(await (await fetch(`${sluice.admin}/directives`)).json(), { directives: [] });
  assert.deepEqual(await (await fetch(`${sluice.admin}/queue`)).json(), { entries: 0, lanes: [] });

  const answered = z.object({
    answers: z.array(z.object({ pod: z.object({ session: z.string() }) })),
    silent: z.array(z.string()),
  });
  for (const path of ['/activity?rows=5', '/mail?domain=a.example&sender=']) {
    const { answers } = answered.parse(await (await fetch(sluice.admin + path)).json());
    assert.equal(new Set(answers.map(({ pod }) => pod.session)).size, WORKERS, `${path}: each for itself`);
  }
  process.kill(pids[1]?.pid ?? 0, 'SIGSTOP');
  const rest = answered.parse(await (await fetch(`${sluice.admin}/activity?rows=5`)).json());
  process.kill(pids[1]?.pid ?? 0, 'SIGCONT');
  assert.equal(rest.answers.length, WORKERS - 1, 'one that hangs stops nobody');
  assert.match(rest.silent.join(), /^worker \d$/);

  process.kill(pids[0]?.pid ?? 0, 'SIGKILL');
  const degraded = await until(
    'readiness tells of the missing one',
    () => readyz(sluice.admin),
    ({ text }) => text.includes('1 of 2 workers are ready'),
    5_000,
  );
  assert.equal(degraded.status, 200, 'the other one takes mail');
  await until(
    'it is started again',
    () => startedPids(sluice.log).length,
    (count) => count === 3,
    10_000,
  );
  await until(
    'both are ready again',
    async () => (await fetch(`${sluice.admin}/metrics`)).text(),
    (text) =>
      text.includes('sluice_workers{state="ready"} 2') && text.includes('sluice_worker_restarts_total 1'),
    // A start that is so slow that the dead one is suspected by then gets its share when that is over.
    40_000,
  );
  assert.equal(await sluice.kill('SIGTERM'), 0);
  for (const { pid } of startedPids(sluice.log)) assert.equal(isAlive(pid), false);
});

test('workers do not outlive the process above them, however it ended: nobody would start or stop them', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const sluice = await startWorkers(context);
  const pids = startedPids(sluice.log);
  await sluice.kill('SIGKILL');
  await until(
    'all workers are gone',
    () => pids.filter(({ pid }) => isAlive(pid)),
    (alive) => alive.length === 0,
    30_000,
  );
});

test('mail that is accepted while workers are killed is delivered by the others, and every end is told', {
  skip,
  timeout: 180_000,
}, async (context) => {
  const nats = await startNats({ users: [POD_USER, EVENT_READER] });
  context.after(() => nats.close());
  const sink = await startSink({ behaviour: PROVIDERS.plain('mx.w.example'), address: '127.0.0.1', port: 0 });
  context.after(() => sink.close());
  const [port = 0] = await freePorts(1);
  const sluice = await startSluice({
    args: ['--workers', String(WORKERS)],
    spec: {
      listeners: {
        smtp: [{ name: 'smtp', address: `127.0.0.1:${port}`, relayNetworks: ['127.0.0.0/8'] }],
        admin: { address: '127.0.0.1:0' },
      },
      routes: [routeTo('w.example', sink)],
      spool: jetStreamSpool([nats.url]),
      events: { jetstream: {} },
    },
    resources: { 'pool.yaml': onePool(['127.0.3.2']) },
  });
  context.after(() => sluice.close());
  const accepted = new Set<string>();
  const send = (run: string, messages: number): Promise<unknown> =>
    blast({
      target: { host: '127.0.0.1', port },
      sessions: 20,
      plan: plainPlan(run, messages, ['w.example']),
      onAnswer: (message, answer) => {
        if (answer.code === 250) for (const recipient of message.recipients) accepted.add(recipient);
      },
    });
  await send('both', 1_000);
  const metrics = await (await fetch(`${sluice.admin}/metrics`)).text();
  for (let worker = 1; worker <= WORKERS; worker++)
    assert.match(
      metrics,
      new RegExp(`^sluice_accepted_messages_total\\{worker="${worker}"\\} [1-9]`, 'm'),
      'the kernel deals connections out to both',
    );
  const sending = send('kill', 3_000);
  await until(
    'mail is on its way',
    () => accepted.size,
    (size) => size > 1_200,
    20_000,
  );
  process.kill(startedPids(sluice.log)[1]?.pid ?? 0, 'SIGKILL');
  await sending;
  await until(
    'the other worker, or the new one, has sent all of it',
    async () => (await storedEvents(nats.url)).filter(({ type }) => type === 'delivered'),
    (events) => {
      const told = new Set(events.flatMap(({ recipients }) => recipients));
      return [...accepted].every((recipient) => told.has(recipient));
    },
    90_000,
  );
  assert.ok(accepted.size > 2_000, `${accepted.size} were accepted`);
  context.diagnostic(`${accepted.size} accepted, ${sink.ledger.totals.duplicates} duplicates`);
});

test('settings that several workers cannot share are refused with what to change', {
  timeout: 30_000,
}, async () => {
  await assert.rejects(
    startSluice({ args: ['--workers', '2'], spec: {}, resources: { 'pool.yaml': onePool(['127.0.3.2']) } }),
    /the spool is a file, which one process owns.*SLUICE_WORKERS_IMPOSSIBLE/,
  );
});

test('an address that is taken ends the command with its reason, with workers too: nobody would start again what hangs', {
  timeout: 60_000,
}, async (context) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  context.after(() => taken.close());
  const address = taken.address();
  assert.ok(typeof address === 'object' && address !== null);
  const listeners = {
    smtp: [{ name: 'smtp', address: `127.0.0.1:${address.port}`, relayNetworks: ['127.0.0.0/8'] }],
    admin: { address: '127.0.0.1:0' },
  };
  const resources = { 'pool.yaml': onePool(['127.0.3.2']) };
  await assert.rejects(
    startSluice({ spec: { listeners }, resources }),
    /ended with 1.*SLUICE_LISTEN_FAILED/s,
  );
  if (skip !== false) return context.diagnostic(skip);
  const nats = await startNats({ users: [POD_USER] });
  context.after(() => nats.close());
  const spec = { listeners, spool: jetStreamSpool([nats.url]) };
  await assert.rejects(
    startSluice({ args: ['--workers', '2'], spec, resources }),
    /ended with 1.*SLUICE_WORKER_FAILED/s,
  );
});
