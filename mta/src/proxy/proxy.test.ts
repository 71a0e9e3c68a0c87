import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { EgressWay, SourceConfig } from '@sluice/crds';
import { testKey } from '../../testdata/tls/test-key.ts';
import { type Logger, parseNetwork } from '../config/mod.ts';
import { createDial } from '../egress/mod.ts';
import type { ProxyOptions } from './proxy-options.ts';
import { type ProxyServer, startProxy } from './proxy-server.ts';

const TIMEOUT_MS = 5_000;
const OLD_CERTIFICATE = testKey('proxy');
const RENEWED_CERTIFICATE = testKey('renewed');
const never = new AbortController().signal;
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** A proxy under test, and what it told its metrics. */
interface Running {
  readonly proxy: ProxyServer;
  readonly port: number;
  readonly refusals: string[];
  readonly connects: string[];
  readonly relays: (readonly [number, number])[];
  readonly open: () => number;
}

async function running(context: TestContext, changes: Partial<ProxyOptions> = {}): Promise<Running> {
  const refusals: string[] = [];
  const connects: string[] = [];
  const relays: (readonly [number, number])[] = [];
  let open = 0;
  const proxy = await startProxy({
    listen: [{ host: '127.0.0.1', port: 0 }],
    allowedClients: networks('127.0.0.0/8'),
    allowedSources: [],
    // Hosts of tests listen wherever there is room.
    allowedPorts: new Set(Array.from({ length: 65_536 }, (_, port) => port)),
    allowedTargets: networks('127.0.0.0/8'),
    users: [],
    logger: silent,
    nowMs: () => performance.now(),
    ...changes,
    limits: {
      maxConnections: 100,
      maxConnectionsPerClient: 100,
      handshakeTimeoutMs: TIMEOUT_MS,
      connectTimeoutMs: TIMEOUT_MS,
      idleTimeoutMs: TIMEOUT_MS,
      ...changes.limits,
    },
    report: {
      clientOpened: () => open++,
      clientClosed: () => open--,
      refused: (reason) => refusals.push(reason),
      connected: (result, source) => connects.push(`${result} ${source}`.trim()),
      relayEnded: (...bytes) => relays.push(bytes),
    },
  });
  context.after(() => proxy.drain(0));
  return { proxy, port: proxy.addresses[0]?.port ?? 0, refusals, connects, relays, open: () => open };
}

function networks(...texts: readonly string[]) {
  return texts.flatMap((text) => parseNetwork(text) ?? []);
}

/** A mail host: tells each connection to the test. */
async function host(context: TestContext, serve: (socket: Socket) => void = () => {}) {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { server, target: { address: '127.0.0.1', port: address.port } };
}

function socks5(
  port: number,
  spec: Partial<Extract<EgressWay, { type: 'SOCKS5' }>['socks5']> = {},
): SourceConfig {
  const socks = { host: '127.0.0.1', port, dialect: 'BindConnect', tls: 'Disabled', ...spec } as const;
  const egress: EgressWay = { type: 'SOCKS5', socks5: socks };
  return {
    name: 'ip-1',
    address: '192.0.2.1',
    ehlo: 'out.example',
    weight: 1,
    state: 'Active',
    labels: {},
    egress,
  };
}

const dial = createDial({
  credentials: new Map([
    ['right', { username: 'mta', password: 'secret' }],
    ['wrong', { username: 'mta', password: 'Secret' }],
  ]),
  proxyCa: OLD_CERTIFICATE.cert,
  lookUp: () => Promise.reject(new Error('no names here')),
  random: Math.random,
  nowMs: () => performance.now(),
});

/** Unlike `once`, an error on the way is no failure: a reset comes as one. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const giveUpMs = performance.now() + TIMEOUT_MS;
  while (!holds()) {
    assert.ok(performance.now() < giveUpMs, `still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('mail leaves from the address that the MTA names, and from the kernel’s choice when it names none', async (context) => {
  const { port, connects, relays, open } = await running(context);
  const { server, target } = await host(context, (socket) => {
    socket.write('220 mx\r\n');
    socket.on('data', () => socket.end());
  });
  for (const [spec, seen] of [
    [{ sourceAddress: '127.0.0.7' }, '127.0.0.7'],
    [{ dialect: 'Connect' }, '127.0.0.1'],
  ] as const) {
    const accepted = once(server, 'connection');
    const socket = await dial(socks5(port, spec), target, TIMEOUT_MS, never);
    assert.equal((await accepted)[0].remoteAddress, seen);
    assert.equal(String((await once(socket, 'data'))[0]), '220 mx\r\n');
    socket.write('QUIT\r\n');
    await closed(socket);
  }
  assert.deepEqual(connects, ['ok 127.0.0.7', 'ok']);
  await until('both relays are over', () => relays.length === 2 && open() === 0);
  assert.deepEqual(relays, [
    [6, 8],
    [6, 8],
  ]);
});

interface Refusal {
  readonly title: string;
  /** What the client sends at once, hexadecimal; `PORT` = the port of a host that listens on 127.0.0.1. */
  readonly says: string;
  /** All that it reads. */
  readonly reads: string;
  readonly reason: string;
  readonly changes?: Partial<ProxyOptions>;
}

const BIND_2 = '05 02 00 01 7f 00 00 02 00 00';
const BOUND_2 = '05 00 00 01 7f 00 00 02 00 00';
const CONNECT = '05 01 00 01 7f 00 00 01 PORT';
const refused = (code: string): string => `05 ${code} 00 01 00 00 00 00 00 00`;
const USERS = [{ username: 'mta', password: 'secret' }];

const refusals: readonly Refusal[] = [
  {
    title: 'a stranger hears nothing',
    says: '05 01 00',
    reads: '',
    reason: 'client',
    changes: { allowedClients: networks('10.0.0.0/8') },
  },
  { title: 'what speaks HTTP is cut off', says: '47 45 54 20', reads: '', reason: 'protocol' },
  {
    title: 'without a password where one is asked for',
    says: '05 01 00',
    reads: '05 ff',
    reason: 'auth',
    changes: { users: USERS },
  },
  {
    title: 'with the wrong password',
    says: '05 01 02 01 03 6d 74 61 01 78',
    reads: '05 02 01 01',
    reason: 'auth',
    changes: { users: USERS },
  },
  {
    title: 'an unknown user with an empty password',
    says: '05 01 02 01 01 78 00',
    reads: '05 02 01 01',
    reason: 'auth',
    changes: { users: USERS },
  },
  {
    title: 'a target by name: the MTA has looked it up',
    says: '05 01 00 05 01 00 03 02 6d 78 00 19',
    reads: `05 00 ${refused('08')}`,
    reason: 'target',
  },
  {
    title: 'UDP',
    says: '05 01 00 05 03 00 01 7f 00 00 01 00 19',
    reads: `05 00 ${refused('07')}`,
    reason: 'protocol',
  },
  {
    title: 'an address of no type',
    says: '05 01 00 05 01 00 02 00',
    reads: '05 00',
    reason: 'protocol',
  },
  {
    title: 'a source that this machine has not got',
    says: '05 01 00 05 02 00 01 c0 00 02 01 00 00',
    reads: `05 00 ${refused('01')}`,
    reason: 'source',
  },
  {
    title: 'a source that is not allowed',
    says: `05 01 00 ${BIND_2}`,
    reads: `05 00 ${refused('02')}`,
    reason: 'source',
    changes: { allowedSources: networks('127.0.0.3') },
  },
  {
    title: 'no source where only some are allowed',
    says: `05 01 00 ${CONNECT}`,
    reads: `05 00 ${refused('02')}`,
    reason: 'source',
    changes: { allowedSources: networks('127.0.0.3') },
  },
  {
    title: 'a source port',
    says: '05 01 00 05 02 00 01 7f 00 00 02 30 39',
    reads: `05 00 ${refused('02')}`,
    reason: 'source',
  },
  {
    title: 'BIND a second time',
    says: `05 01 00 ${BIND_2} ${BIND_2}`,
    reads: `05 00 ${BOUND_2} ${refused('01')}`,
    reason: 'protocol',
  },
  {
    title: 'an IPv6 target from an IPv4 source',
    says: `05 01 00 ${BIND_2} 05 01 00 04 ${'00 '.repeat(15)}01 00 19`,
    reads: `05 00 ${BOUND_2} ${refused('08')}`,
    reason: 'target',
  },
  {
    title: 'a port that no mail goes to',
    says: `05 01 00 ${CONNECT}`,
    reads: `05 00 ${refused('02')}`,
    reason: 'port',
    changes: { allowedPorts: new Set([25]) },
  },
  {
    title: 'the node itself, unless it is allowed',
    says: `05 01 00 ${CONNECT}`,
    reads: `05 00 ${refused('02')}`,
    reason: 'target',
    changes: { allowedTargets: [] },
  },
  {
    title: 'the node itself, written as an IPv6 address',
    says: `05 01 00 05 01 00 04 ${'00 '.repeat(10)}ff ff 7f 00 00 01 PORT`,
    reads: `05 00 ${refused('02')}`,
    reason: 'target',
    changes: { allowedTargets: [] },
  },
  {
    title: 'a client that drips',
    says: '05 01',
    reads: '',
    reason: 'timeout',
    changes: {
      limits: {
        maxConnections: 9,
        maxConnectionsPerClient: 9,
        handshakeTimeoutMs: 50,
        connectTimeoutMs: TIMEOUT_MS,
        idleTimeoutMs: TIMEOUT_MS,
      },
    },
  },
];

for (const { title, says, reads, reason, changes } of refusals) {
  test(`nobody misuses the proxy: ${title}`, async (context) => {
    const { port, refusals: told, connects, open } = await running(context, changes);
    const { target } = await host(context);
    const client = connect(port, '127.0.0.1');
    client.on('error', () => {});
    let read = '';
    client.on('data', (chunk: Buffer) => {
      read += chunk.toString('hex');
    });
    const hex = says.replace('PORT', target.port.toString(16).padStart(4, '0'));
    client.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    await closed(client);
    assert.equal(read, reads.replaceAll(' ', ''));
    assert.deepEqual(told, [reason]);
    assert.deepEqual(connects, []);
    await until('the client is gone', () => open() === 0);
  });
}

test('a host that refuses is told as such, not as a failure of the proxy', async (context) => {
  const { port, connects, open } = await running(context);
  const { server, target } = await host(context);
  server.close();
  await once(server, 'close');
  await assert.rejects(dial(socks5(port, { sourceAddress: '127.0.0.2' }), target, TIMEOUT_MS, never), {
    code: 'ECONNREFUSED',
  });
  assert.deepEqual(connects, ['refused 127.0.0.2']);
  await until('the client is gone', () => open() === 0);
});

test('a client that leaves while its target does not answer leaves no connection behind', async (context) => {
  const blackHole = spawn(process.execPath, ['-e', SILENT_HOST], { stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(() => blackHole.kill('SIGKILL'));
  const [said] = await once(blackHole.stdout, 'data');
  const target = { address: '127.0.0.1', port: Number(said) };
  const { port, open } = await running(context);
  // A queue of one holds two.
  for (let filler = 0; filler < 2; filler++) {
    const socket = await dial(socks5(port, { dialect: 'Connect' }), target, TIMEOUT_MS, never);
    context.after(() => socket.destroy());
  }
  const leaving = new AbortController();
  const dialled = dial(socks5(port, { dialect: 'Connect' }), target, TIMEOUT_MS, leaving.signal);
  await until('it is connecting', () => open() === 3);
  leaving.abort(new Error('shutting down'));
  await assert.rejects(dialled, /shutting down/);
  await until('the proxy has given up too', () => open() === 2);
});

/** Listens and never accepts: when the kernel's queue is full further SYNs are dropped, as a dead host does. */
const SILENT_HOST = `
const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, String(server.address().port));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
});
`;

test('one client cannot take every connection, and all together no more than are allowed', async (context) => {
  const limits = {
    maxConnections: 3,
    maxConnectionsPerClient: 2,
    handshakeTimeoutMs: TIMEOUT_MS,
    connectTimeoutMs: TIMEOUT_MS,
    idleTimeoutMs: TIMEOUT_MS,
  };
  const { port, proxy, refusals: told } = await running(context, { limits });
  const from = async (localAddress: string): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {});
    await until('it is connected, or cut', () => !socket.connecting);
    return socket;
  };
  const first = await from('127.0.0.2');
  await from('127.0.0.2');
  await until('two clients are in', () => proxy.connections === 2);
  await closed(await from('127.0.0.2'));
  await from('127.0.0.3');
  await until('three clients are in', () => proxy.connections === 3);
  await closed(await from('127.0.0.4'));
  assert.deepEqual(told, ['connections-per-client', 'connections']);
  first.destroy();
  await until('there is room again', () => proxy.connections === 2);
  const late = await from('127.0.0.4');
  await until('it is in', () => proxy.connections === 3);
  assert.ok(!late.destroyed);
});

test('a client that says all it has to say still hears the answer', async (context) => {
  const { port } = await running(context);
  const { target } = await host(context, (socket) => {
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    socket.on('end', () => socket.end(`heard ${heard}`));
  });
  const socket = await dial(socks5(port, { dialect: 'Connect' }), target, TIMEOUT_MS, never);
  socket.allowHalfOpen = true;
  socket.end('all');
  assert.equal(String((await once(socket, 'data'))[0]), 'heard all');
  await closed(socket);
});

test('a message that was cut by a reset does not look to the host like one that ended', async (context) => {
  const { port, open } = await running(context);
  const { server, target } = await host(context, (socket) => socket.resume());
  const accepted = once(server, 'connection');
  const socket = await dial(socks5(port, { dialect: 'Connect' }), target, TIMEOUT_MS, never);
  const [peer]: Socket[] = await accepted;
  assert.ok(peer);
  let ended = false;
  peer.on('end', () => {
    ended = true;
  });
  socket.write('DATA');
  await once(peer, 'data');
  socket.resetAndDestroy();
  const [error] = await once(peer, 'error');
  assert.equal(error.code, 'ECONNRESET');
  assert.ok(!ended);
  await until('nothing is open', () => open() === 0);
});

test('a slow host slows its client down instead of filling the memory of the proxy', async (context) => {
  const { port, proxy, relays, open } = await running(context);
  const { server, target } = await host(context, (socket) => socket.pause());
  const accepted = once(server, 'connection');
  const socket = await dial(socks5(port, { dialect: 'Connect' }), target, TIMEOUT_MS, never);
  const [peer]: Socket[] = await accepted;
  assert.ok(peer);
  const chunk = Buffer.alloc(1 << 20, 'x');
  const sent = 64 * chunk.length;
  const before = process.memoryUsage().arrayBuffers;
  for (let count = 0; count < 64; count++) socket.write(chunk);
  socket.end();
  let last = -1;
  await until('nothing moves any more', () => {
    const moved = proxy.openRelayBytes().toTarget;
    const still = moved > 0 && moved === last;
    last = moved;
    return still;
  });
  assert.ok(socket.writableLength > sent / 4, `${socket.writableLength} wait at the client`);
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 << 20, 'the proxy holds little');
  let read = 0;
  peer.on('data', (part: Buffer) => {
    read += part.length;
  });
  peer.resume();
  await once(peer, 'end');
  assert.equal(read, sent);
  peer.end();
  await until('the relay is over', () => open() === 0);
  assert.deepEqual(relays, [[sent, 0]]);
});

test('a connection that nobody uses any more does not stay for ever', async (context) => {
  const limits = {
    maxConnections: 9,
    maxConnectionsPerClient: 9,
    handshakeTimeoutMs: TIMEOUT_MS,
    connectTimeoutMs: TIMEOUT_MS,
    idleTimeoutMs: 50,
  };
  const { port, open } = await running(context, { limits });
  const { target } = await host(context);
  const socket = await dial(socks5(port, { dialect: 'Connect' }), target, TIMEOUT_MS, never);
  socket.on('error', () => {});
  socket.resume();
  await closed(socket);
  await until('nothing is open', () => open() === 0);
});

test('a node that goes away lets sessions end, takes no new ones, and cuts what is left after its time', async (context) => {
  const { proxy, port, open } = await running(context);
  const { target } = await host(context, (socket) => {
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end());
  });
  const source = socks5(port, { dialect: 'Connect' });
  const first = await dial(source, target, TIMEOUT_MS, never);
  const drained = proxy.drain(TIMEOUT_MS);
  await assert.rejects(dial(source, target, TIMEOUT_MS, never), { code: 'SLUICE_EGRESS_PROXY_UNREACHABLE' });
  first.write('still here');
  assert.equal(String((await once(first, 'data'))[0]), 'still here');
  first.end();
  assert.equal(await drained, 0);
  await until('nothing is open', () => open() === 0);

  const second = await running(context);
  const stubborn = await dial(socks5(second.port, { dialect: 'Connect' }), target, TIMEOUT_MS, never);
  stubborn.on('error', () => {}).resume();
  const cut = closed(stubborn);
  assert.equal(await second.proxy.drain(10), 1);
  await cut;
  await until('nothing is open', () => second.open() === 0);
});

test('TLS, passwords, and a certificate that is renewed while the proxy runs', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-proxy-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const files = { certificateFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') };
  writeFileSync(files.certificateFile, OLD_CERTIFICATE.cert);
  writeFileSync(files.keyFile, OLD_CERTIFICATE.key);
  let nowMs = 0;
  const {
    proxy,
    port,
    refusals: told,
    open,
  } = await running(context, {
    tls: files,
    users: USERS,
    nowMs: () => nowMs,
  });
  const { server, target } = await host(context, (socket) => {
    socket.write('220 mx\r\n');
    socket.on('end', () => socket.end()).resume();
  });
  const source = socks5(port, { sourceAddress: '127.0.0.7', tls: 'Verify', credentialName: 'right' });
  const accepted = once(server, 'connection');
  const socket = await dial(source, target, TIMEOUT_MS, never);
  socket.on('error', () => {});
  assert.equal(String((await once(socket, 'data'))[0]), '220 mx\r\n');
  assert.equal((await accepted)[0].remoteAddress, '127.0.0.7');
  const second = await dial(source, target, TIMEOUT_MS, never);
  assert.ok(second instanceof TLSSocket && second.isSessionReused(), 'a second handshake costs less');
  second.destroy();
  const wrong = socks5(port, { sourceAddress: '127.0.0.7', tls: 'Verify', credentialName: 'wrong' });
  await assert.rejects(dial(wrong, target, TIMEOUT_MS, never), { code: 'SLUICE_EGRESS_PROXY_REFUSED' });

  writeFileSync(files.certificateFile, RENEWED_CERTIFICATE.cert);
  nowMs += 60_000;
  // Half renewed: the old pair goes on.
  assert.equal(await nameShownBy(port), 'proxy.example');
  writeFileSync(files.keyFile, RENEWED_CERTIFICATE.key);
  utimesSync(files.keyFile, 1, 1);
  nowMs += 60_000;
  assert.equal(await nameShownBy(port), 'renewed.example');
  const plain = connect(port, '127.0.0.1').on('error', () => {});
  plain.end('GET / HTTP/1.1\r\n\r\n');
  plain.resume();
  await closed(plain);
  await until('the plain client is told', () => told.includes('tls'));
  socket.resume();
  const cut = closed(socket);
  await until('the others are gone', () => open() === 1);
  assert.equal(await proxy.drain(10), 1);
  await cut;
  await until('nothing is open', () => open() === 0);
});

async function nameShownBy(port: number): Promise<string | string[] | undefined> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.end().resume();
  await closed(socket);
  return subject.CN;
}

test('STARTTLS with a host works inside the TLS to the proxy', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-proxy-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const files = { certificateFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') };
  writeFileSync(files.certificateFile, OLD_CERTIFICATE.cert);
  writeFileSync(files.keyFile, OLD_CERTIFICATE.key);
  const { port, open } = await running(context, { tls: files });
  const size = 1 << 20;
  const { target } = await host(context, (socket) => {
    socket.once('data', () => {
      socket.write('220 Ready\r\n');
      const secure = new TLSSocket(socket, { isServer: true, ...RENEWED_CERTIFICATE });
      let read = 0;
      secure.on('error', () => {});
      secure.on('data', (chunk: Buffer) => {
        read += chunk.length;
        if (read === size) secure.end('250 Ok\r\n');
      });
    });
  });
  const raw = await dial(socks5(port, { dialect: 'Connect', tls: 'Verify' }), target, TIMEOUT_MS, never);
  raw.on('error', () => {});
  raw.write('STARTTLS\r\n');
  assert.equal(String((await once(raw, 'data'))[0]), '220 Ready\r\n');
  const secure = connectTls({ socket: raw, rejectUnauthorized: false });
  secure.on('error', () => {});
  await once(secure, 'secureConnect');
  assert.equal(secure.getPeerCertificate().subject.CN, 'renewed.example');
  secure.write(Buffer.alloc(size, 'x'));
  assert.equal(String((await once(secure, 'data'))[0]), '250 Ok\r\n');
  secure.end();
  raw.destroy();
  await until('nothing is open', () => open() === 0);
});

test('a certificate that cannot be used is told at the start', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-proxy-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const files = { certificateFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') };
  writeFileSync(files.certificateFile, OLD_CERTIFICATE.cert);
  copyFileSync(files.certificateFile, files.keyFile);
  await assert.rejects(running(context, { tls: files }), { code: 'SLUICE_TLS_UNUSABLE' });
});
