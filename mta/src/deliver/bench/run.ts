/**
 * What delivering costs: messages per second and CPU of this process per message, to a minimal sink in another process.
 *
 * `node mta/src/deliver/bench/run.ts [MESSAGES]` → one JSON line for each way of transfer, size and number of sessions.
 */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createOpenSession, type Session, type Transaction } from '../mod.ts';

const openSession = createOpenSession({ nowMs: () => performance.now() });
const MINUTE_MS = 60_000;
const timeouts = {
  connectMs: MINUTE_MS,
  greetingMs: MINUTE_MS,
  ehloMs: MINUTE_MS,
  startTlsMs: MINUTE_MS,
  authMs: MINUTE_MS,
  mailMs: MINUTE_MS,
  rcptMs: MINUTE_MS,
  dataMs: MINUTE_MS,
  dataBlockMs: MINUTE_MS,
  finalDotMs: MINUTE_MS,
  rsetMs: MINUTE_MS,
  quitMs: MINUTE_MS,
};
const ROUNDS = 3;
const LINE = `${'abcdefghi '.repeat(7)}abcdef\r\n`;
const messages = Number(process.argv[2] ?? 40_000);

for (const extensions of [['pipelining', 'chunking'], ['pipelining'], []]) {
  const sink = spawn(process.execPath, [join(import.meta.dirname, 'sink.ts'), ...extensions], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const port = Number(await new Promise((resolve) => sink.stdout.once('data', resolve)));
  for (const sizeBytes of [2_048, 102_400]) {
    for (const sessions of [1, 8]) {
      const count = Math.ceil(
        (sizeBytes > 10_000 ? messages / 8 : messages) / (extensions.length === 0 ? 4 : 1),
      );
      await measure(port, sizeBytes, sessions, Math.ceil(count / 4));
      const rounds = [];
      for (let round = 0; round < ROUNDS; round++)
        rounds.push(await measure(port, sizeBytes, sessions, count));
      rounds.sort((a, b) => a.micros - b.micros);
      const median = rounds[Math.floor(ROUNDS / 2)];
      const line = {
        bench: 'deliver',
        extensions: extensions.join('+') || 'none',
        sizeBytes,
        sessions,
        messages: count,
        messagesPerSecond: Math.round(median?.perSecond ?? 0),
        cpuMicrosPerMessage: Math.round((median?.micros ?? 0) * 10) / 10,
      };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    }
  }
  sink.stdin.end();
}

async function measure(port: number, sizeBytes: number, sessions: number, count: number) {
  const body = Buffer.from(
    LINE.repeat(Math.ceil(sizeBytes / LINE.length))
      .slice(0, sizeBytes - 2)
      .concat('\r\n'),
  );
  const transaction: Transaction = {
    sender: 'sender@bench.example',
    recipients: ['user@sink.example'],
    body: [body],
    sizeBytes: body.length,
    eightBit: false,
    smtputf8: false,
  };
  const open: Session[] = [];
  for (let index = 0; index < sessions; index++) {
    const session = await openSession({
      dial: () =>
        new Promise((resolve, reject) => {
          const socket = connect({ port, host: '127.0.0.1', noDelay: true });
          socket.once('connect', () => resolve(socket));
          socket.once('error', reject);
        }),
      hostName: 'sink.example',
      address: '127.0.0.1',
      port,
      ehlo: 'bench.example',
      tls: { level: 'Disabled' },
      timeouts,
    });
    if (!session.ok) throw new Error(session.reply.text);
    open.push(session);
  }
  let started = 0;
  const cpu = process.cpuUsage();
  const startedAtMs = performance.now();
  await Promise.all(
    open.map(async (session) => {
      while (started < count) {
        started++;
        const result = await session.send(transaction);
        if (result.recipients[0]?.status !== 'delivered') throw new Error(JSON.stringify(result));
      }
    }),
  );
  const seconds = (performance.now() - startedAtMs) / 1000;
  const used = process.cpuUsage(cpu);
  await Promise.all(open.map((session) => session.close()));
  return { perSecond: count / seconds, micros: (used.user + used.system) / count };
}
