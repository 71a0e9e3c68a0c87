import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { blast } from '@sluice/mta/blast';
import { QuestionSubjects } from '@sluice/mta/control';
import { PROVIDERS, type Sink, startSink } from '@sluice/mta/sink';
import { jetStreamSpool, POD_USER } from '../harness/jetstream-spec.ts';
import type { NatsUser } from '../harness/nats-config.ts';
import { type NatsServer, skipWithoutNats, startNats } from '../harness/nats-server.ts';
import { plainPlan } from '../harness/plans.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const MAIN = fileURLToPath(import.meta.resolve('@sluice/mta/main'));
const skip = await skipWithoutNats('the live part of sluice explain');
const run = promisify(execFile);

const DOMAIN = 'shared.example';
/** Of another provider, which takes mail at once and to which hardly any may be sent. */
const SLOW_DOMAIN = 'slow.example';
const SOURCE = '127.0.7.1';

/** Who may only ask: no mail, no limits, no store. */
const subjects = new QuestionSubjects('sluice');
const ASKER: NatsUser = {
  identity: { user: 'asker', password: 'not a secret' },
  permissions: { publish: subjects.askerPublishes, subscribe: subjects.askerSubscribes },
};

interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

async function explain(domain: string, ...args: readonly string[]): Promise<Ran> {
  try {
    const { stdout, stderr } = await run(process.execPath, [MAIN, 'explain', `user@${domain}`, ...args], {
      // No settings file is here: what is said is what the pods say.
      cwd: '/',
    });
    return { out: stdout, err: stderr, code: 0 };
  } catch (error) {
    const {
      stdout = '',
      stderr = '',
      code = 1,
    } = error as { stdout?: string; stderr?: string; code?: number };
    return { out: stdout, err: stderr, code };
  }
}

/** A provider that takes its time, so that connections stay in use, or none. */
async function sinkFor(context: TestContext, finalDotMs: number): Promise<Sink> {
  const sink = await startSink({
    behaviour: { ...PROVIDERS.plain('mx.shared.example'), finalDotMs },
    address: '127.0.0.1',
    port: 0,
  });
  context.after(() => sink.close());
  return sink;
}

interface Providers {
  readonly patient: Sink;
  readonly quick: Sink;
}

async function providers(context: TestContext): Promise<Providers> {
  return { patient: await sinkFor(context, 600_000), quick: await sinkFor(context, 0) };
}

function setupOf({ patient, quick }: Providers, spec: Readonly<Record<string, unknown>>) {
  return {
    spec: { routes: [routeTo(DOMAIN, patient), routeTo(SLOW_DOMAIN, quick)], ...spec },
    resources: {
      'pool.yaml': onePool([SOURCE]),
      'policy.yaml': onePolicy({
        limits: [
          { name: 'shared', per: ['Source', 'Site'], connections: 2 },
          { name: 'slow', per: ['Domain'], when: { domains: [SLOW_DOMAIN] }, recipientRate: '2/h' },
        ],
      }),
    },
  };
}

async function mailTo(pod: SluiceProcess, name: string, messages: number, domain = DOMAIN): Promise<void> {
  const result = await blast({ target: pod.smtp, sessions: 1, plan: plainPlan(name, messages, [domain]) });
  assert.equal(result.accepted, messages);
}

async function startPods(context: TestContext, nats: NatsServer, to: Providers) {
  const pods = await Promise.all(
    [1, 2, 3].map((number) =>
      startSluice(setupOf(to, { hostname: `pod-${number}.example`, spool: jetStreamSpool([nats.url]) })),
    ),
  );
  context.after(() => Promise.all(pods.map((pod) => pod.kill('SIGKILL').then(() => pod.close()))));
  return pods;
}

test('of three pods that share a limit: how much of it is held, by whom, and what the next message waits for; one that hangs is named in time', {
  skip,
  timeout: 120_000,
}, async (context) => {
  const nats = await startNats({ users: [POD_USER, ASKER] });
  context.after(() => nats.close());
  const to = await providers(context);
  const pods = await startPods(context, nats, to);
  const [first] = pods;
  assert.ok(first !== undefined);
  await Promise.all(pods.map((pod, index) => mailTo(pod, `run${index}`, 3)));
  await mailTo(first, 'slow', 2, SLOW_DOMAIN);
  const asker = ['--nats', nats.url, '--user', 'asker', '--password-file', passwordFile(context)];
  const ask = (domain = DOMAIN): Promise<Ran> => explain(domain, ...asker, '--json');
  const full = await until(
    'both slots are held, as the leader says',
    async () => JSON.parse((await ask()).out).live,
    (live) => {
      const [connections] = live.limits[0]?.bounds ?? [];
      return live.pods.length === 3 && live.limits[0].leader !== '' && connections?.waiting > 0;
    },
    60_000,
  );
  const [limit] = full.limits;
  assert.equal(limit.values, `Source=${SOURCE} Site=127.0.0.1:${to.patient.port};static`);
  const [connections] = limit.bounds;
  assert.equal(connections.held, 2);
  const amounts = connections.holders.map(({ amount }: { amount: number }) => amount);
  assert.equal(
    amounts.reduce((sum: number, each: number) => sum + each, 0),
    2,
  );
  for (const { pod } of connections.holders) assert.match(pod, /^pod-\d\.example$/, 'holders have names');
  assert.equal(connections.nextInMs, undefined, 'there is one when one ends: nobody knows when');
  assert.deepEqual(full.silent, []);
  const [wait] = full.sources[0].waits;
  assert.deepEqual([wait.reason, wait.bound], ['Limit', 'connections']);
  assert.match(
    wait.what,
    /^connections of shared Source=127\.0\.7\.1 Site=\S+: 2 of 2 are held, \d+ waits?$/,
  );
  const text = await explain(DOMAIN, ...asker);
  assert.equal(text.code, 0, text.err);
  assert.match(text.out, /^Now, \d\d:\d\d:\d\dZ, as 3 pods say\.\n/);
  assert.match(text.out, /\nshared Source=127\.0\.7\.1 Site=\S+ +connections +2 +2 +pod-/);

  const slow = await until(
    'one went, the other one waits for its turn',
    async () => JSON.parse((await ask(SLOW_DOMAIN)).out).live,
    ({ pods: told }) => told.some(({ mail }: { mail: { asleep: number } }) => mail.asleep === 1),
    20_000,
  );
  const rated = slow.limits.find(({ limitName }: { limitName: string }) => limitName === 'slow');
  const { nextInMs } = rated.bounds[0];
  assert.ok(nextInMs > 1_700_000 && nextInMs <= 1_800_000, `2/h: ${nextInMs}`);
  const untilMs = Date.parse(slow.sources[0].waits[0].until) - Date.parse(slow.at);
  assert.ok(Math.abs(untilMs - nextInMs) < 2, 'and when that is by the clock');

  const [, victim] = pods;
  assert.ok(victim !== undefined);
  const before = await explain(DOMAIN, '--admin', victim.admin, '--json');
  const { session } = JSON.parse(before.out).live.pods[0];
  process.kill(victim.pid, 'SIGSTOP');
  const quick = await measured(() => explain(DOMAIN, '--admin', first.admin));
  const hung = await measured(() => ask());
  process.kill(victim.pid, 'SIGCONT');
  assert.equal(hung.result.code, 1);
  assert.match(hung.result.err, /SLUICE_PODS_SILENT/);
  const { live } = JSON.parse(hung.result.out);
  assert.deepEqual(live.silent, [session], 'who hangs is named');
  assert.equal(live.pods.length, 2, 'and what the others say is shown');
  assert.ok(hung.ms - quick.ms < 4_000, `${hung.ms} ms, ${quick.ms} ms without waiting`);
});

test('without NATS the same is asked at the admin address; a suspension says who ordered it and until when', {
  timeout: 60_000,
}, async (context) => {
  const pod = await startSluice(setupOf(await providers(context), { hostname: 'alone.example' }));
  context.after(() => pod.kill('SIGKILL').then(() => pod.close()));
  await mailTo(pod, 'alone', 2);
  const live = await until(
    'the connection is in use',
    async () => JSON.parse((await explain(DOMAIN, '--admin', pod.admin, '--json')).out).live,
    ({ limits }) => limits[0]?.bounds[0]?.held === 1,
    20_000,
  );
  assert.deepEqual(live.limits[0].bounds[0].holders, [{ pod: 'alone.example', amount: 1 }]);
  assert.equal(live.pods[0].limits, 'Own');
  assert.deepEqual(live.waits, [
    {
      reason: 'Busy',
      what: 'the connection is in a transaction, and for so little mail no more are opened',
    },
  ]);
  await run(process.execPath, [
    MAIN,
    'suspend',
    '--source',
    SOURCE,
    '--for',
    '2h',
    '--reason',
    'complaints',
    '--admin',
    pod.admin,
  ]);
  const suspended = await until(
    'the suspension is seen',
    () => explain(DOMAIN, '--admin', pod.admin),
    ({ out }) => out.includes('suspended'),
    20_000,
  );
  assert.match(suspended.out, /it is suspended by hand: complaints, until \d\d:\d\d:\d\dZ \(in 1h59m\)/);
  assert.match(suspended.out, /\nEFFECT .*\nsuspend +source=127\.0\.7\.1 +operator/);
});

function passwordFile(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-asker-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'password');
  writeFileSync(file, 'not a secret\n');
  return file;
}

async function measured(work: () => Promise<Ran>): Promise<{ readonly result: Ran; readonly ms: number }> {
  const began = performance.now();
  const result = await work();
  return { result, ms: performance.now() - began };
}
