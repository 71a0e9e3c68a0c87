import { connect, createServer, type Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { createOpenSession, type Session, type Transaction } from '@sluice/mta/deliver';
import { FALSE_ENDS } from '../harness/hygiene-table.ts';
import type { TestKey } from '../harness/test-certificate.ts';
import type { FuzzTarget } from './fuzz-run.ts';
import { type Seen, serveOddly } from './odd-server.ts';
import { Random } from './random.ts';

const TIMEOUT_MS = 150;
const TIMEOUTS = {
  connectMs: 5_000,
  greetingMs: TIMEOUT_MS,
  ehloMs: TIMEOUT_MS,
  startTlsMs: 4 * TIMEOUT_MS,
  authMs: TIMEOUT_MS,
  mailMs: TIMEOUT_MS,
  rcptMs: TIMEOUT_MS,
  dataMs: TIMEOUT_MS,
  dataBlockMs: TIMEOUT_MS,
  finalDotMs: TIMEOUT_MS,
  rsetMs: TIMEOUT_MS,
  quitMs: TIMEOUT_MS,
};
/** What opening, a transaction or closing may take with these: each phase once in its time-out, twice over for a second connection. */
const MAX_STEP_MS = 15_000;

const LOCAL_PARTS = ['user', 'a.b+c', '"a b"', '\xc3\xbc', 'üser'] as const;
const DANGEROUS_LOCAL_PARTS = [
  'x>\r\nRCPT TO:<victim',
  'x\r\nRSET',
  'x\nRCPT TO:<victim',
  'x\rDATA',
  'x\0',
  'x> NOTIFY=NEVER <victim',
  '"x"> RCPT TO:<victim',
  'x y',
  '',
] as const;

/**
 * Starts the hosts of bad manners that the client of a pod is set against: the real client, on real sockets.
 *
 * Example: `const client = await startFuzzedClient(makeKey()); await client.run(1, 0)`
 */
export async function startFuzzedClient(key: TestKey): Promise<FuzzTarget & { close(): Promise<void> }> {
  const secureContext = createSecureContext(key);
  const hosts = new Map<string, { readonly random: Random; readonly seen: Seen }>();
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const host = hosts.get(socket.remoteAddress ?? '');
    if (host === undefined) socket.destroy();
    else serveOddly(socket, host.random, secureContext, host.seen);
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return {
    async run(seed, run) {
      const random = Random.ofRun(seed, run);
      const address = `127.3.${(run >> 7) & 255}.${(run & 127) + 1}`;
      const seen: Seen = { offences: [], taken: 0, disorderly: false };
      hosts.set(address, { random: new Random(random.below(2 ** 31)), seen });
      const dialled: Socket[] = [];
      const wrong = await dialogue(random, { address, port, seen, dialled }).catch((error: unknown) => [
        `it threw ${error instanceof Error ? error.stack : String(error)}`,
      ]);
      hosts.delete(address);
      if (dialled.some((socket) => !socket.destroyed)) wrong.push('a socket is still open after close');
      wrong.push(...seen.offences);
      return wrong.length === 0 ? undefined : wrong.join('\n');
    },
    async leftOver() {
      const giveUpMs = performance.now() + 5_000;
      while (open.size > 0 && performance.now() < giveUpMs)
        await new Promise((resolve) => setTimeout(resolve, 10));
      return open.size === 0 ? [] : [`${open.size} connections are open`];
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

interface Host {
  readonly address: string;
  readonly port: number;
  readonly seen: Seen;
  readonly dialled: Socket[];
}

async function dialogue(random: Random, host: Host): Promise<string[]> {
  const wrong: string[] = [];
  const openSession = createOpenSession({ nowMs: () => performance.now() });
  const opened = await inTime(
    'opening',
    openSession({
      dial: (signal) => dial(host, signal),
      hostName: 'odd.example',
      address: '127.0.0.1',
      port: host.port,
      ehlo: 'out.example',
      tls: { level: random.one(['Disabled', 'Opportunistic', 'Opportunistic', 'Encrypt']) },
      ...(random.chance(0.1) && { auth: { username: 'user', password: 'secret' } }),
      timeouts: TIMEOUTS,
    }),
  );
  if (!opened.ok) {
    if (opened.reply.code < 400 || /[\r\n]/.test(opened.reply.text))
      wrong.push(`a failure with ${JSON.stringify(opened.reply)}`);
    return wrong;
  }
  let ends = 0;
  opened.onEnd = () => {
    ends++;
  };
  let delivered = 0;
  for (let left = random.below(4); left > 0 && opened.usable; left--) {
    delivered += await transact(opened, transaction(random), wrong);
  }
  if (!host.seen.disorderly && delivered > host.seen.taken) {
    wrong.push(`${delivered} messages count as delivered, the host took ${host.seen.taken}`);
  }
  await inTime('closing', random.chance(0.8) ? opened.close() : opened.destroy());
  if (ends > 1) wrong.push(`onEnd was called ${ends} times`);
  return wrong;
}

/** 1 when a recipient counts as delivered. */
async function transact(session: Session, sent: Transaction, wrong: string[]): Promise<number> {
  const result = await inTime('a transaction', session.send(sent));
  if (result.recipients.length !== sent.recipients.length) {
    wrong.push(`${sent.recipients.length} recipients, ${result.recipients.length} results`);
  }
  for (const { status, reply } of result.recipients) {
    const good =
      status === 'delivered'
        ? reply.code < 300
        : status === 'transient'
          ? reply.code < 500
          : reply.code >= 500;
    if (!good || /[\r\n\0]/.test(reply.text)) wrong.push(`${status} with ${JSON.stringify(reply)}`);
  }
  return result.recipients.some(({ status }) => status === 'delivered') ? 1 : 0;
}

function transaction(random: Random): Transaction {
  const address = (): string =>
    `${random.chance(0.85) ? random.one(LOCAL_PARTS) : random.one(DANGEROUS_LOCAL_PARTS)}@mx.example`;
  let text = 'Subject: x\r\n\r\n';
  for (const word of random.many(['line\r\n', '.\r\n', '..\r\n', 'a\r\n.b\r\n', 'QUIT\r\n.\r\n'], 12))
    text += word;
  if (random.chance(0.02)) text += `${'x'.repeat(70)}\r\n`.repeat(8_000);
  if (random.chance(0.15)) {
    const [first = '\n.\n', ...others] = FALSE_ENDS;
    text += `x${random.one([first, ...others])}RCPT TO:<victim@x.example>\r\n`;
  }
  if (random.chance(0.1)) text += 'no line end';
  const body = random.cut(text, 5).map((piece) => Buffer.from(piece, 'latin1'));
  return {
    sender: random.chance(0.1) ? '' : address(),
    recipients: Array.from({ length: 1 + random.below(4) }, address),
    body,
    sizeBytes: text.length,
    eightBit: random.chance(0.1),
    smtputf8: random.chance(0.1),
  };
}

function dial(host: Host, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: host.port, host: '127.0.0.1', localAddress: host.address, noDelay: true });
    host.dialled.push(socket);
    signal.addEventListener('abort', () => socket.destroy(new Error('aborted')));
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function inTime<T>(what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${MAX_STEP_MS} ms`)), MAX_STEP_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
