import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import dnsPacket, { type Answer, type DecodedPacket, type Packet } from 'dns-packet';
import { AVOID_MS, DnsClient, type DnsClientOptions } from './dns-client.ts';
import type { DnsServerAddress } from './dns-exchange.ts';
import { exchangeOverTcp } from './tcp-exchange.ts';

/** Never waited for: a test that depends on it would be ended as too slow. */
const LONG_MS = 60_000;
const QUICK = { timeout: 10_000 };
const MX = { name: 'shop.example', type: 'MX' } as const;
const FOUND: Answer[] = [
  { type: 'MX', name: 'shop.example', ttl: 300, data: { preference: 10, exchange: 'mx.example' } },
];

interface RawServer {
  readonly address: DnsServerAddress;
  readonly queries: DecodedPacket[];
}

/** A server that sends whatever octets `answer` makes; `undefined` = silence. */
async function rawServer(
  t: TestContext,
  answer: (query: DecodedPacket) => Buffer | undefined,
): Promise<RawServer> {
  const socket = createSocket('udp4');
  const queries: DecodedPacket[] = [];
  socket.on('message', (message, from) => {
    const query = dnsPacket.decode(message);
    queries.push(query);
    const octets = answer(query);
    if (octets !== undefined) socket.send(octets, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return { address: { host: '127.0.0.1', port: socket.address().port }, queries };
}

function clientOf(servers: readonly RawServer[], options: Partial<DnsClientOptions> = {}): DnsClient {
  return new DnsClient({
    servers: servers.map(({ address }) => address),
    timeoutMs: LONG_MS,
    attempts: 4,
    nowMs: () => 0,
    ...options,
  });
}

function reply({ id = 0 }: Pick<DecodedPacket, 'id'>, parts: Packet): Buffer {
  return dnsPacket.encode({ type: 'response', id, questions: [MX], ...parts });
}

const good = (query: Pick<DecodedPacket, 'id'>): Buffer => reply(query, { answers: FOUND });
const hasEdns = (query: DecodedPacket): boolean => (query.additionals ?? []).length > 0;

function badVersion(query: DecodedPacket): Buffer {
  const opt: Answer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: 1,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  return reply(query, { additionals: [opt] });
}

/** FORMERR in the header, and nothing of the question that the header counts. */
function formatErrorCutShort(query: DecodedPacket): Buffer {
  return reply(query, { flags: 1 }).subarray(0, 12);
}

for (const [what, refusal] of [
  ['BADVERS (RFC 6891 §6.1.3)', badVersion],
  ['FORMERR without a question', (query: DecodedPacket) => reply(query, { flags: 1, questions: [] })],
  ['FORMERR that ends after the header', formatErrorCutShort],
] as const) {
  test(`${what} is no proof of "no MX": the server is asked without EDNS at once`, QUICK, async (t) => {
    const server = await rawServer(t, (query) => (hasEdns(query) ? refusal(query) : good(query)));
    const client = clientOf([server], { attempts: 1 });
    assert.equal((await client.query(MX)).kind, 'records');
    assert.deepEqual(server.queries.map(hasEdns), [true, false]);
  });
}

test('a server that refuses EDNS and all else has failed, and has not said "no MX"', QUICK, async (t) => {
  const server = await rawServer(t, badVersion);
  assert.deepEqual(await clientOf([server]).query(MX), { kind: 'failure', reason: 'BADVERS' });
});

for (const [what, garbage] of [
  ['noise', (id: number) => Buffer.alloc(40, 0xff).fill(Buffer.from([id >> 8, id & 0xff]), 0, 2)],
  ['an id alone', (id: number) => Buffer.from([id >> 8, id & 0xff])],
] as const) {
  test(`${what} as an answer costs no time-out: the next server is asked`, QUICK, async (t) => {
    const broken = await rawServer(t, ({ id = 0 }) => garbage(id));
    const next = await rawServer(t, good);
    assert.equal((await clientOf([broken, next]).query(MX)).kind, 'records');
    assert.equal(broken.queries.length, 1);
  });
}

test('an answer that ends too early never passes for a whole one', QUICK, async (t) => {
  let length = 0;
  const server = await rawServer(t, (query) => good(query).subarray(0, length));
  const whole = good({ id: 1 }).length;
  for (length = 2; length < whole; length++) {
    const { kind } = await clientOf([server], { attempts: 1 }).query(MX);
    assert.equal(kind, 'failure', `${length} of ${whole} octets`);
  }
});

test('garbage over TCP costs no time-out either', QUICK, async (t) => {
  const server = createServer((connection) => {
    connection.on('error', () => {});
    connection.write(Buffer.from([0, 3, 1, 2, 3]));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === 'object');
  const answer = await exchangeOverTcp(
    { host: '127.0.0.1', port: bound.port },
    Buffer.alloc(12),
    () => ({ kind: 'failure', reason: 'garbled answer', withoutEdns: false }),
    LONG_MS,
    new AbortController().signal,
  );
  assert.equal(answer.kind, 'failure');
});

test('a server that says SERVFAIL is not asked the same again at once', QUICK, async (t) => {
  const server = await rawServer(t, (query) => reply(query, { flags: 2 }));
  assert.deepEqual(await clientOf([server]).query(MX), { kind: 'failure', reason: 'SERVFAIL' });
  assert.equal(server.queries.length, 1);
});

test('a lost packet is made up for where there is one server only', QUICK, async (t) => {
  const server = await rawServer(t, (query) => (server.queries.length < 2 ? undefined : good(query)));
  assert.equal((await clientOf([server], { timeoutMs: 50 }).query(MX)).kind, 'records');
});

test('senders do not learn the address of the resolver; logs do', QUICK, async (t) => {
  const gone = createSocket('udp4');
  gone.bind(0, '127.0.0.1');
  await once(gone, 'listening');
  const unreachable = { address: { host: '127.0.0.1', port: gone.address().port }, queries: [] };
  gone.close();
  await once(gone, 'close');
  const servers = [
    unreachable,
    await rawServer(t, (query) => reply(query, { flags: 5 })),
    await rawServer(t, () => undefined),
  ];
  for (const server of servers) {
    const logged: string[] = [];
    const onServerFailure = (name: string) => logged.push(name);
    const answer = await clientOf([server], { timeoutMs: 20, onServerFailure }).query(MX);
    assert.ok(answer.kind === 'failure');
    assert.doesNotMatch(answer.reason, /127\.|\d{4}/);
    assert.equal(logged[0], `127.0.0.1:${server.address.port}`);
  }
});

test('senders do not learn it from a failed TCP connection either', QUICK, async () => {
  const gone = createServer();
  gone.listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const bound = gone.address();
  assert.ok(bound !== null && typeof bound === 'object');
  gone.close();
  await once(gone, 'close');
  const server = { host: '127.0.0.1', port: bound.port };
  const closed = new AbortController().signal;
  const answer = await exchangeOverTcp(server, Buffer.alloc(12), () => undefined, LONG_MS, closed);
  assert.deepEqual(answer, { kind: 'unreachable', reason: 'no connection (ECONNREFUSED)' });
});

test('nothing without proof counts only if no other server knows better', QUICK, async (t) => {
  const empty = await rawServer(t, (query) => reply(query, {}));
  const refusing = await rawServer(t, (query) => reply(query, { flags: 5 }));
  const knowing = await rawServer(t, good);
  assert.equal((await clientOf([empty, knowing]).query(MX)).kind, 'records');
  assert.equal((await clientOf([empty, refusing]).query(MX)).kind, 'no-data');
});

test('the end of a process waits for no answer: close ends queries, sockets and timers', QUICK, async (t) => {
  const silent = await rawServer(t, () => undefined);
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const resources = () =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'UDPWRAP' || kind === 'Timeout').length;
  const before = resources();
  const client = clientOf([silent]);
  const queries = Array.from({ length: 100 }, () => client.query(MX));
  while (silent.queries.length < 100) await new Promise(setImmediate);
  client.close();
  for (const answer of await Promise.all(queries)) assert.equal(answer.kind, 'failure');
  while (resources() > before) await new Promise(setImmediate);
  assert.equal((await client.query(MX)).kind, 'failure', 'later queries fail at once');
  assert.equal(silent.queries.length, 100);
  assert.deepEqual(warnings, [], 'no leak of listeners is reported');
});

test('a silent server is asked last, and gets another chance', QUICK, async (t) => {
  const silent = await rawServer(t, () => undefined);
  const answering = await rawServer(t, good);
  let nowMs = 0;
  const client = clientOf([silent, answering], { timeoutMs: 50, nowMs: () => nowMs });
  for (let round = 0; round < 3; round++) await client.query(MX);
  assert.equal(silent.queries.length, 1);
  nowMs = AVOID_MS + 1;
  await client.query(MX);
  assert.equal(silent.queries.length, 2);
});
