/**
 * Pipelining SMTP client for the benchmark of the listener: the last bytes of one message and MAIL, RCPT, DATA of the
 * next leave in one write, so one message costs the client one write and one read.
 *
 * `node load-generator.ts PORT SIZE_BYTES MESSAGES CONNECTIONS` → one JSON line `{"seconds":…,"messages":…,"refused":…}`
 */
import { connect } from 'node:net';

const [port, sizeBytes, messages, connections] = process.argv.slice(2).map(Number);
if (!port || !sizeBytes || !messages || !connections) {
  throw new Error('usage: load-generator.ts PORT SIZE_BYTES MESSAGES CONNECTIONS');
}

const header =
  'From: <sender@bench.example>\r\nTo: <user@sink.example>\r\nSubject: benchmark\r\n' +
  'Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <bench@bench.example>\r\n' +
  'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n';
const line = `${'abcdefghi '.repeat(7)}abcdef\r\n`;
const body = header + line.repeat(Math.max(1, Math.ceil((sizeBytes - header.length) / line.length)));
const envelope = 'MAIL FROM:<sender@bench.example>\r\nRCPT TO:<user@sink.example>\r\nDATA\r\n';
const lastBody = Buffer.from(`${body}.\r\n`);
const nextBody = Buffer.from(`${body}.\r\n${envelope}`);

let started = 0;
let finished = 0;
let refused = 0;
const startedAt = performance.now();

function run(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port ?? 0, '127.0.0.1');
    socket.setNoDelay(true);
    let state: 'greeting' | 'ehlo' | 'mail' = 'greeting';
    let pending = '';
    let last = false;
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('data', (chunk) => {
      pending += chunk.toString('latin1', 0, chunk.length);
      for (;;) {
        const end = pending.indexOf('\r\n');
        if (end === -1) return;
        const code = pending.slice(0, 3);
        const more = pending[3] === '-';
        const isFinal = state === 'mail' && pending.startsWith('queued', 10);
        pending = pending.slice(end + 2);
        if (more) continue;
        if (state === 'greeting') {
          state = 'ehlo';
          socket.write('EHLO bench.example\r\n');
        } else if (state === 'ehlo') {
          state = 'mail';
          if (started++ >= (messages ?? 0)) return socket.end('QUIT\r\n');
          socket.write(envelope);
        } else if (code === '354') {
          last = started >= (messages ?? 0);
          if (!last) started++;
          socket.write(last ? lastBody : nextBody);
        } else if (code === '221') {
          return;
        } else if (code !== '250') {
          refused++;
          socket.destroy();
        } else if (isFinal) {
          finished++;
          if (last) socket.end('QUIT\r\n');
        }
      }
    });
  });
}

await Promise.all(Array.from({ length: connections }, run));
const seconds = (performance.now() - startedAt) / 1000;
process.stdout.write(`${JSON.stringify({ seconds, messages: finished, refused })}\n`);
