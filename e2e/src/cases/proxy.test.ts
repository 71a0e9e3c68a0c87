import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { compile, formatProblem, parseResources } from '@sluice/crds';
import { blast } from '@sluice/mta/blast';
import { loadSettings } from '@sluice/mta/config';
import { PROVIDERS, type Sink, startSink } from '@sluice/mta/sink';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { EVENTS_FILE, oneEndEach } from '../harness/event-reader.ts';
import { freePorts } from '../harness/free-ports.ts';
import { guideBlocks, withWords } from '../harness/guide-blocks.ts';
import { plainPlan } from '../harness/plans.ts';
import { startProxyProcess } from '../harness/proxy-process.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { onePolicy, routeTo } from '../harness/resources.ts';
import { resource, type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { type StartedProgram, startProgram } from '../harness/started-program.ts';
import { until } from '../harness/until.ts';

const HAPROXY = '/usr/sbin/haproxy';
const GUIDE = 'egress-proxies.md';
const MESSAGES = 2_000;
const DOMAIN = 'a.example';
/** Weight 3 and weight 1. */
const ADDRESSES = ['127.0.3.10', '127.0.3.11'] as const;
const SHARE_OF_FIRST = 0.75;
/** A source may be ahead of the others by a quantum of 100 messages or two. */
const TOLERANCE = 0.1;

const noHAProxy = whyNoHAProxy();

function whyNoHAProxy(): string | false {
  if (!existsSync(HAPROXY))
    return `${HAPROXY} is not here (Debian package haproxy): NOT COVERED: ways out through a real HAProxy`;
  const effective = BigInt(
    `0x${/^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
  );
  const netAdmin = 1n << 12n;
  return (
    (effective & netAdmin) === 0n &&
    'CAP_NET_ADMIN is missing, which usesrc of HAProxy needs: NOT COVERED: ways out through a real HAProxy'
  );
}

function pool(egress: object, addresses: readonly string[] = ADDRESSES): unknown {
  return resource('EgressPool', 'main', {
    egress,
    sources: addresses.map((address, index) => ({
      name: `ip-${index + 1}`,
      address,
      ehlo: `out${index + 1}.esp.example`,
      weight: index === 0 ? 3 : 1,
    })),
  });
}

async function startHost(context: TestContext): Promise<Sink> {
  const sink = await startSink({
    behaviour: { ...PROVIDERS.plain('mx.example'), finalDotMs: 2 },
    address: '127.0.0.1',
    port: 0,
  });
  context.after(() => sink.close());
  return sink;
}

async function startMta(
  context: TestContext,
  sink: Sink,
  pools: readonly unknown[],
  spec: Readonly<Record<string, unknown>> = {},
): Promise<SluiceProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-proxy-'));
  const sluice = await startSluice({
    directory,
    spec: {
      routes: [routeTo(DOMAIN, sink)],
      events: { file: join(directory, EVENTS_FILE) },
      ...spec,
    },
    resources: {
      'pool.yaml': pools,
      'policy.yaml': onePolicy({
        session: { messagesPerConnection: 20 },
        retry: { delays: ['1s'], expireAfter: '1h' },
        limits: [{ name: 'source-site', per: ['Source', 'Site'], connections: 4 }],
      }),
    },
  });
  context.after(async () => {
    await sluice.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return sluice;
}

async function send(sluice: SluiceProcess, run: string, messages = MESSAGES): Promise<void> {
  const result = await blast({ target: sluice.smtp, sessions: 4, plan: plainPlan(run, messages, [DOMAIN]) });
  assert.equal(result.accepted, messages);
}

async function allDelivered(sluice: SluiceProcess, sink: Sink, messages = MESSAGES): Promise<void> {
  await until(
    'everything is delivered',
    () => sink.ledger.totals.delivered - sink.ledger.totals.duplicates,
    (count) => count === messages,
    60_000,
  );
  await until(
    'the queue is empty',
    () => readQueue(sluice.admin),
    ({ entries }) => entries === 0,
    10_000,
  );
  await oneEndEach(sluice.directory, messages);
}

/** The sink saw the pool's addresses, no other, each with its share. */
function assertShares(sink: Sink): void {
  const seen = new Map(sink.ledger.sources().map(({ address, messages }) => [address, messages]));
  assert.deepEqual([...seen.keys()].sort(), [...ADDRESSES]);
  const share = (seen.get(ADDRESSES[0]) ?? 0) / MESSAGES;
  assert.ok(Math.abs(share - SHARE_OF_FIRST) < TOLERANCE, `the first address carried ${share} of the mail`);
}

/** Every connection is closed and its slot is back: an idle MTA holds none, and new mail leaves. */
async function assertSlotsBack(sluice: SluiceProcess, sink: Sink, before: number): Promise<void> {
  await send(sluice, 'again', 100);
  await allDelivered(sluice, sink, before + 100);
  for (const { peakConnections, address } of sink.ledger.sources())
    assert.ok(peakConnections <= 4, `${peakConnections} connections of ${address}`);
}

function socks5(
  { host, port }: { readonly host: string; readonly port: number },
  credentialName?: string,
): object {
  const socks = {
    endpoint: { host, port },
    dialect: 'BindConnect',
    ...(credentialName && { credentialName }),
  };
  return { type: 'SOCKS5', socks5: socks };
}

test('through sluice proxy receivers see exactly the addresses of the pool, in their weights', {
  timeout: 120_000,
}, async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-proxy-'));
  context.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'users.yaml'), guideBlocks(GUIDE).get('users.yaml') ?? '');
  writeFileSync(join(directory, 'mta-password'), 'secret\n');
  const sink = await startHost(context);
  const proxy = await startProxyProcess([
    ...['--allow-target', '127.0.0.0/8', '--allow-port', String(sink.port)],
    ...['--allow-source', '127.0.3.0/24', '--users', join(directory, 'users.yaml')],
  ]);
  context.after(() => proxy.kill('SIGKILL'));
  const sluice = await startMta(context, sink, [pool(socks5(proxy, 'egress'))], {
    credentials: [{ name: 'egress', username: 'mta', password: 'secret' }],
  });
  await send(sluice, 'shares');
  await allDelivered(sluice, sink);
  assertShares(sink);
  const metrics = await (await fetch(`${proxy.admin}/metrics`)).text();
  assert.match(metrics, /sluice_proxy_connects_total\{result="ok",source="127\.0\.3\.10"\} \d+/);
  assert.equal((await fetch(`${proxy.admin}/readyz`)).status, 200);
  await assertSlotsBack(sluice, sink, MESSAGES);
  // Sessions of the MTA idle still: they get their time, then the process ends by itself.
  await sluice.kill('SIGTERM');
  assert.equal(await proxy.kill('SIGTERM'), 0);
  assert.ok(proxy.lines.some((line) => line.includes('"drained"')));
});

for (const protocol of ['V1', 'V2'] as const) {
  test(`through the HAProxy of the guide, PROXY ${protocol}, receivers see exactly the addresses of the pool, in their weights`, {
    skip: noHAProxy,
    timeout: 120_000,
  }, async (context) => {
    const sink = await startHost(context);
    const { endpoint } = await startHAProxy(context, sink);
    const sluice = await startMta(context, sink, [
      pool({ type: 'HAProxy', haproxy: { endpoint, protocol } }),
    ]);
    await send(sluice, 'shares');
    await allDelivered(sluice, sink);
    assertShares(sink);
    await assertSlotsBack(sluice, sink, MESSAGES);
  });
}

test('a HAProxy that has not got an address does not use up attempts: another source carries the mail, and the last reply says both possibilities', {
  skip: noHAProxy,
  timeout: 60_000,
}, async (context) => {
  const sink = await startHost(context);
  const { endpoint } = await startHAProxy(context, sink);
  const sluice = await startMta(context, sink, [
    // HAProxy of the guide allows sources of its own network only.
    pool({ type: 'HAProxy', haproxy: { endpoint, protocol: 'V2' } }, ['127.0.4.1', ADDRESSES[1]]),
  ]);
  const told = until(
    'the last reply says both possibilities',
    () => readQueue(sluice.admin),
    ({ lanes }) =>
      lanes.some(({ lastReply }) => / during Greeting, or proxy .* has not got 127\.0\.4\.1/.test(lastReply)),
    10_000,
  );
  await send(sluice, 'doubt');
  await told;
  await allDelivered(sluice, sink);
  assert.deepEqual(
    sink.ledger.sources().map(({ address }) => address),
    [ADDRESSES[1]],
  );
  const events = readFileSync(join(sluice.directory, EVENTS_FILE), 'utf8');
  assert.ok(!events.includes('"type":"deferred"'), 'no attempt was charged');
});

interface Way {
  readonly name: string;
  readonly skip: string | false;
  readonly start: (
    context: TestContext,
    sink: Sink,
  ) => Promise<{ readonly program: StartedProgram; readonly egress: object }>;
}

const ways: readonly Way[] = [
  {
    name: 'sluice proxy',
    skip: false,
    async start(context, sink) {
      const port = String(sink.port);
      const program = await startProxyProcess(['--allow-target', '127.0.0.0/8', '--allow-port', port]);
      context.after(() => program.kill('SIGKILL'));
      return { program, egress: socks5(program) };
    },
  },
  {
    name: 'HAProxy',
    skip: noHAProxy,
    async start(context, sink) {
      const { program, endpoint } = await startHAProxy(context, sink);
      return { program, egress: { type: 'HAProxy', haproxy: { endpoint, protocol: 'V2' } } };
    },
  },
];

for (const { name, skip, start } of ways) {
  test(`${name} dies under load: nothing is lost, mail goes out through the other source, slots come back`, {
    skip,
    timeout: 120_000,
  }, async (context) => {
    const sink = await startHost(context);
    const { program, egress } = await start(context, sink);
    const [through, direct] = ADDRESSES;
    const sluice = await startMta(context, sink, [
      resource('EgressPool', 'main', {
        sources: [
          { name: 'ip-1', address: through, ehlo: 'out1.esp.example', weight: 3, egress },
          {
            name: 'ip-2',
            address: direct,
            ehlo: 'out2.esp.example',
            egress: { type: 'Bind', bind: { address: direct } },
          },
        ],
      }),
    ]);
    const sent = send(sluice, 'killed', 2_000);
    await until(
      'mail goes through the proxy',
      () => sink.ledger.source(through).messages,
      (count) => count > 100,
      30_000,
    );
    await program.kill('SIGKILL');
    const atDeath = sink.ledger.totals.delivered;
    assert.ok(atDeath < 2_000, 'it died under load');
    await sent;
    await allDelivered(sluice, sink, 2_000);
    assert.ok(sink.ledger.source(direct).messages > 500);
    // At most what was between final dot and its answer on the connections of the proxy.
    assert.ok(sink.ledger.totals.duplicates <= 4, `${sink.ledger.totals.duplicates} duplicates`);
    assert.ok(
      sluice.log.some((line) => line.includes('cannot connect: proxy')),
      'the log names the hop',
    );
    await until(
      'no connection of the dead way out is counted any more',
      async () => (await fetch(`${sluice.admin}/metrics`)).text(),
      (metrics) => /^sluice_connections\{[^}]*source="ip-1"[^}]*\} 0$/m.test(metrics),
      5_000,
    );
    await assertSlotsBack(sluice, sink, 2_000);
  });
}

test('every configuration of the guide loads: a reader who copies it has a working one', () => {
  const blocks = guideBlocks(GUIDE);
  const directory = mkdtempSync(join(tmpdir(), 'sluice-proxy-'));
  try {
    for (const file of [
      'resources/pool.yaml',
      'resources/haproxy.yaml',
      'resources/dante.yaml',
      'resources/nat.yaml',
    ]) {
      const { resources, problems } = parseResources(blocks.get(file) ?? '', file);
      assert.deepEqual(problems.map(formatProblem), []);
      const { statuses, config } = compile({ resources });
      assert.deepEqual(
        statuses.flatMap(({ conditions }) => conditions.map(({ type, reason }) => `${type} ${reason}`)),
        ['Accepted Accepted', 'ResolvedRefs ResolvedRefs'],
        file,
      );
      assert.ok(config.pools.every(({ sources }) => sources.every(({ state }) => state === 'Active')));
    }
    writeFileSync(join(directory, 'egress-password'), 'secret');
    writeFileSync(join(directory, 'egress-ca.crt'), '-----BEGIN CERTIFICATE-----\n');
    const spec = {
      listeners: { smtp: [{ name: 'smtp', address: '127.0.0.1:0', relayNetworks: ['127.0.0.0/8'] }] },
      spool: { type: 'SQLite', sqlite: { path: 'spool.db' } },
      resources: { directory: '.' },
      ...parse(blocks.get('sluice.yaml, two entries of spec') ?? ''),
    };
    const file = join(directory, 'sluice.yaml');
    writeFileSync(file, stringify({ apiVersion: 'sluice.email/v1alpha1', kind: 'MtaConfig', spec }));
    const loaded = loadSettings(file);
    if ('problems' in loaded) assert.fail(loaded.problems.map(formatProblem).join('\n'));
    assert.deepEqual(loaded.settings.credentials.get('egress'), { username: 'mta', password: 'secret' });
    const kinds = parseAllDocuments(blocks.get('egress.yaml') ?? '').map((document) => document.toJS().kind);
    assert.deepEqual(kinds, ['DaemonSet', 'Service']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** The configuration of the guide with the addresses of the test. */
async function startHAProxy(context: TestContext, sink: Sink) {
  const [port = 0] = await freePorts(1);
  const directory = mkdtempSync(join(tmpdir(), 'sluice-haproxy-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'haproxy.cfg');
  const text = withWords(guideBlocks(GUIDE).get('haproxy.cfg') ?? '', {
    '10.0.0.5:2525': `127.0.0.1:${port}`,
    '10.0.0.0/8': '127.0.0.0/8',
    '192.0.2.0/28': '127.0.3.0/24',
    '!{ dst_port 25 }': `!{ dst_port ${sink.port} }`,
  });
  writeFileSync(file, text);
  execFileSync(HAPROXY, ['-c', '-q', '-f', file]);
  const program = startProgram([HAPROXY, '-db', '-f', file]);
  context.after(() => program.kill('SIGKILL'));
  await until(
    'HAProxy listens',
    () => answers(port),
    (yes) => yes,
    10_000,
  );
  return { program, endpoint: { host: '127.0.0.1', port } };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
