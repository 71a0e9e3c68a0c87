import { type ChildProcess, spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

/** After its end, what it forked may hold its outputs open; they are read for so long, milliseconds. */
const OUTPUT_LIMIT_MS = 500;

/** What would outlive a test that ends in the middle. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A program that a test started. */
export interface StartedProgram {
  readonly pid: number;
  /** Lines of both its outputs so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line, old or new, in which `find` sees something. Rejects when the program ends before. */
  line<T>(find: (line: string) => T | undefined): Promise<T>;
  /** Resolves when it has ended, with its exit code; `null` = a signal ended it. */
  readonly ended: Promise<number | null>;
  /** The same, as far as it is known now; `undefined` = it runs. */
  readonly code: number | null | undefined;
  /** Sends a signal, then as {@link ended}. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

/**
 * Starts a program in the foreground. It ends with the test's process at the latest.
 *
 * Example: `const haproxy = startProgram(['haproxy', '-db', '-f', file]); … await haproxy.kill('SIGKILL')`
 */
export function startProgram([program = '', ...flags]: readonly string[]): StartedProgram {
  const child = spawn(program, flags, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` },
  });
  running.add(child);
  const lines: string[] = [];
  const watchers = new Set<(line: string) => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const watcher of watchers) watcher(line);
    });
  }
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => {
      running.delete(child);
      const limit = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, OUTPUT_LIMIT_MS);
      child.once('close', () => clearTimeout(limit));
    });
    child.once('close', (code) => resolve(code));
  });
  // Who waits for a line hears of a program that is not there.
  ended.catch(() => {});
  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    get code() {
      return child.exitCode === null && child.signalCode === null ? undefined : child.exitCode;
    },
    line: (find) => firstLine(find, lines, watchers, ended, program),
    kill: (signal) => kill(child, signal, ended),
  };
}

function firstLine<T>(
  find: (line: string) => T | undefined,
  lines: readonly string[],
  watchers: Set<(line: string) => void>,
  ended: Promise<number | null>,
  program: string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const look = (line: string): void => {
      const found = find(line);
      if (found === undefined) return;
      watchers.delete(look);
      resolve(found);
    };
    watchers.add(look);
    for (const line of lines) look(line);
    ended.then(
      (code) => reject(new Error(`${program} ended with ${code}:\n${lines.slice(-20).join('\n')}`)),
      reject,
    );
  });
}

function kill(
  child: ChildProcess,
  signal: NodeJS.Signals,
  ended: Promise<number | null>,
): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  return ended;
}
