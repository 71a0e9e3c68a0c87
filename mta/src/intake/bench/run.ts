/**
 * Cost of accepting mail: msg/s and CPU of the listening process per message, `accept` resolving at once.
 *
 * `node mta/src/intake/bench/run.ts [listener.ts|bare-smtp-server.ts] [--prof DIR]` → one JSON line per size.
 */
import { execFile, fork } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

interface Usage {
  readonly cpu: NodeJS.CpuUsage;
  readonly rss: number;
}

const ROUNDS = 3;
const CONNECTIONS = 16;
const SIZES: readonly (readonly [sizeBytes: number, messages: number])[] = [
  [2_048, 40_000],
  [102_400, 4_000],
];

const subject = process.argv[2] ?? 'listener.ts';
const profileAt = process.argv.indexOf('--prof');
const profileDir = profileAt === -1 ? undefined : process.argv[profileAt + 1];
const execArgv = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];

for (const [sizeBytes, messages] of SIZES) {
  const server = fork(join(import.meta.dirname, subject), { execArgv });
  const answer = <T>(): Promise<T> => new Promise((resolve) => server.once('message', (m: T) => resolve(m)));
  const { port } = await answer<{ port: number }>();
  const usage = (): Promise<Usage> => {
    const reply = answer<Usage>();
    server.send('usage');
    return reply;
  };
  await load(port, sizeBytes, Math.ceil(messages / 4));
  const rounds: { perSecond: number; micros: number }[] = [];
  let rss = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const before = await usage();
    const result = await load(port, sizeBytes, messages);
    const after = await usage();
    const micros = after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system;
    rounds.push({ perSecond: result.messages / result.seconds, micros: micros / result.messages });
    rss = after.rss;
  }
  rounds.sort((a, b) => a.micros - b.micros);
  const median = rounds[ROUNDS >> 1]!;
  console.log(
    JSON.stringify({
      bench: 'intake',
      subject,
      sizeBytes,
      messages,
      acceptedPerSecond: Math.round(median.perSecond),
      cpuMicrosPerMessage: Number(median.micros.toFixed(1)),
      rssMb: Math.round(rss / 1024 / 1024),
    }),
  );
  server.disconnect();
}

async function load(
  port: number,
  sizeBytes: number,
  messages: number,
): Promise<{ readonly seconds: number; readonly messages: number }> {
  const generator = join(import.meta.dirname, 'load-generator.ts');
  const numbers = [port, sizeBytes, messages, CONNECTIONS].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, [generator, ...numbers]);
  const result: { seconds: number; messages: number; refused: number } = JSON.parse(stdout);
  if (result.refused > 0)
    throw new Error(`${result.refused} messages were refused: the figures mean nothing`);
  return result;
}
