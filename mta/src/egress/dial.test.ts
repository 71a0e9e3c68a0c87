import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { SluiceError, type SourceConfig } from '@sluice/crds';
import { createDial } from './dial.ts';
import { sourceFamily } from './source-family.ts';

const TIMEOUT_MS = 5_000;
const dial = createDial({
  credentials: new Map(),
  lookUp: () => Promise.reject(new Error('there are no proxies here')),
  random: Math.random,
  nowMs: () => performance.now(),
});
const never = new AbortController().signal;
let server: Server;
let port = 0;
const peers = new Set<Socket>();

before(async () => {
  server = createServer((socket) => peers.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = addressOf(server).port;
});

after(() => {
  for (const peer of peers) peer.destroy();
  server.close();
});

function addressOf(listening: Server): AddressInfo {
  const address = listening.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address;
}

function source(egress: SourceConfig['egress'], address = '192.0.2.10'): SourceConfig {
  return { name: 'ip-1', address, ehlo: 'out.example', weight: 1, state: 'Active', labels: {}, egress };
}

test('mail of a bound source leaves from its address and no other', async () => {
  const accepted = once(server, 'connection');
  const socket = await dial(
    source({ type: 'Bind', bind: { address: '127.0.0.7' } }),
    { address: '127.0.0.1', port },
    TIMEOUT_MS,
    never,
  );
  const [peer] = await accepted;
  assert.equal(peer.remoteAddress, '127.0.0.7');
  assert.equal(socket.localAddress, '127.0.0.7');
  socket.destroy();
});

test('a direct source works although its public address is not on this machine', async () => {
  const socket = await dial(source({ type: 'Direct' }), { address: '127.0.0.1', port }, TIMEOUT_MS, never);
  assert.equal(socket.localAddress, '127.0.0.1');
  socket.destroy();
});

test('a bound address that this machine does not have is named with its cure', async () => {
  await assert.rejects(
    dial(
      source({ type: 'Bind', bind: { address: '192.0.2.99' } }),
      { address: '127.0.0.1', port },
      TIMEOUT_MS,
      never,
    ),
    (error) =>
      error instanceof SluiceError &&
      error.code === 'SLUICE_EGRESS_ADDRESS_MISSING' &&
      error.message.includes('192.0.2.99') &&
      error.cure !== '' &&
      error.cause instanceof Error,
  );
});

test('a refused connection keeps the system code, by which the next host is tried', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const free = addressOf(closed).port;
  closed.close();
  await once(closed, 'close');
  await assert.rejects(
    dial(source({ type: 'Direct' }), { address: '127.0.0.1', port: free }, TIMEOUT_MS, never),
    {
      code: 'ECONNREFUSED',
    },
  );
});

test('a host that does not answer costs the connect timeout and no more', async () => {
  const silent = spawn(process.execPath, ['-e', SILENT_HOST], { stdio: ['ignore', 'pipe', 'inherit'] });
  const fillers: Socket[] = [];
  try {
    const [said] = await once(silent.stdout, 'data');
    const target = { address: '127.0.0.1', port: Number(said) };
    // A queue of one holds two.
    for (let filler = 0; filler < 2; filler++) {
      const socket = await dial(source({ type: 'Direct' }), target, TIMEOUT_MS, never);
      fillers.push(socket.on('error', () => {}));
    }
    await assert.rejects(dial(source({ type: 'Direct' }), target, 100, never), { code: 'ETIMEDOUT' });
  } finally {
    for (const socket of fillers) socket.destroy();
    silent.kill('SIGKILL');
    await once(silent, 'exit');
  }
});

/** A process that listens and never accepts: when the kernel's queue is full further SYNs are dropped, as a dead host does. */
const SILENT_HOST = `
const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, String(server.address().port));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
});
`;

test('giving up ends the connection attempt at once with the reason given', async () => {
  const controller = new AbortController();
  const dialled = dial(
    source({ type: 'Direct' }),
    { address: '127.0.0.1', port },
    TIMEOUT_MS,
    controller.signal,
  );
  controller.abort(new Error('shutting down'));
  await assert.rejects(dialled, /shutting down/);
  await assert.rejects(
    dial(source({ type: 'Direct' }), { address: '127.0.0.1', port }, TIMEOUT_MS, controller.signal),
    /shutting down/,
  );
});

test('only hosts of the family that a source can speak are tried', () => {
  assert.equal(sourceFamily(source({ type: 'Direct' })), 4);
  assert.equal(sourceFamily(source({ type: 'Direct' }, '2001:db8::10')), 6);
  assert.equal(sourceFamily(source({ type: 'Bind', bind: { address: 'fd00::5' } })), 6);
  assert.equal(sourceFamily(source({ type: 'Bind', bind: { address: '10.0.0.5' } }, '2001:db8::10')), 4);
  const haproxy = { host: '::1', port: 1, protocol: 'V2', sourceAddress: '10.0.0.5' } as const;
  assert.equal(sourceFamily(source({ type: 'HAProxy', haproxy })), 4);
  const socks5 = { host: '::1', port: 1, dialect: 'BindConnect', tls: 'Disabled' } as const;
  const told = { ...socks5, sourceAddress: 'fd00::5' };
  assert.equal(sourceFamily(source({ type: 'SOCKS5', socks5: told }, '2001:db8::10')), 6);
  assert.equal(sourceFamily(source({ type: 'SOCKS5', socks5: { ...socks5, dialect: 'Connect' } })), 4);
});
