import type { Logger } from '../config/mod.ts';

/** Pause before a worker that died is started again; doubles with each death up to the second one, milliseconds. */
export const FIRST_RESTART_MS = 1_000;
export const MAX_RESTART_MS = 30_000;
/** A worker that ran so long died for another reason than its start. */
export const STEADY_AFTER_MS = 60_000;

/** A started worker process. */
export interface WorkerProcess {
  readonly pid: number;
  /** SIGTERM: it drains and ends. */
  stop(): void;
  /** Resolves with its admin address when it is ready; never rejects. */
  readonly ready: Promise<string>;
  /** Resolves with how it ended: `code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
}

export interface SupervisorOptions {
  readonly count: number;
  /** Starts worker 1…count. */
  readonly start: (number: number) => WorkerProcess;
  readonly logger: Logger;
  readonly firstRestartMs?: number;
}

interface Slot {
  readonly number: number;
  process: WorkerProcess | undefined;
  /** Admin address; `undefined` = not ready. */
  admin: string | undefined;
  startedAtMs: number;
  restartMs: number;
  restarts: number;
}

/**
 * Keeps so many workers running: one that dies is started again, later each time. A first worker that ends before it was ever ready has
 * told why on its standard error: then nothing is tried again.
 */
export class WorkerSupervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: readonly Slot[];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #failed = Promise.withResolvers<string>();
  readonly #listening = Promise.withResolvers<void>();
  #stopping = false;
  #everReady = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      number: index + 1,
      process: undefined,
      admin: undefined,
      startedAtMs: 0,
      restartMs: options.firstRestartMs ?? FIRST_RESTART_MS,
      restarts: 0,
    }));
  }

  /** Resolves when a worker ends before any was ready: with how it ended. */
  get failed(): Promise<string> {
    return this.#failed.promise;
  }

  /** Resolves when every worker has been ready once. */
  get allReady(): Promise<void> {
    return this.#listening.promise;
  }

  get count(): number {
    return this.#options.count;
  }

  /** Times that workers were started again. */
  get restarts(): number {
    return this.#slots.reduce((sum, { restarts }) => sum + restarts, 0);
  }

  /** Those that are ready now: number and admin address. */
  get ready(): readonly { readonly number: number; readonly admin: string }[] {
    return this.#slots.flatMap(({ number, admin }) => (admin === undefined ? [] : { number, admin }));
  }

  run(): void {
    for (const slot of this.#slots) this.#start(slot);
  }

  /** Tells every worker to drain; resolves when all are gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const running = this.#slots.flatMap(({ process }) => process ?? []);
    for (const process of running) process.stop();
    await Promise.all(running.map(({ ended }) => ended));
  }

  #start(slot: Slot): void {
    const { start, logger } = this.#options;
    const process = start(slot.number);
    slot.process = process;
    slot.startedAtMs = performance.now();
    logger.info({ worker: slot.number, pid: process.pid }, 'worker started');
    void process.ready.then((admin) => {
      if (slot.process !== process) return;
      slot.admin = admin;
      this.#everReady = true;
      logger.info({ worker: slot.number, pid: process.pid }, 'worker is ready');
      if (this.#slots.every((each) => each.admin !== undefined)) this.#listening.resolve();
    });
    void process.ended.then((how) => this.#ended(slot, how));
  }

  #ended(slot: Slot, how: string): void {
    const { logger, firstRestartMs = FIRST_RESTART_MS } = this.#options;
    slot.process = undefined;
    slot.admin = undefined;
    if (this.#stopping) {
      logger.info({ worker: slot.number, how }, 'worker ended');
      return;
    }
    if (!this.#everReady) {
      logger.error({ worker: slot.number, how }, 'worker ended before it was ready');
      this.#failed.resolve(how);
      return;
    }
    if (performance.now() - slot.startedAtMs >= STEADY_AFTER_MS) slot.restartMs = firstRestartMs;
    const pauseMs = slot.restartMs;
    slot.restartMs = Math.min(MAX_RESTART_MS, slot.restartMs * 2);
    logger.error({ worker: slot.number, how, pauseMs }, 'worker ended: it is started again');
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      slot.restarts++;
      this.#start(slot);
    }, pauseMs);
    this.#timers.add(timer);
  }
}
