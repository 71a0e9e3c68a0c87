import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { jetstreamManager } from '@nats-io/jetstream';
import { blast } from '@sluice/mta/blast';
import { MAX_UNJOURNALLED_OUTCOMES } from '@sluice/mta/dispatch';
import { PROVIDERS, startSink } from '@sluice/mta/sink';
import { openNats } from '@sluice/mta/spool';
import { EVENTS_FILE, readEvents } from '../harness/event-reader.ts';
import { storedEvents } from '../harness/event-stream-reader.ts';
import { EVENT_READER, jetStreamSpool, POD_USER } from '../harness/jetstream-spec.ts';
import { killUnderLoad } from '../harness/kill-rounds.ts';
import { skipWithoutNats, startNats } from '../harness/nats-server.ts';
import { plainPlan } from '../harness/plans.ts';
import { residentBytes } from '../harness/process-usage.ts';
import { emptyQueue, readQueue } from '../harness/queue-reader.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { type SluiceSetup, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const MAIN = fileURLToPath(import.meta.resolve('@sluice/mta/main'));
const SEED = 20_261_124;
const CONNECTIONS = 20;
const DOMAIN = 'events.example';
const skip = await skipWithoutNats(
  'no terminal event is missing after a crash, and memory is bounded without NATS',
);

const resources = {
  'pool.yaml': onePool(['127.0.3.9']),
  'policy.yaml': onePolicy({
    retry: { delays: ['1s'], expireAfter: '1h' },
    // The pod's own: of a limit of all pods the slots of a killed one are free after 20 s only.
    limits: [{ name: 'source-site', per: ['Source', 'Site'], scope: 'Pod', connections: CONNECTIONS }],
  }),
};

async function sinkOf(context: TestContext, finalDotMs: number) {
  const sink = await startSink({
    behaviour: {
      ...PROVIDERS.plain('mx.events.example'),
      finalDotMs,
      unknownUsers: { perMille: 200, reply: '550 5.1.1 No such user here' },
    },
    address: '127.0.0.1',
    port: 0,
  });
  context.after(() => sink.close());
  return sink;
}

/** Kills a pod again and again under load, lets the last one finish; resolves with every recipient that got a 250. */
async function killAgainAndAgain(setup: SluiceSetup, kills: number): Promise<ReadonlySet<string>> {
  const accepted = new Set<string>();
  await killUnderLoad({ setup, kills, seed: SEED, domain: DOMAIN }, (_round, message) => {
    for (const recipient of message.recipients) accepted.add(recipient);
  });
  const last = await startSluice(setup);
  await emptyQueue(last.admin, 60_000);
  await last.close();
  return accepted;
}

const TERMINAL = new Set(['delivered', 'bounced', 'expired']);

/** Every accepted recipient has a terminal fact, and never two that differ; more of the same are of mail that was sent twice. */
function oneFactEach(
  accepted: ReadonlySet<string>,
  events: readonly { readonly type: string; readonly recipients: readonly string[] }[],
): { readonly repeated: number } {
  const facts = new Map<string, Set<string>>();
  let repeated = 0;
  for (const { type, recipients } of events) {
    if (!TERMINAL.has(type)) continue;
    for (const recipient of recipients) {
      const known = facts.get(recipient);
      if (known === undefined) facts.set(recipient, new Set([type]));
      else {
        repeated++;
        known.add(type);
      }
    }
  }
  const missing = [...accepted].filter((recipient) => !facts.has(recipient));
  assert.equal(missing.length, 0, `no terminal event of ${missing.length}: ${missing.slice(0, 5)}`);
  const torn = [...facts].filter(([, types]) => types.size > 1);
  assert.deepEqual(torn, [], 'one recipient, two different ends');
  return { repeated };
}

test('a pod that is killed again and again leaves no message without its terminal event in the stream', {
  skip,
  timeout: 120_000,
}, async (context) => {
  const nats = await startNats({ users: [POD_USER, EVENT_READER] });
  context.after(() => nats.close());
  const sink = await sinkOf(context, 5);
  // It costs the 20 seconds after which the next process may take over.
  const kills = 1;
  const accepted = await killAgainAndAgain(
    {
      spec: {
        routes: [routeTo(DOMAIN, sink)],
        spool: jetStreamSpool([nats.url]),
        events: { jetstream: {} },
      },
      resources,
    },
    kills,
  );
  assert.ok(accepted.size > kills * 20, `the test had something to lose: ${accepted.size} were accepted`);
  const { repeated } = oneFactEach(accepted, await storedEvents(nats.url));
  assert.ok(repeated <= kills * (MAX_UNJOURNALLED_OUTCOMES + CONNECTIONS), `${repeated} repeated`);
  context.diagnostic(`${accepted.size} accepted over ${kills} kills, ${repeated} terminal events repeated`);
});

test('the same with SQLite and a file of events', { timeout: 120_000 }, async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-events-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const sink = await sinkOf(context, 5);
  const setup = {
    directory,
    spec: { routes: [routeTo(DOMAIN, sink)], events: { file: join(directory, EVENTS_FILE) } },
    resources,
  };
  const accepted = await killAgainAndAgain(setup, 4);
  const { repeated } = oneFactEach(accepted, readEvents(directory));
  context.diagnostic(`${accepted.size} accepted, ${repeated} terminal events repeated`);
});

test('while the NATS of the events hangs or is gone nothing is sent beyond W and memory stays; then mail and events go on', {
  skip,
  timeout: 120_000,
}, async (context) => {
  const nats = await startNats();
  context.after(() => nats.close());
  const sink = await sinkOf(context, 0);
  const sluice = await startSluice({
    spec: {
      routes: [routeTo(DOMAIN, sink)],
      events: { jetstream: { servers: [nats.url], durability: 'Single', maxBytes: '256Mi' } },
    },
    resources,
  });
  context.after(() => sluice.close());
  const accepted = new Set<string>();
  const send = async (run: string, messages: number): Promise<void> => {
    const { accepted: count } = await blast({
      target: sluice.smtp,
      sessions: 20,
      plan: plainPlan(run, messages, [DOMAIN]),
      onAnswer: (message) => {
        for (const recipient of message.recipients) accepted.add(recipient);
      },
    });
    assert.equal(count, messages, 'what is stored is accepted: only sending waits');
  };
  const finished = async (): Promise<void> => {
    await emptyQueue(sluice.admin, 30_000);
    await until(
      'every event is stored',
      async () => (await storedEvents(nats.url, false)).filter(({ type }) => TERMINAL.has(type)).length,
      (count) => count === accepted.size,
      10_000,
    );
    oneFactEach(accepted, await storedEvents(nats.url, false));
  };
  const sent = (): number => sink.ledger.totals.delivered;
  await send('warm', 500);
  await finished();
  const memoryBefore = residentBytes(sluice.pid);

  const sentBefore = sent();
  nats.signal('SIGSTOP');
  await send('hang', 4_000);
  await until(
    'sending has stopped',
    () => readQueue(sluice.admin),
    (queue) => queue.entries > 2_000,
    10_000,
  );
  assert.ok(
    sent() - sentBefore <= MAX_UNJOURNALLED_OUTCOMES + CONNECTIONS + 1,
    `${sent() - sentBefore} were sent whose outcome could not be recorded`,
  );
  const ready = await until(
    'readiness tells of it',
    async () => {
      const response = await fetch(`${sluice.admin}/readyz`);
      return { status: response.status, text: await response.text() };
    },
    ({ text }) => text.includes('events cannot be stored'),
    10_000,
  );
  assert.equal(ready.status, 200, 'mail is taken');
  const grown = residentBytes(sluice.pid) - memoryBefore;
  assert.ok(grown < 100e6, `memory grew by ${grown} bytes`);
  nats.signal('SIGCONT');
  await finished();

  // Somebody deletes the stream: what it held is gone, what comes from then on is kept again.
  await deleteStream(nats.url);
  accepted.clear();
  await send('deleted', 100);
  await finished();

  await nats.kill('SIGKILL');
  await send('gone', 1_000);
  assert.equal((await fetch(`${sluice.admin}/livez`)).status, 200);
  await nats.start();
  await finished();
  assert.match(await (await fetch(`${sluice.admin}/metrics`)).text(), /^sluice_events_dropped_total 0$/m);
});

async function deleteStream(url: string): Promise<void> {
  const connection = await openNats({
    servers: [url],
    credentials: { kind: 'none' },
    inboxPrefix: '_INBOX',
    name: 'test',
  });
  await (await jetstreamManager(connection)).streams.delete('sluice-events');
  await connection.close();
}

test('sluice events shows what was stored since a time, of the types that were asked for, and follows what comes', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const nats = await startNats();
  context.after(() => nats.close());
  const sink = await sinkOf(context, 0);
  const sluice = await startSluice({
    spec: {
      routes: [routeTo(DOMAIN, sink)],
      events: { jetstream: { servers: [nats.url], durability: 'Single' } },
    },
    resources,
  });
  context.after(() => sluice.close());
  await blast({ target: sluice.smtp, sessions: 5, plan: plainPlan('s', 100, [DOMAIN]) });
  await emptyQueue(sluice.admin, 20_000);
  const stored = await storedEvents(nats.url, false);
  const bounced = stored.filter(({ type }) => type === 'bounced').length;
  assert.ok(bounced > 0);
  const before = await readCommand(['--nats', nats.url, '--type', 'bounced', '--since', '1h', '--no-follow']);
  assert.equal(before.lines.length, bounced);
  assert.match(
    before.lines[0] ?? '',
    /^\d\d:\d\d:\d\d\.\d{3} bounced +\S{26} <news@shop\.example> → s\.\d+@.* 550 5\.1\.1 No such user here$/,
  );

  const following = readCommand(['--nats', nats.url, '--type', 'delivered', '--json'], 1);
  let sent = 0;
  const sending = setInterval(() => {
    void blast({ target: sluice.smtp, sessions: 1, plan: plainPlan(`f${sent++}`, 10, [DOMAIN]) });
  }, 200);
  const after = await following.finally(() => clearInterval(sending));
  const event = JSON.parse(after.lines[0] ?? '');
  assert.equal(event.type, 'delivered');
  assert.match(event.recipients[0], /^f\d+\./, 'only what came from then on');
  assert.equal(after.code, 0, 'Ctrl-C is how it ends');
});

/** Runs `sluice events` until it ends, or interrupts it after so many lines. */
async function readCommand(
  args: readonly string[],
  untilLines = Number.POSITIVE_INFINITY,
): Promise<{ readonly lines: readonly string[]; readonly code: number | null }> {
  const child = spawn(process.execPath, [MAIN, 'events', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === untilLines) child.kill('SIGINT');
  }
  return { lines, code: await ended };
}

test('with BestEffort mail is sent while the NATS of the events is gone, and the events come later', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const nats = await startNats();
  context.after(() => nats.close());
  const sink = await sinkOf(context, 0);
  const sluice = await startSluice({
    spec: {
      routes: [routeTo(DOMAIN, sink)],
      events: { jetstream: { servers: [nats.url], durability: 'Single', guarantee: 'BestEffort' } },
    },
    resources,
  });
  context.after(() => sluice.close());
  await nats.kill('SIGKILL');
  await blast({ target: sluice.smtp, sessions: 20, plan: plainPlan('b', 1_500, [DOMAIN]) });
  await emptyQueue(sluice.admin, 20_000);
  await nats.start();
  await until(
    'every event is stored',
    async () => (await storedEvents(nats.url, false)).filter(({ type }) => TERMINAL.has(type)).length,
    (count) => count === 1_500,
    15_000,
  );
});
