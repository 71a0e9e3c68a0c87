import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Why a test that needs a terminal cannot run here; `false` = it can. */
export function skipWithoutTerminal(covers: string): string | false {
  const found = spawnSync('script', ['--version']);
  return found.status === 0 ? false : `script(1) of util-linux is not installed: ${covers} is not covered`;
}

const ESC = '\x1b';
const HOME = `${ESC}[H`;
const ERASE_BELOW = `${ESC}[J`;
/** What steers a terminal (ECMA-48 CSI). */
const SEQUENCE = new RegExp(`${ESC}\\[[0-9;?]*[a-zA-Z]`, 'g');

/** A program in a terminal of its own, driven from outside. */
export interface PseudoTerminal {
  /** All that it wrote so far. */
  readonly output: string;
  /** What a person would see of the last screen: lines without sequences. */
  screen(): readonly string[];
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  /** Sends the program a signal. */
  signal(name: 'INT' | 'TERM' | 'KILL'): void;
  /** Resolves with its exit code, and whether the terminal's modes are what they were. */
  readonly ended: Promise<{ readonly code: number; readonly restored: boolean }>;
  close(): void;
}

/** Runs a program in a terminal of that size; its arguments are given to the shell as they are. */
export function inTerminal(
  args: readonly string[],
  { columns, rows }: { readonly columns: number; readonly rows: number },
): PseudoTerminal {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-terminal-'));
  const at = (name: string): string => join(directory, name);
  const program = args.map((each) => `'${each}'`).join(' ');
  const steps = [
    `tty > ${at('tty')}`,
    `stty rows ${rows} cols ${columns}`,
    `stty -g > ${at('before')}`,
    `sh -c 'echo $$ > ${at('pid')}; exec "$0" "$@"' ${program}`,
    `echo $? > ${at('code')}`,
    `stty -g > ${at('after')}`,
  ];
  const child: ChildProcess = spawn('script', ['--quiet', '--command', steps.join('; '), '/dev/null'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TERM: 'xterm',
      SHELL: '/bin/sh',
      PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}`,
    },
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const read = (name: string): string => readFileSync(at(name), 'utf8').trim();
  const ended = new Promise<{ code: number; restored: boolean }>((resolve, reject) => {
    child.once('close', () => {
      try {
        resolve({ code: Number(read('code')), restored: read('before') === read('after') });
      } catch (error) {
        reject(error);
      }
    });
  });
  // Who is interested awaits it.
  ended.catch(() => {});
  return {
    get output() {
      return output;
    },
    screen: () => {
      const begin = output.lastIndexOf(HOME, output.lastIndexOf(ERASE_BELOW));
      const last = output.slice(begin + HOME.length, output.indexOf(ERASE_BELOW, begin));
      return begin < 0 ? [] : last.replaceAll(SEQUENCE, '').split('\r\n');
    },
    type: (keys) => void child.stdin?.write(keys),
    resize: (width, height) =>
      void spawnSync('stty', ['-F', read('tty'), 'rows', String(height), 'cols', String(width)]),
    signal: (name) => void process.kill(Number(read('pid')), `SIG${name}`),
    ended,
    close() {
      child.kill('SIGKILL');
      try {
        process.kill(Number(read('pid')), 'SIGKILL');
      } catch {
        // It has ended.
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
