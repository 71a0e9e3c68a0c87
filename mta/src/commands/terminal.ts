import type { ReadStream, WriteStream } from 'node:tty';
import type { ScreenLine } from './top-screen.ts';

/** What a terminal understands (ECMA-48, and xterm's private modes that all of today's share). */
const ESC = '\x1b[';
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l`;
const LEAVE = `${ESC}?7h${ESC}?25h${ESC}?1049l`;
const STYLES = { plain: '', title: `${ESC}1m`, bar: `${ESC}7m`, alert: `${ESC}1;31m` } as const;
const RESET = `${ESC}0m`;

/** Signals that end a process unless it says otherwise. Ctrl-C comes as a key while the terminal is ours, from elsewhere as SIGINT. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface TerminalEvents {
  /** One key, or one sequence of a special key. */
  readonly onKey: (key: string) => void;
  readonly onResize: () => void;
  /** A signal asks for the end; the terminal is restored already. */
  readonly onSignal: () => void;
}

/**
 * A terminal that is drawn on in place: the alternate screen, so that what was there before comes back, and keys one by one. It is restored
 * by `close`, at the end of the process however that ends (but for SIGKILL), and by a signal.
 *
 * Example: `const terminal = openTerminal(process.stdin, process.stdout, events); terminal.draw(lines); terminal.close()`
 */
export function openTerminal(input: ReadStream, output: WriteStream, events: TerminalEvents): Terminal {
  return new Terminal(input, output, events);
}

export class Terminal {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #events: TerminalEvents;
  #open = true;

  constructor(input: ReadStream, output: WriteStream, events: TerminalEvents) {
    this.#input = input;
    this.#output = output;
    this.#events = events;
    output.write(ENTER);
    if (input.isTTY) input.setRawMode(true);
    input.setEncoding('utf8').on('data', this.#onData).resume();
    output.on('resize', events.onResize);
    process.on('exit', this.#restore);
    for (const signal of ENDING) process.on(signal, this.#onSignal);
    process.on('SIGCONT', this.#onContinue);
  }

  get size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }

  /** Draws over what is there, in one write, so that nothing flickers. */
  draw(lines: readonly ScreenLine[]): void {
    if (!this.#open) return;
    const { columns, rows } = this.size;
    const text = lines.slice(0, rows).map(({ text: plain, style }) => {
      const shown = style === 'bar' ? plain.padEnd(columns) : plain;
      return STYLES[style] === '' ? shown : `${STYLES[style]}${shown}${RESET}`;
    });
    this.#output.write(`${ESC}H${text.map((line) => `${line}${ESC}K`).join('\r\n')}${ESC}J`);
  }

  close(): void {
    if (!this.#open) return;
    this.#restore();
    this.#input.off('data', this.#onData).pause();
    this.#output.off('resize', this.#events.onResize);
    process.off('exit', this.#restore);
    for (const signal of ENDING) process.off(signal, this.#onSignal);
    process.off('SIGCONT', this.#onContinue);
  }

  readonly #restore = (): void => {
    if (!this.#open) return;
    this.#open = false;
    if (this.#input.isTTY) this.#input.setRawMode(false);
    this.#output.write(LEAVE);
  };

  readonly #onSignal = (): void => {
    this.close();
    this.#events.onSignal();
  };

  /** The shell has had the terminal meanwhile. */
  readonly #onContinue = (): void => {
    if (this.#input.isTTY) this.#input.setRawMode(true);
    this.#output.write(ENTER);
    this.#events.onResize();
  };

  readonly #onData = (data: Buffer | string): void => {
    for (const key of keysIn(String(data))) this.#events.onKey(key);
  };
}

/**
 * The keys in what was read: escape sequences whole, so that an arrow is no Esc.
 *
 * Example: `keysIn('q\x1b[Ax')` → `['q', '\x1b[A', 'x']`
 */
export function keysIn(text: string): readonly string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Esc is what begins a special key.
  return text.match(/\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Za-z]|[\s\S]/gu) ?? [];
}
