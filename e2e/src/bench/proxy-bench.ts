/**
 * What `sluice proxy` moves and what it costs: `node e2e/src/bench/proxy-bench.ts [--seconds 5]`. Load and sink are one process, the proxy is
 * another one, so that its CPU is its own. Prints a line for each kind of load.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { SourceConfig } from '@sluice/crds';
import { createDial } from '@sluice/mta/egress';
import { cpuSeconds, residentBytes } from '../harness/process-usage.ts';
import { startProxyProcess } from '../harness/proxy-process.ts';
import { makeCertificate } from '../harness/test-certificate.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' } } });
const SECONDS = Number(values.seconds);
const CONNECT_TIMEOUT_MS = 10_000;
/** Written at a time by a stream: what a socket hands over at once. */
const CHUNK_BYTES = 64 << 10;
const never = new AbortController().signal;

const host = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  // A session says a greeting, a stream discards; both close when told to.
  socket.write('220 mx\r\n');
  socket.on('data', () => {});
  socket.on('end', () => socket.end());
});
host.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
await once(host, 'listening');
const bound = host.address();
if (typeof bound !== 'object' || bound === null) throw new Error('it does not listen');
const target = { address: '127.0.0.1', port: bound.port };

const directory = mkdtempSync(join(tmpdir(), 'sluice-proxy-bench-'));
const certificate = makeCertificate('proxy.example', directory);
const dial = createDial({
  credentials: new Map(),
  lookUp: async () => ({ addresses: ['127.0.0.1'], ttlMs: 60_000 }),
  random: Math.random,
  nowMs: () => performance.now(),
  proxyCa: readFileSync(certificate.certificateFile, 'utf8'),
});

for (const tls of [false, true]) {
  const proxy = await startProxyProcess([
    ...['--allow-target', '127.0.0.0/8', '--allow-port', String(target.port)],
    ...(tls ? ['--tls-certificate', certificate.certificateFile, '--tls-key', certificate.keyFile] : []),
  ]);
  const source: SourceConfig = {
    name: 'ip-1',
    address: '192.0.2.1',
    ehlo: 'out.example',
    weight: 1,
    state: 'Active',
    labels: {},
    egress: {
      type: 'SOCKS5',
      socks5: {
        host: 'proxy.example',
        port: proxy.port,
        dialect: 'BindConnect',
        sourceAddress: '127.0.0.7',
        tls: tls ? 'Verify' : 'Disabled',
      },
    },
  };
  const open = (): Promise<Socket> => dial(source, target, CONNECT_TIMEOUT_MS, never);
  const kind = tls ? 'TLS' : 'plain';
  await streams(kind, proxy.pid, open, 4);
  await sessions(kind, proxy.pid, open, 16);
  await idle(kind, proxy.pid, open, 1_000);
  await proxy.kill('SIGKILL');
}
host.close();
rmSync(directory, { recursive: true });
process.exit(0);

/** Bulk: how many octets a second, and what a GB costs. */
async function streams(kind: string, pid: number, open: () => Promise<Socket>, count: number): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: count }, open));
  const chunk = Buffer.alloc(CHUNK_BYTES, 'x');
  const endAtMs = performance.now() + SECONDS * 1000;
  const before = cpuSeconds(pid);
  const startMs = performance.now();
  let bytes = 0;
  await Promise.all(
    sockets.map(async (socket) => {
      socket.resume();
      while (performance.now() < endAtMs) {
        bytes += chunk.length;
        if (!socket.write(chunk)) await once(socket, 'drain');
      }
      socket.end();
      await once(socket, 'close');
    }),
  );
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = cpuSeconds(pid) - before;
  print(
    kind,
    `${count} streams`,
    `${(bytes / seconds / 1e6).toFixed(0)} MB/s, ${((cpu / bytes) * 1e9).toFixed(2)} s CPU per GB`,
  );
}

/** Short connections: handshake, greeting, end. */
async function sessions(
  kind: string,
  pid: number,
  open: () => Promise<Socket>,
  count: number,
): Promise<void> {
  const before = cpuSeconds(pid);
  const startMs = performance.now();
  const endAtMs = startMs + SECONDS * 1000;
  let done = 0;
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (performance.now() < endAtMs) {
        const socket = await open();
        await once(socket, 'data');
        socket.end();
        await once(socket, 'close');
        done++;
      }
    }),
  );
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = cpuSeconds(pid) - before;
  print(
    kind,
    `${count} openers`,
    `${(done / seconds).toFixed(0)} connections/s, ${((cpu / done) * 1e6).toFixed(0)} µs CPU each`,
  );
}

/** Sessions that wait: memory. */
async function idle(kind: string, pid: number, open: () => Promise<Socket>, count: number): Promise<void> {
  const before = residentBytes(pid);
  const sockets: Socket[] = [];
  for (let index = 0; index < count; index++) sockets.push((await open()).on('error', () => {}).resume());
  print(
    kind,
    `${count} idle`,
    `${((residentBytes(pid) - before) / count / 1024).toFixed(0)} KB resident each`,
  );
  for (const socket of sockets) socket.destroy();
}

function print(kind: string, load: string, result: string): void {
  process.stdout.write(`${kind.padEnd(6)} ${load.padEnd(12)} ${result}\n`);
}
