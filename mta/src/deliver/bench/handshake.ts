/**
 * What a TLS session costs the sender: CPU of this process for opening and closing one, in clear, with a full handshake, and resumed.
 *
 * `node mta/src/deliver/bench/handshake.ts [SESSIONS]` → one JSON line for each.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DEFAULT_TIMEOUTS } from '@sluice/crds';
import { createOpenSession } from '../mod.ts';

const sessions = Number(process.argv[2] ?? 1_000);
const ca = [readFileSync(new URL('../../../testdata/tls/ca.pem', import.meta.url), 'utf8')];
const sink = spawn(process.execPath, [join(import.meta.dirname, 'tls-sink.ts')], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const [told] = await once(sink.stdout, 'data');
const port = Number(told);

for (const way of ['in clear', 'full handshake', 'resumed'] as const) {
  await measure(way, 100);
  process.stdout.write(
    `${JSON.stringify({ bench: 'handshake', way, sessions, ...(await measure(way, sessions)) })}\n`,
  );
}
sink.stdin.end();

async function measure(way: 'in clear' | 'full handshake' | 'resumed', count: number) {
  const openSession = createOpenSession({ nowMs: () => performance.now() });
  let resumed = 0;
  const cpu = process.cpuUsage();
  for (let index = 0; index < count; index++) {
    const session = await openSession({
      dial: async () => {
        const socket = connect({ port, host: '127.0.0.1', noDelay: true });
        await once(socket, 'connect');
        return socket;
      },
      hostName: 'mx.example',
      address: '127.0.0.1',
      port,
      // Tickets are kept for each source.
      ehlo: way === 'resumed' ? 'out.example' : `out${index}.example`,
      tls: { level: way === 'in clear' ? 'Disabled' : 'Verify', ca },
      timeouts: DEFAULT_TIMEOUTS,
    });
    if (!session.ok) throw new Error(session.reply.text);
    if (session.tls?.resumed === true) resumed++;
    await session.close();
  }
  const used = process.cpuUsage(cpu);
  return { resumed, cpuMicrosPerSession: Math.round((used.user + used.system) / count) };
}
