import { type Command, InvalidArgumentError } from 'commander';
import { type BlastResult, blast as runBlast, type Weighted } from '../blast/mod.ts';

interface BlastFlags {
  readonly target: string;
  readonly messages: number;
  readonly recipients: number;
  readonly sessions: number;
  readonly rate?: number;
  readonly domain: readonly Weighted<string>[];
  readonly size: readonly Weighted<number>[];
  readonly sender: readonly Weighted<string>[];
  readonly user?: string;
  readonly passwordEnv: string;
  readonly seed: number;
}

/** How often the progress bar is drawn, milliseconds. */
const PROGRESS_MS = 250;
const BAR_WIDTH = 30;

/** Adds `sluice blast`: bounded load over SMTP. */
export function blast(program: Command): void {
  program
    .command('blast')
    .summary('Send test mail, and measure how it is accepted')
    .description(
      'Sends generated mail over SMTP: weighted domains and sizes, several sessions, bounded in count. Prints rates and latencies.',
    )
    .option('--target <host:port>', 'where to send it', '127.0.0.1:2525')
    .option('--messages <n>', 'how many messages', atLeastOne, 1000)
    .option('--recipients <n>', 'recipients of each message', atLeastOne, 1)
    .option('--sessions <n>', 'connections at the same time', atLeastOne, 20)
    .option(
      '--rate <n>',
      'messages per second over all sessions (default: as fast as they are taken)',
      atLeastOne,
    )
    .option('--domain <name[:weight]>', 'recipient domain, may be repeated', weightedText, [])
    .option('--size <bytes[:weight]>', 'message size, may be repeated', weightedSize, [])
    .option('--sender <address[:weight]>', 'envelope sender, may be repeated', weightedText, [])
    .option('--user <name>', 'authenticate with AUTH PLAIN')
    .option('--password-env <variable>', 'environment variable with the password', 'SLUICE_BLAST_PASSWORD')
    .option('--seed <n>', 'seed of all choices: the same seed sends the same mail', atLeastOne, 1)
    .addHelpText(
      'after',
      '\nExamples:\n  sluice blast --messages 10000 --domain gmail.example:3 --domain yahoo.example:1\n' +
        '  sluice blast --rate 500 --size 2048:9 --size 102400:1 --sessions 50\n  sluice blast --json\n',
    )
    .action(async (flags: BlastFlags, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: true }>();
      const colon = flags.target.lastIndexOf(':');
      let answered = 0;
      const progress = setInterval(() => showProgress(answered, flags.messages), PROGRESS_MS);
      if (!process.stderr.isTTY) clearInterval(progress);
      const stop = new AbortController();
      process.once('SIGINT', () => stop.abort());
      const result = await runBlast({
        target: {
          host: flags.target.slice(0, colon),
          port: Number(flags.target.slice(colon + 1)),
          ...(flags.user === undefined
            ? {}
            : { auth: { username: flags.user, password: process.env[flags.passwordEnv] ?? '' } }),
        },
        sessions: flags.sessions,
        ...(flags.rate === undefined ? {} : { ratePerSecond: flags.rate }),
        signal: stop.signal,
        plan: {
          run: `b${Date.now().toString(36).slice(-6)}`,
          messages: flags.messages,
          recipientsPerMessage: flags.recipients,
          domains: flags.domain.length === 0 ? [{ value: 'sink.example', weight: 1 }] : flags.domain,
          sizesBytes: flags.size.length === 0 ? [{ value: 2048, weight: 1 }] : flags.size,
          senders: flags.sender.length === 0 ? [{ value: 'blast@sender.example', weight: 1 }] : flags.sender,
          seed: flags.seed,
        },
        onAnswer: () => {
          answered++;
        },
      });
      clearInterval(progress);
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
      process.stdout.write(json ? `${JSON.stringify(result)}\n` : forPeople(result));
      if (result.accepted === 0) process.exitCode = 1;
    });
}

function showProgress(answered: number, total: number): void {
  const full = Math.round((answered / total) * BAR_WIDTH);
  process.stderr.write(`\r[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}] ${answered}/${total}`);
}

function forPeople(result: BlastResult): string {
  const { latencyMs } = result;
  const seconds = result.elapsedMs / 1000;
  const refused = Object.entries(result.refused).map(
    ([code, count]) => `${count} x ${code === '0' ? 'connection lost' : code}`,
  );
  return (
    `accepted  ${result.accepted} messages (${result.acceptedRecipients} recipients) in ${seconds.toFixed(1)} s, ${(result.accepted / seconds).toFixed(0)}/s\n` +
    `latency   p50 ${latencyMs.p50.toFixed(1)} ms, p95 ${latencyMs.p95.toFixed(1)} ms, p99 ${latencyMs.p99.toFixed(1)} ms, max ${latencyMs.max.toFixed(1)} ms\n` +
    `${histogramText(result)}` +
    `refused   ${refused.length === 0 ? 'none' : `${refused.join(', ')}; last: ${result.lastRefusal}`}\n`
  );
}

/** Bars of the latency histogram, the longest {@link BAR_WIDTH} wide. */
function histogramText({ histogram }: BlastResult): string {
  const most = Math.max(1, ...histogram.map(({ count }) => count));
  return histogram
    .map(({ upToMs, count }) => {
      const bar = '#'.repeat(Math.ceil((count / most) * BAR_WIDTH));
      return `  up to ${String(upToMs).padStart(6)} ms ${String(count).padStart(8)} ${bar}\n`;
    })
    .join('');
}

function atLeastOne(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number of at least 1.');
  return value;
}

/** `name` or `name:weight`. */
function weightedText(text: string, before: readonly Weighted<string>[]): readonly Weighted<string>[] {
  const colon = text.lastIndexOf(':');
  const weight = colon < 0 ? 1 : Number(text.slice(colon + 1));
  if (!(weight > 0)) throw new InvalidArgumentError('A weight is a number above 0, as in example.com:3.');
  return [...before, { value: colon < 0 ? text : text.slice(0, colon), weight }];
}

function weightedSize(text: string, before: readonly Weighted<number>[]): readonly Weighted<number>[] {
  const parsed = weightedText(text, []).at(-1);
  return [...before, { value: atLeastOne(parsed?.value ?? ''), weight: parsed?.weight ?? 1 }];
}
