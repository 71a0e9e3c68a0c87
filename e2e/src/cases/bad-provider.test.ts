import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, type Sink, startSink } from '@sluice/mta/sink';
import { EVENTS_FILE, oneEndEach, readEvents } from '../harness/event-reader.ts';
import { type OddManners, startOddHost } from '../harness/odd-host.ts';
import { plainPlan } from '../harness/plans.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { loopbackSources, onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { resource, type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';
import { startDnsServer } from '../internet/dns-server.ts';
import { zoneOfRecords } from '../internet/dns-zone.ts';

const MESSAGES = 40;
/** A phase is given up after so long, so that tests need not wait for minutes. */
const TIMEOUTS = {
  connect: '1s',
  greeting: '1s',
  ehlo: '1s',
  mail: '1s',
  rcpt: '1s',
  data: '1s',
  finalDot: '1s',
};
const QUICK = { session: { timeouts: TIMEOUTS }, retry: { delays: ['1s'], expireAfter: '1h' } };

async function startGood(context: TestContext, address = '127.0.0.1', port = 0): Promise<Sink> {
  const sink = await startSink({ behaviour: PROVIDERS.plain('mx.good.example'), address, port });
  context.after(() => sink.close());
  return sink;
}

async function startWith(
  context: TestContext,
  spec: Readonly<Record<string, unknown>>,
  resources: Readonly<Record<string, readonly unknown[]>> = {},
): Promise<SluiceProcess> {
  const sluice = await startSluice({
    spec: { events: { file: EVENTS_FILE }, ...spec },
    resources: { 'pool.yaml': onePool(['127.0.9.1']), 'policy.yaml': onePolicy(QUICK), ...resources },
  });
  context.after(() => sluice.close());
  return sluice;
}

function noBugs(sluice: SluiceProcess): void {
  assert.deepEqual(
    sluice.log.filter((line) => /a bug|"SLUICE_BUG"|intake failed/.test(line)),
    [],
  );
}

interface OddCase {
  readonly title: string;
  readonly manners: OddManners;
  /** Last reply that somebody who looks after his mail is shown. */
  readonly lastReply: RegExp;
  /** Connections that the host may see in two seconds: more would be hammering. */
  readonly connectionsAtMost: number;
}

const oddCases: readonly OddCase[] = [
  {
    title: 'accepts the connection and never says a word',
    manners: {},
    lastReply: /421 4\.4\.2/,
    connectionsAtMost: 4,
  },
  {
    title: 'says 421 to every command',
    manners: { greeting: '220 odd.example', command: () => '421 4.3.2 Not now' },
    lastReply: /421 4\.3\.2 Not now/,
    connectionsAtMost: 4,
  },
  {
    title: 'says 421 to MAIL only',
    manners: {
      greeting: '220 odd.example',
      command: (verb) => (verb === 'MAIL' ? '421 4.7.0 Come back later' : undefined),
    },
    lastReply: /421 4\.7\.0 Come back later/,
    connectionsAtMost: 4,
  },
  {
    title: 'greets with 421',
    manners: { greeting: '421 4.3.2 Too busy' },
    lastReply: /421 4\.3\.2 Too busy/,
    connectionsAtMost: 4,
  },
  {
    title: 'cuts the connection at EHLO',
    manners: { greeting: '220 odd.example', command: () => 'reset' },
    lastReply: /421 4\.4\.2/,
    connectionsAtMost: 4,
  },
  {
    title: 'speaks HTTP',
    manners: { greeting: 'HTTP/1.1 400 Bad Request' },
    lastReply: /451 4\.5\.0/,
    connectionsAtMost: 4,
  },
];

for (const { title, manners, lastReply, connectionsAtMost } of oddCases) {
  test(`a host that ${title} costs neither its mail nor the mail of others`, {
    timeout: 20_000,
  }, async (context) => {
    const odd = await startOddHost(manners);
    context.after(() => odd.close());
    const good = await startGood(context);
    const sluice = await startWith(context, {
      routes: [routeTo('odd.example', odd), routeTo('good.example', good)],
    });
    await blast({ target: sluice.smtp, sessions: 2, plan: plainPlan('odd', MESSAGES, ['odd.example']) });
    await blast({ target: sluice.smtp, sessions: 2, plan: plainPlan('good', MESSAGES, ['good.example']) });
    await until(
      'good mail flows',
      () => good.ledger.totals.delivered,
      (count) => count === MESSAGES,
      2_000,
    );
    const lane = await until(
      'the reply is shown',
      async () =>
        (await readQueue(sluice.admin)).lanes.find(
          ({ lastReply: reply }) => reply !== '' && !reply.startsWith('250'),
        ),
      (found) => found !== undefined,
      4_000,
    );
    assert.match(JSON.stringify(lane?.lastReply), lastReply);
    assert.equal((await readQueue(sluice.admin)).entries, MESSAGES);
    assert.ok(odd.connections() <= connectionsAtMost, `${odd.connections()} connections`);
    noBugs(sluice);
  });
}

test('a host that takes a message and dies before it says so gets it again by the schedule, not in a loop', {
  timeout: 20_000,
}, async (context) => {
  const odd = await startOddHost({
    greeting: '220 odd.example',
    finalDot: (message) => (message === 2 || message === 4 ? 'reset' : '250 2.0.0 Ok'),
  });
  context.after(() => odd.close());
  const one = { limits: [{ name: 'site', per: ['Site'], connections: 1 }] };
  const sluice = await startWith(
    context,
    { routes: [routeTo('odd.example', odd)] },
    { 'policy.yaml': onePolicy({ ...QUICK, ...one }) },
  );
  const result = await blast({
    target: sluice.smtp,
    sessions: 1,
    plan: plainPlan('dot', 5, ['odd.example']),
  });
  assert.equal(result.accepted, 5);
  await until(
    'the queue is empty',
    () => readQueue(sluice.admin),
    ({ entries }) => entries === 0,
    10_000,
  );
  assert.equal(odd.messages(), 5 + 2, 'five messages, two of them a second time');
  await oneEndEach(sluice.directory, 5);
  noBugs(sluice);
});

test('a host that greets with 5xx has its mail returned, with its reply in the event', {
  timeout: 20_000,
}, async (context) => {
  const odd = await startOddHost({ greeting: '554 5.7.1 Go away' });
  context.after(() => odd.close());
  const sluice = await startWith(context, { routes: [routeTo('odd.example', odd)] });
  await blast({ target: sluice.smtp, sessions: 1, plan: plainPlan('no', 3, ['odd.example']) });
  const bounced = await until(
    'a message is returned',
    () => readEvents(sluice.directory).filter(({ type }) => type === 'bounced'),
    (events) => events.length >= 1,
    5_000,
  );
  assert.deepEqual(bounced[0]?.reply, { code: 554, enhanced: '5.7.1', text: 'Go away' });
  noBugs(sluice);
});

test('greylisting delays mail by the schedule and costs nothing else: everything arrives once', {
  timeout: 20_000,
}, async (context) => {
  const sink = await startSink({
    behaviour: {
      ...PROVIDERS.plain('mx.grey.example'),
      greylistMs: { delayMs: 800, reply: '450 4.2.0 Greylisted' },
    },
    address: '127.0.0.1',
    port: 0,
  });
  context.after(() => sink.close());
  const sluice = await startWith(
    context,
    { routes: [routeTo('grey.example', sink)] },
    { 'pool.yaml': onePool(['127.0.9.1', '127.0.9.2', '127.0.9.3']) },
  );
  await blast({ target: sluice.smtp, sessions: 2, plan: plainPlan('grey', 200, ['grey.example']) });
  await until(
    'the queue is empty',
    () => readQueue(sluice.admin),
    ({ entries }) => entries === 0,
    10_000,
  );
  assert.deepEqual(sink.ledger.totals, { delivered: 200, duplicates: 0 });
  await oneEndEach(sluice.directory, 200);
  assert.equal(
    readEvents(sluice.directory).filter(({ type }) => type === 'deferred').length,
    200,
    'one deferral a message: same source again',
  );
});

test('the first host of an MX set is dead: the second one takes the mail', {
  timeout: 20_000,
}, async (context) => {
  const good = await startGood(context, '127.0.9.20');
  const dns = await startDnsServer({
    zone: zoneOfRecords({
      'two.example': [
        { type: 'MX', preference: 10, exchange: 'mx1.two.example' },
        { type: 'MX', preference: 20, exchange: 'mx2.two.example' },
      ],
      'mx1.two.example': [{ type: 'A', address: '127.0.9.21' }],
      'mx2.two.example': [{ type: 'A', address: '127.0.9.20' }],
    }),
  });
  context.after(() => dns.close());
  const sluice = await startWith(context, {
    dns: { servers: [`${dns.address}:${dns.port}`] },
    smtpPort: good.port,
  });
  await blast({ target: sluice.smtp, sessions: 2, plan: plainPlan('mx', MESSAGES, ['two.example']) });
  await until(
    'everything arrives',
    () => good.ledger.totals.delivered,
    (count) => count === MESSAGES,
    5_000,
  );
  assert.equal(readEvents(sluice.directory).filter(({ type }) => type === 'deferred').length, 0);
});

test('a silent DNS server holds the mail that needs it, and nothing else; nothing is returned', {
  timeout: 20_000,
}, async (context) => {
  const silent = createSocket('udp4');
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  context.after(() => void silent.close());
  const good = await startGood(context);
  const sluice = await startWith(context, {
    dns: { servers: [`127.0.0.1:${silent.address().port}`], timeout: '300ms', attempts: 2 },
    routes: [routeTo('good.example', good)],
  });
  const many = Array.from({ length: 300 }, (_, index) => `d${index}.example`);
  await blast({ target: sluice.smtp, sessions: 4, plan: plainPlan('dns', 600, many) });
  await blast({ target: sluice.smtp, sessions: 2, plan: plainPlan('good', MESSAGES, ['good.example']) });
  await until(
    'good mail flows',
    () => good.ledger.totals.delivered,
    (count) => count === MESSAGES,
    2_000,
  );
  await until(
    'the look-ups fail',
    () => readEvents(sluice.directory).filter(({ type }) => type === 'deferred').length,
    (count) => count > 0,
    5_000,
  );
  assert.equal((await readQueue(sluice.admin)).entries, 600);
  assert.equal(readEvents(sluice.directory).filter(({ type }) => type === 'bounced').length, 0);
  noBugs(sluice);
});

test('a source whose address this machine does not have is named in the log; the other one carries the mail', {
  timeout: 20_000,
}, async (context) => {
  const good = await startGood(context);
  const broken = {
    name: 'elsewhere',
    address: '192.0.2.55',
    ehlo: 'out9.esp.example',
    egress: { type: 'Bind', bind: { address: '192.0.2.55' } },
  };
  const sluice = await startWith(
    context,
    { routes: [routeTo('good.example', good)] },
    {
      'pool.yaml': [
        resource('EgressPool', 'main', {
          match: [{ name: 'everything' }],
          sources: [broken, ...loopbackSources(['127.0.9.1'])],
        }),
      ],
    },
  );
  await blast({ target: sluice.smtp, sessions: 2, plan: plainPlan('src', MESSAGES, ['good.example']) });
  await until(
    'everything arrives',
    () => good.ledger.totals.delivered,
    (count) => count === MESSAGES,
    5_000,
  );
  assert.equal(
    readEvents(sluice.directory).filter(({ type }) => type === 'deferred').length,
    0,
    'no attempt is charged',
  );
  assert.ok(sluice.log.some((line) => line.includes('"elsewhere"') && line.includes('192.0.2.55')));
});

test('3,000 domains in one breath: all arrive, once, and the lanes are forgotten', {
  timeout: 20_000,
}, async (context) => {
  const good = await startGood(context);
  const sluice = await startWith(context, {
    routes: [{ domain: '*', hosts: [{ host: good.address, port: good.port }] }],
  });
  const domains = Array.from({ length: 3_000 }, (_, index) => `d${index}.example`);
  await blast({
    target: sluice.smtp,
    sessions: 10,
    plan: { ...plainPlan('wide', 600, domains), recipientsPerMessage: 10 },
  });
  await until(
    'everything arrives',
    () => good.ledger.totals.delivered,
    (count) => count >= 6_000,
    15_000,
  );
  await until(
    'the queue is empty',
    () => readQueue(sluice.admin),
    ({ entries }) => entries === 0,
    2_000,
  );
  assert.deepEqual(good.ledger.totals, { delivered: 6_000, duplicates: 0 });
  await oneEndEach(sluice.directory, 6_000);
  noBugs(sluice);
});
