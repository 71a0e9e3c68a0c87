import { setTimeout } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { MAX_ACTIVITY_ROWS } from '../control/mod.ts';
import { DEFAULT_ADMIN, duration } from './directive-flags.ts';
import { addNatsOptions, type NatsFlags, whomToAsk } from './nats-flags.ts';
import { openTerminal } from './terminal.ts';
import { afterKey } from './top-keys.ts';
import { openTopPoll, type TopPoll } from './top-poll.ts';
import { type ScreenLine, type TopChoice, topLine, topScreen } from './top-screen.ts';
import { TOP_SORTS, type TopSort, type TopState } from './top-state.ts';

interface TopFlags extends NatsFlags {
  readonly admin?: readonly string[];
  readonly interval: number;
  readonly once?: true;
  readonly sort: TopSort;
  readonly filter: string;
}

/** Between two looks, unless somebody says otherwise, milliseconds. */
export const TOP_INTERVAL_MS = 2_000;
const LEAST_INTERVAL_MS = 500;

/** Of one snapshot, where no terminal says how much fits. */
const SNAPSHOT_COLUMNS = 120;

/** Adds `sluice top`: what happens now. */
export function top(program: Command): void {
  const command = program
    .command('top')
    .summary('Watch what the running MTAs do')
    .description(
      'Shows what running MTAs do, as it changes: messages in and out per second, the queue, rates and connections of sites and sources, directives, and the pods. ' +
        'Keys: q ends, s sorts, / filters. Where the output is no terminal, and with --json, one line is printed at each look.',
    )
    .option('--interval <duration>', 'time between two looks', interval, TOP_INTERVAL_MS)
    .option('--once', 'one look, then the end')
    .option('--sort <column>', `rows with most of it first: ${TOP_SORTS.join(', ')}`, sort, 'queued')
    .option('--filter <text>', 'only sites, Groups and sources whose name has this in it', '')
    .option('--admin <address:port...>', `admin addresses of the MTAs to ask (default: ${DEFAULT_ADMIN})`);
  addNatsOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice top --config sluice.yaml\n  $ sluice top --nats nats://nats.mail:4222 --sort deferred\n' +
        '  $ sluice top --admin 10.0.0.1:9025 --once --json\n',
    )
    .action(async (flags: TopFlags, self: Command) => {
      const { json } = self.optsWithGlobals<{ json?: true }>();
      const write = (text: string): void => self.configureOutput().writeOut?.(text);
      const poll = await openTopPoll(whomToAsk(flags), MAX_ACTIVITY_ROWS, flags.interval);
      try {
        if (json || flags.once || !process.stdout.isTTY) await printLines(poll, flags, json === true, write);
        else await watch(poll, flags);
      } finally {
        await poll.close();
      }
    });
}

/** One line a look, or with `--once` the tables. */
async function printLines(
  poll: TopPoll,
  { interval: intervalMs, once, sort: order, filter }: TopFlags,
  json: boolean,
  write: (text: string) => void,
): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  try {
    while (!ending.signal.aborted) {
      const state = await poll.look();
      if (json) write(`${JSON.stringify(state)}\n`);
      else if (once) write(snapshotText(state, { sort: order, filter, typing: false }));
      else write(topLine(state));
      if (once) return;
      await setTimeout(intervalMs, undefined, { signal: ending.signal }).catch(() => {});
    }
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
  }
}

/** The screen without the line of keys, as many rows as there are. */
function snapshotText(state: TopState, choice: TopChoice): string {
  const rows = 20 + state.sites.length + state.sources.length + state.directives.length + state.pods.length;
  const columns = process.stdout.columns || SNAPSHOT_COLUMNS;
  const lines = topScreen(state, choice, { columns, rows }, Date.parse(state.at)).slice(0, -1);
  return `${lines
    .map(({ text }) => text)
    .join('\n')
    .trimEnd()}\n`;
}

/** Draws until somebody has seen enough. */
async function watch(poll: TopPoll, flags: TopFlags): Promise<void> {
  let choice: TopChoice = { sort: flags.sort, filter: flags.filter, typing: false };
  // The first look may fail, and then nothing was drawn yet.
  let state = await poll.look();
  let trouble = '';
  let ended = false;
  const over = Promise.withResolvers<void>();
  const ending = new AbortController();
  const end = (): void => {
    ended = true;
    over.resolve();
    ending.abort();
  };
  const draw = (): void => {
    const { columns, rows } = terminal.size;
    const lines: readonly ScreenLine[] =
      trouble === ''
        ? topScreen(state, choice, { columns, rows }, Date.parse(state.at))
        : [
            { text: trouble.slice(0, columns), style: 'alert' },
            ...topScreen(state, choice, { columns, rows: rows - 1 }, Date.parse(state.at)),
          ];
    terminal.draw(lines);
  };
  const terminal = openTerminal(process.stdin, process.stdout, {
    onKey(key) {
      const next = afterKey(choice, key);
      if (next === undefined) return end();
      choice = next;
      draw();
    },
    onResize: draw,
    onSignal: end,
  });
  try {
    while (!ended) {
      draw();
      await setTimeout(flags.interval, undefined, { signal: ending.signal }).catch(() => {});
      if (ended) return;
      try {
        const looked = await Promise.race([over.promise, poll.look()]);
        if (looked === undefined) return;
        state = looked;
        trouble = '';
      } catch (error) {
        trouble = error instanceof Error ? error.message : String(error);
      }
    }
  } finally {
    terminal.close();
  }
}

function interval(text: string): number {
  const ms = duration(text);
  if (ms >= LEAST_INTERVAL_MS) return ms;
  throw new InvalidArgumentError(`it is at least ${LEAST_INTERVAL_MS}ms.`);
}

function sort(text: string): TopSort {
  for (const known of TOP_SORTS) if (known === text) return known;
  throw new InvalidArgumentError(`it is one of ${TOP_SORTS.join(', ')}.`);
}
