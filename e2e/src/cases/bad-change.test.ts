import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, type Sink, startSink } from '@sluice/mta/sink';
import { EVENTS_FILE, oneEndEach, readEvents } from '../harness/event-reader.ts';
import { HandClient } from '../harness/hand-client.ts';
import { plainPlan } from '../harness/plans.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { loopbackSources, onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { resource, type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

/** A changed resource is in force within so long, and mail moves; the rest is for a busy machine. */
const IN_FORCE_MS = 2_500;
const MESSAGES = 50;
const ADDRESS = '127.0.11.1';

interface Stage {
  readonly sink: Sink;
  readonly sluice: SluiceProcess;
  /** Sends mail and returns how much was accepted. */
  send(run: string, messages?: number): Promise<number>;
  delivered(count: number, withinMs?: number): Promise<void>;
}

async function stage(
  context: TestContext,
  resources: Readonly<Record<string, readonly unknown[]>>,
  spec: Readonly<Record<string, unknown>> = {},
): Promise<Stage> {
  const sink = await startSink({ behaviour: PROVIDERS.plain('mx.example'), address: '127.0.0.1', port: 0 });
  context.after(() => sink.close());
  const sluice = await startSluice({
    spec: { routes: [routeTo('a.example', sink)], events: { file: EVENTS_FILE }, ...spec },
    resources,
  });
  context.after(() => sluice.close());
  return {
    sink,
    sluice,
    send: async (run, messages = MESSAGES) =>
      (await blast({ target: sluice.smtp, sessions: 2, plan: plainPlan(run, messages, ['a.example']) }))
        .accepted,
    delivered: async (count, withinMs = IN_FORCE_MS) => {
      await until(
        `${count} messages have arrived`,
        () => sink.ledger.totals.delivered,
        (got) => got >= count,
        withinMs,
      );
      await until(
        'the queue is empty',
        () => readQueue(sluice.admin),
        ({ entries }) => entries === 0,
        1_000,
      );
      assert.deepEqual(sink.ledger.totals, { delivered: count, duplicates: 0 });
      assert.deepEqual(
        sluice.log.filter((line) => line.includes('a bug')),
        [],
      );
      await oneEndEach(sluice.directory, count);
    },
  };
}

function pool(state: string): readonly unknown[] {
  const sources = loopbackSources([ADDRESS]).map((source) => ({ ...Object(source), state }));
  return [resource('EgressPool', 'main', { match: [{ name: 'everything' }], sources })];
}

async function inForce(sluice: SluiceProcess, change: () => void): Promise<void> {
  const times = (): number =>
    sluice.log.filter((line) => line.includes('a configuration is in force')).length;
  const before = times();
  change();
  await until('the change is in force', times, (count) => count > before, IN_FORCE_MS);
}

for (const state of ['Disabled', 'Draining']) {
  test(`all sources ${state}: mail is taken and waits; Active again, it flows`, {
    timeout: 20_000,
  }, async (context) => {
    const { sluice, send, delivered, sink } = await stage(context, { 'pool.yaml': pool(state) });
    assert.equal(await send('wait'), MESSAGES);
    assert.equal(sink.ledger.totals.delivered, 0);
    sluice.writeResources('pool.yaml', pool('Active'));
    await delivered(MESSAGES);
    await inForce(sluice, () => sluice.writeResources('pool.yaml', pool(state)));
    assert.equal(await send('again'), MESSAGES);
    assert.equal((await readQueue(sluice.admin)).entries, MESSAGES);
    sluice.writeResources('pool.yaml', pool('Active'));
    await delivered(2 * MESSAGES);
  });
}

test('a pool that is removed while its mail is queued, and put back: new mail is refused for now, the queued mail flows again at once', {
  timeout: 20_000,
}, async (context) => {
  const { sluice, send, delivered } = await stage(context, { 'pool.yaml': pool('Disabled') });
  assert.equal(await send('kept'), MESSAGES);
  await inForce(sluice, () => rmSync(join(sluice.directory, 'resources', 'pool.yaml')));
  const client = new HandClient(sluice.smtp);
  await client.hello();
  assert.match(await client.mail('s@shop.example', ['nobody@a.example']), /^451 4\.3\.5 /);
  client.destroy();
  assert.equal((await readQueue(sluice.admin)).entries, MESSAGES);
  sluice.writeResources('pool.yaml', pool('Active'));
  await delivered(MESSAGES);
});

test('a pool that is replaced by one of another name takes over the queued mail at once', {
  timeout: 20_000,
}, async (context) => {
  const { sluice, send, delivered } = await stage(context, { 'pool.yaml': pool('Disabled') });
  assert.equal(await send('moved'), MESSAGES);
  await inForce(sluice, () => rmSync(join(sluice.directory, 'resources', 'pool.yaml')));
  sluice.writeResources('other.yaml', [
    resource('EgressPool', 'other', { match: [{ name: 'everything' }], sources: loopbackSources([ADDRESS]) }),
  ]);
  await delivered(MESSAGES);
});

test('the directory of resources is deleted and comes back: mail waits at worst, then flows, and /readyz says what is wrong', {
  timeout: 20_000,
}, async (context) => {
  const { sluice, send, delivered } = await stage(context, { 'pool.yaml': onePool([ADDRESS]) });
  const directory = join(sluice.directory, 'resources');
  renameSync(directory, `${directory}.away`);
  await until(
    'the mistake is told',
    async () => (await fetch(`${sluice.admin}/readyz`)).text(),
    (body) => body.includes('SLUICE_CONFIG_UNREADABLE'),
    IN_FORCE_MS,
  );
  assert.equal(await send('away'), MESSAGES, 'the last good form stays in force');
  await delivered(MESSAGES);
  renameSync(`${directory}.away`, directory);
  await until(
    'all is well again',
    async () => (await fetch(`${sluice.admin}/readyz`)).text(),
    (body) => !body.includes('SLUICE_CONFIG_UNREADABLE'),
    IN_FORCE_MS,
  );
  sluice.writeResources('pool.yaml', pool('Disabled'));
  await until(
    'the new directory is followed',
    () => sluice.log.filter((line) => line.includes('a configuration is in force')).length,
    (count) => count >= 2,
    IN_FORCE_MS,
  );
  assert.equal(await send('back'), MESSAGES);
  sluice.writeResources('pool.yaml', pool('Active'));
  await delivered(2 * MESSAGES);
});

test('a rate of one an hour that becomes Unlimited lets the queued mail flow within 2 s', {
  timeout: 20_000,
}, async (context) => {
  const policy = (recipientRate: string): readonly unknown[] =>
    onePolicy({ limits: [{ name: 'crawl', per: ['Site'], recipientRate }] });
  const { sluice, sink, send, delivered } = await stage(context, {
    'pool.yaml': onePool([ADDRESS]),
    'policy.yaml': policy('1/h'),
  });
  assert.equal(await send('crawl', 500), 500);
  await until(
    'the first one has gone',
    () => sink.ledger.totals.delivered,
    (count) => count === 1,
    2_000,
  );
  sluice.writeResources('policy.yaml', policy('Unlimited'));
  await delivered(500);
});

test('the limit of one tenant (known by AUTH) holds its mail, and that of no other tenant', {
  timeout: 20_000,
}, async (context) => {
  const users = ['slow', 'fast'].map((name) => ({ username: name, password: 'secret', tenant: name }));
  const { sluice, sink } = await stage(
    context,
    {
      'pool.yaml': onePool([ADDRESS]),
      'policy.yaml': onePolicy({
        limits: [
          {
            name: 'tenant',
            per: ['Tenant'],
            recipientRate: 'Unlimited',
            overrides: [{ name: 'slow', when: { tenants: ['slow'] }, recipientRate: '1/h' }],
          },
        ],
      }),
    },
    {
      tenants: [{ name: 'slow' }, { name: 'fast' }],
      listeners: {
        smtp: [{ name: 'smtp', address: '127.0.0.1:0', auth: { requireTls: 'Disabled', users } }],
        admin: { address: '127.0.0.1:0' },
      },
    },
  );
  const sendAs = async (user: string, count: number): Promise<void> => {
    const client = new HandClient(sluice.smtp);
    await client.hello();
    const token = Buffer.from(`\0${user}\0secret`).toString('base64');
    assert.match((await client.ask(`AUTH PLAIN ${token}\r\n`))[0] ?? '', /^235 /);
    for (let index = 0; index < count; index++)
      assert.match(await client.mail(`s@${user}.example`, [`${user}${index}@a.example`]), /^250 /);
    client.destroy();
  };
  await sendAs('slow', MESSAGES);
  await sendAs('fast', MESSAGES);
  await until(
    'the fast mail is there',
    () => sink.ledger.totals.delivered,
    (count) => count === MESSAGES + 1,
    2_000,
  );
  assert.equal((await readQueue(sluice.admin)).entries, MESSAGES - 1);
});

test('mail that waits for a limit expires in time, with an event that says so', {
  timeout: 20_000,
}, async (context) => {
  const { sluice, send, sink } = await stage(context, {
    'pool.yaml': onePool([ADDRESS]),
    'policy.yaml': onePolicy({
      retry: { delays: ['1s'], expireAfter: '3s' },
      limits: [{ name: 'crawl', per: ['Site'], recipientRate: '1/h' }],
    }),
  });
  assert.equal(await send('old'), MESSAGES);
  const events = await until(
    'the rest has expired',
    () => readEvents(sluice.directory).filter(({ type }) => type === 'expired'),
    (expired) => expired.length >= MESSAGES - 1,
    8_000,
  );
  assert.equal(events.length, MESSAGES - 1);
  assert.equal(sink.ledger.totals.delivered, 1);
  assert.equal((await readQueue(sluice.admin)).entries, 0);
  await oneEndEach(sluice.directory, MESSAGES);
});
