import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { answerQuestions, askPods, type PodState } from '@sluice/mta/control';
import { openNats } from '@sluice/mta/spool';
import { HandClient } from '../harness/hand-client.ts';
import { jetStreamSpool, POD_USER } from '../harness/jetstream-spec.ts';
import { skipWithoutNats, startNats } from '../harness/nats-server.ts';
import { onePool } from '../harness/resources.ts';
import { startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const MAIN = fileURLToPath(import.meta.resolve('@sluice/mta/main'));
const skip = await skipWithoutNats('questions to all pods over NATS');
const run = promisify(execFile);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

async function sluice(...args: readonly string[]): Promise<Ran> {
  try {
    const { stdout, stderr } = await run(process.execPath, [MAIN, ...args]);
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

const state = (session: string): PodState => ({
  session,
  host: `host-${session}`,
  version: '0.1.0',
  startedAt: new Date().toISOString(),
  state: 'Ready',
  troubles: [],
  configHash: 'abc',
  configSince: new Date().toISOString(),
  groups: 1,
  messages: 1,
});

const row = (domain: string) => ({
  pool: '',
  site: '',
  tenant: '',
  domain,
  ready: 1,
  asleep: 0,
  waiting: 0,
  inFlight: 0,
  recipients: 1,
  oldestAcceptedAtMs: 0,
  nextDueAtMs: 0,
  lastReply: '',
  lastReplyAtMs: 0,
});

test('the queues of all pods of a NATS are asked at once, however long; a pod that does not answer is named', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const nats = await startNats();
  context.after(() => nats.close());
  const open = () =>
    openNats({
      servers: [nats.url],
      credentials: { kind: 'none' },
      inboxPrefix: 'sluice.inbox',
      name: 'test',
    });
  const living = ['p0', 'p1', 'p2'];
  const connections = await Promise.all(living.map(open));
  context.after(() => Promise.all(connections.map((connection) => connection.close())));
  for (const [index, connection] of connections.entries()) {
    answerQuestions(connection, 'sluice', {
      pod: async () => state(`p${index}`),
      listing: () => Array.from({ length: 1_001 }, (_, n) => row(`${n}.example`)),
      chosenBy: () => ({ groups: 2, recipients: 3 }),
      mail: () => assert.fail('nobody asks'),
      activity: () => assert.fail('nobody asks'),
      poison: () => ({ messages: [], total: 0 }),
      living: () => living,
      logger: { ...quiet, child: () => ({ ...quiet, child: () => assert.fail() }) },
    });
    await connection.flush();
  }
  const asker = await open();
  context.after(() => asker.close());
  const began = performance.now();
  const all = await askPods(
    asker,
    'sluice',
    { ask: 'Listing', by: 'Domain', filter: {}, limit: 10_000 },
    10_000,
  );
  assert.ok(performance.now() - began < 5_000, 'nobody waits when everybody has answered');
  assert.deepEqual(
    all.answers.map(({ session, rows, total }) => [session, rows.length, total]),
    living.map((session) => [session, 1_001, 1_001]),
  );
  assert.deepEqual(all.silent, []);

  await connections[2]?.close();
  const listed = await sluice(
    'queue',
    'list',
    '--nats',
    nats.url,
    '--by',
    'domain',
    '--limit',
    '2',
    '--json',
  );
  assert.equal(listed.code, 1);
  assert.match(listed.err, /SLUICE_PODS_SILENT.*Not everybody answered: p2\./);
  const { rows, more, silent } = JSON.parse(listed.out);
  assert.deepEqual(silent, ['p2']);
  assert.deepEqual([rows.length, rows[0].groups, more], [2, 2, 999], 'rows of two pods are added up');
});

test('a pod with no more rights than documented answers for itself; without NATS its admin address does', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const nats = await startNats({ users: [POD_USER] });
  const spec = {
    hostname: 'pod-1.example',
    spool: jetStreamSpool([nats.url]),
    routes: [{ domain: 'a.example', hosts: [{ host: '127.0.0.1', port: 1 }] }],
  };
  const pod = await startSluice({ spec, resources: { 'pool.yaml': onePool(['127.0.3.2']) } });
  context.after(async () => {
    await pod.close();
    await nats.close();
  });
  const client = new HandClient(pod.smtp);
  await client.hello();
  const reply = await client.mail('news@shop.example', ['u@a.example'], 'Subject: x\r\n\r\nx\r\n');
  assert.match(reply, /^250/);
  const config = join(pod.directory, 'sluice.yaml');
  const overNats = await until(
    'the pod tells of its mail',
    async () => JSON.parse((await sluice('pods', '--config', config, '--json')).out),
    ({ pods }) => pods[0]?.groups === 1,
    10_000,
  );
  const [found] = overNats.pods;
  assert.equal(overNats.pods.length, 1);
  assert.equal(found.host, 'pod-1.example');
  assert.equal(found.state, 'Ready');
  assert.ok(found.segments > 0);
  assert.match(found.configHash, /^[0-9a-f]{64}$/);
  const overHttp = await sluice('pods', '--admin', pod.admin);
  assert.equal(overHttp.code, 0, overHttp.err);
  assert.match(overHttp.out, new RegExp(`^SESSION .*\\n${found.session} +pod-1\\.example .* Ready `));
  const queued = await sluice('queue', 'list', '--config', config, '--by', 'domain', '--json');
  assert.equal(JSON.parse(queued.out).rows[0]?.domain, 'a.example');

  const nobody = await sluice('pods', '--nats', nats.url, '--user', 'sluice', '--prefix', 'other');
  assert.equal(nobody.code, 1);
});
