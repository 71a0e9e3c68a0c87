import { Worker } from 'node:worker_threads';
import type { Answer, OpenAnswer, Request, StoreOptions } from './sqlite-batch.ts';

/** Pause before a store that failed is opened again. */
export const REOPEN_PAUSE_MS = 1_000;

export type Opened = Extract<OpenAnswer, { readonly kind: 'opened' }>;

export interface StoreThreadHooks {
  readonly onAnswer: (answer: Exclude<Answer, OpenAnswer>) => void;
  /** What was posted and not answered is lost, maybe after it became durable. Nothing can be posted until it is open again. */
  readonly onLost: (reason: string) => void;
}

/** The pod's end of the store's thread. A thread that died, whatever of, is replaced when the owner calls {@link open} again. */
export class StoreThread {
  readonly #entry: URL;
  readonly #options: StoreOptions;
  readonly #hooks: StoreThreadHooks;
  #worker: Worker | undefined;

  constructor(entry: URL, options: StoreOptions, hooks: StoreThreadHooks) {
    this.#entry = entry;
    this.#options = options;
    this.#hooks = hooks;
  }

  /** Starts a thread; resolves with its first word, rejects when it dies before that. */
  open(): Promise<OpenAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<OpenAnswer>();
    const worker = new Worker(this.#entry, { workerData: this.#options });
    let reason = '';
    worker.on('message', (answer: Answer) => {
      if (answer.kind === 'broken') ({ reason } = answer);
      else if (answer.kind === 'not-opened') resolve(answer);
      else if (answer.kind === 'opened') {
        this.#worker = worker;
        resolve(answer);
      } else this.#hooks.onAnswer(answer);
    });
    worker.on('error', (error) => {
      reason = error instanceof Error ? error.message : String(error);
    });
    // Not before it is gone: until then it may hold the lock of the file.
    worker.on('exit', (code) => {
      if (reason === '') reason = `the store's thread ended with ${code}`;
      reject(new Error(reason));
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#hooks.onLost(reason);
    });
    return promise;
  }

  post(request: Request, transfer: ArrayBuffer[] = []): void {
    this.#worker?.postMessage(request, transfer);
  }
}
