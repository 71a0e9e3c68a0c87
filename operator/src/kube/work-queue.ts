import { Backoff } from './backoff.ts';

/** First delay after a failure of a key; doubles with each, to the maximum. Milliseconds. */
export const RETRY_MIN_MS = 50;
export const RETRY_MAX_MS = 60_000;

/** What became of a key: done, or again later. `afterMs` is obeyed where it is longer than the back-off. */
export type WorkResult = { readonly type: 'Done' } | { readonly type: 'Retry'; readonly afterMs?: number };

export interface WorkQueueOptions {
  /** Handles one key. A key is never handled twice at a time; one that is added meanwhile is handled once more after. */
  readonly handle: (key: string) => Promise<WorkResult>;
  /** A handler threw: a bug. The key is tried again with the back-off. */
  readonly onBug: (key: string, error: unknown) => void;
  readonly workers: number;
  readonly random: () => number;
  readonly minMs?: number;
  readonly maxMs?: number;
}

/**
 * Keys that wait to be handled: each once, however often it was added. What fails is tried again with a growing delay, which ends with the first success.
 *
 * Example: `const queue = new WorkQueue({ handle: (key) => reconcile(key), … }); queue.add('compile')`
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #handling = new Set<string>();
  /** Added while they are handled. */
  readonly #again = new Set<string>();
  readonly #backoffs = new Map<string, Backoff>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #idle: (() => void)[] = [];
  #paused = true;
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait, are handled, or are tried again later. */
  get size(): number {
    return this.#waiting.size + this.#handling.size + this.#timers.size;
  }

  /** Handles what waits from now on. */
  start(): void {
    this.#paused = false;
    this.#next();
  }

  /** Begins nothing more; resolves when what is under way has ended. What waits goes on waiting. */
  async pause(): Promise<void> {
    this.#paused = true;
    if (this.#handling.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Forgets all that waits; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
    this.#again.clear();
    await this.pause();
  }

  /** A key has news: it is handled as soon as a worker is free, even if it failed a moment ago. */
  add(key: string): void {
    if (this.#stopped) return;
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (this.#handling.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#next();
  }

  /** The key needs no more care: its back-off begins anew, and no later try is left. */
  forget(key: string): void {
    this.#backoffs.delete(key);
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
  }

  #next(): void {
    for (const key of this.#waiting) {
      if (this.#paused || this.#handling.size >= this.#options.workers) return;
      this.#waiting.delete(key);
      this.#handling.add(key);
      void this.#handle(key);
    }
  }

  async #handle(key: string): Promise<void> {
    const { handle, onBug } = this.#options;
    let result: WorkResult = { type: 'Retry' };
    try {
      result = await handle(key);
    } catch (error) {
      onBug(key, error);
    }
    this.#handling.delete(key);
    if (result.type === 'Done') this.forget(key);
    else if (!this.#again.has(key)) this.#retry(key, result.afterMs ?? 0);
    if (this.#again.delete(key)) this.#waiting.add(key);
    if (this.#handling.size === 0) {
      for (const resolve of this.#idle) resolve();
      this.#idle = [];
    }
    this.#next();
  }

  #retry(key: string, afterMs: number): void {
    if (this.#stopped) return;
    const { random, minMs = RETRY_MIN_MS, maxMs = RETRY_MAX_MS } = this.#options;
    const backoff = this.#backoffs.get(key) ?? new Backoff({ minMs, maxMs, random });
    this.#backoffs.set(key, backoff);
    const timer = setTimeout(() => this.add(key), Math.max(afterMs, backoff.next()));
    this.#timers.set(key, timer);
  }
}
