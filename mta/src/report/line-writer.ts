import { write } from 'node:fs';

/** Characters that wait for a slow reader before lines are dropped. */
export const DEFAULT_MAX_PENDING_CHARS = 16 * 1024 * 1024;
/** A batch is written as soon as it has this many characters… */
export const BATCH_CHARS = 64 * 1024;
/** … or when its first line is this old. */
export const FLUSH_INTERVAL_MS = 50;
/** Pause after EAGAIN: the pipe is full and somebody made it non-blocking. */
const FULL_PIPE_PAUSE_MS = 10;

export interface LineWriterOptions {
  readonly maxPendingChars?: number;
  /** Called when writing begins to fail, and with `undefined` when it works again. */
  readonly onState: (error: Error | undefined) => void;
}

/**
 * Appends lines to a file descriptor in batches, in the thread pool: a stopped log collector or a full disk costs
 * lines (counted), never the event loop's time. `process.stdout` would block the whole process on a full pipe.
 */
export class LineWriter {
  readonly #fd: number;
  readonly #maxPendingChars: number;
  readonly #onState: (error: Error | undefined) => void;
  #lines: string[] = [];
  #pendingChars = 0;
  #dropped = 0;
  /** Lines taken, and those of them that were written or given up. */
  #taken = 0;
  #settled = 0;
  readonly #waiting: { readonly until: number; readonly resolve: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #failing = false;
  #tornLine = false;

  constructor(fd: number, options: LineWriterOptions) {
    this.#fd = fd;
    this.#maxPendingChars = options.maxPendingChars ?? DEFAULT_MAX_PENDING_CHARS;
    this.#onState = options.onState;
  }

  /** Lines that were not written: the buffer was full, or the write failed. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a line that ends in `\n`; drops it when too much waits already. */
  write(line: string): void {
    if (this.#pendingChars + line.length > this.#maxPendingChars) {
      this.#dropped++;
      return;
    }
    this.#taken++;
    this.#lines.push(line);
    this.#pendingChars += line.length;
    if (this.#writing !== undefined) return;
    if (this.#pendingChars >= BATCH_CHARS) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), FLUSH_INTERVAL_MS);
  }

  /** Resolves when what was taken so far is written, or given up because that failed; `undefined` = it is. */
  written(): Promise<void> | undefined {
    if (this.#settled === this.#taken) return undefined;
    if (this.#writing === undefined) this.#start();
    return new Promise((resolve) => this.#waiting.push({ until: this.#taken, resolve }));
  }

  /** Resolves when everything taken so far was written or dropped. A reader that stands still holds it up. */
  async flush(): Promise<void> {
    while (this.#lines.length > 0 || this.#writing !== undefined) {
      if (this.#writing === undefined) this.#start();
      await this.#writing;
    }
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#drain().finally(() => {
      this.#writing = undefined;
    });
  }

  async #drain(): Promise<void> {
    while (this.#lines.length > 0) {
      const lines = this.#lines;
      const chars = this.#pendingChars;
      this.#lines = [];
      const error = await this.#append(Buffer.from((this.#tornLine ? '\n' : '') + lines.join('')));
      this.#pendingChars -= chars;
      if (error !== undefined) this.#dropped += lines.length;
      this.#settled += lines.length;
      while (this.#waiting[0] !== undefined && this.#waiting[0].until <= this.#settled)
        this.#waiting.shift()?.resolve();
      if ((error !== undefined) !== this.#failing) {
        this.#failing = error !== undefined;
        this.#onState(error);
      }
    }
  }

  async #append(bytes: Buffer): Promise<Error | undefined> {
    let offset = 0;
    while (offset < bytes.length) {
      const result = await writeSome(this.#fd, bytes, offset);
      if (typeof result === 'number') {
        offset += result;
      } else if (result.code === 'EAGAIN') {
        await new Promise((resolve) => setTimeout(resolve, FULL_PIPE_PAUSE_MS));
      } else {
        // What was written of this batch may end in the middle of a line: the next batch starts a new one.
        this.#tornLine ||= offset > 0 && bytes[offset - 1] !== 0x0a;
        return result;
      }
    }
    this.#tornLine = false;
    return undefined;
  }
}

function writeSome(fd: number, bytes: Buffer, offset: number): Promise<number | NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    write(fd, bytes, offset, bytes.length - offset, null, (error, written) => resolve(error ?? written));
  });
}
