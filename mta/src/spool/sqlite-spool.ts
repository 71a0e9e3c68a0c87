import { SluiceError } from '@sluice/crds';
import { type BatchUnderWay, CommitQueue, type WaitingAppend } from './commit-queue.ts';
import type { Envelope, MessageBody } from './envelope.ts';
import { OutcomeGathering } from './outcome-gathering.ts';
import { settleReads, settleRecords } from './settlement.ts';
import type { AppendRefusal, Outcome, Reference, Spool, SpoolUsage, StoredMessage } from './spool.ts';
import type { SpoolListener } from './spool-listener.ts';
import type {
  Answer,
  BatchAnswer,
  OpenAnswer,
  OpenProblem,
  PageAnswer,
  StoredRow,
  StoreFailure,
  StoreOptions,
} from './sqlite-batch.ts';
import { type Opened, REOPEN_PAUSE_MS, StoreThread } from './store-thread.ts';
import { storedMessage } from './stored-form.ts';

/** A client waits at most so long for its 250 (DESIGN §4.2). */
export const APPEND_TIMEOUT_MS = 5_000;
/** Bytes of bodies that may wait for the disk; beyond it mail is refused, so a slow disk cannot fill the memory. */
export const MAX_WAITING_BYTES = 128 * 1024 * 1024;
/** The one timer looks for late appends, a stale figure of free space and a store to open again this often, at most. */
const MAX_TICK_MS = 250;
const MEASURE_EVERY_MS = 1_000;
/** Messages that a replay holds in memory at a time. */
const REPLAY_PAGE_ROWS = 1_000;

export interface SqliteSpoolOptions extends StoreOptions {
  /** Below this much free space mail is refused with `full`. */
  readonly minFreeBytes: number;
  readonly appendTimeoutMs?: number;
  readonly maxWaitingBytes?: number;
  /** Module that runs the store; tests give one that fails. */
  readonly threadEntry?: URL;
}

/**
 * The spool on one machine: SQLite in a thread of its own. While one batch is being committed the next one gathers, so one
 * fsync serves all that came meanwhile.
 *
 * @throws {SluiceError} `SLUICE_SPOOL_LOCKED`, `_FOREIGN`, `_VERSION`, `_CORRUPT`, `_UNUSABLE`
 *
 * Example: `const spool = await openSqliteSpool({ path: '/var/lib/sluice/spool.sqlite', minFreeBytes: 1 << 30 });`
 */
export async function openSqliteSpool(options: SqliteSpoolOptions): Promise<Spool> {
  const spool = new SqliteSpool(options);
  const opened = await spool.open();
  if (opened.kind === 'opened') return spool;
  throw new SluiceError(OPEN_ERRORS[opened.problem], { file: options.path, reason: opened.reason });
}

const OPEN_ERRORS = {
  locked: 'SLUICE_SPOOL_LOCKED',
  foreign: 'SLUICE_SPOOL_FOREIGN',
  version: 'SLUICE_SPOOL_VERSION',
  corrupt: 'SLUICE_SPOOL_CORRUPT',
  unusable: 'SLUICE_SPOOL_UNUSABLE',
} as const satisfies Record<OpenProblem, string>;

type State =
  | { readonly kind: 'open' }
  /** The store failed; from `againAtMs` on it is opened again. */
  | { readonly kind: 'down'; readonly reason: string; readonly againAtMs: number }
  | { readonly kind: 'opening'; readonly reason: string }
  | { readonly kind: 'closed' };

interface WaitingPage {
  readonly resolve: (rows: readonly StoredRow[]) => void;
  readonly reject: (error: Error) => void;
}

class SqliteSpool implements Spool {
  readonly #thread: StoreThread;
  readonly #minFreeBytes: number;
  readonly #appendTimeoutMs: number;
  readonly #maxWaitingBytes: number;
  readonly #tickMs: number;
  readonly #queue = new CommitQueue();
  #timer: NodeJS.Timeout | undefined;
  #state: State = { kind: 'opening', reason: 'the store is being opened' };
  #nextSequence = 1;
  #usage: SpoolUsage = { messages: 0, usedBytes: 0, freeBytes: 0 };
  #measuredAtMs = 0;
  #waitingBytes = 0;
  #underWay: BatchUnderWay | undefined;
  #scheduled = false;
  #pages: WaitingPage[] = [];
  readonly #gathering = new OutcomeGathering(() => this.#send());
  #closing: PromiseWithResolvers<void> | undefined;

  constructor({ path, maxPages, threadEntry, ...options }: SqliteSpoolOptions) {
    this.#minFreeBytes = options.minFreeBytes;
    this.#appendTimeoutMs = options.appendTimeoutMs ?? APPEND_TIMEOUT_MS;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? MAX_WAITING_BYTES;
    this.#tickMs = Math.min(MAX_TICK_MS, this.#appendTimeoutMs / 10);
    const entry = threadEntry ?? new URL('./sqlite-thread.ts', import.meta.url);
    this.#thread = new StoreThread(
      entry,
      { path, maxPages },
      { onAnswer: (answer) => this.#answered(answer), onLost: (reason) => this.#lost(reason) },
    );
  }

  async open(): Promise<OpenAnswer> {
    const opened = await this.#thread.open();
    if (opened.kind !== 'opened') return opened;
    this.#opened(opened);
    this.#timer = setInterval(() => this.#tick(performance.now()), this.#tickMs);
    return opened;
  }

  append(envelope: Envelope, body: MessageBody): Promise<Reference | AppendRefusal> {
    const nowMs = performance.now();
    const refusal = this.#refusal(envelope.sizeBytes, nowMs);
    if (refusal !== undefined) return Promise.resolve(refusal);
    return new Promise((resolve) => {
      const { bytes } = this.#queue.addAppend(this.#nextSequence++, envelope, body, nowMs, resolve);
      this.#waitingBytes += bytes;
      this.#schedule();
    });
  }

  record(outcomes: readonly Outcome[]): Promise<{ readonly mismatched: number }> {
    return new Promise((resolve, reject) => {
      this.#mustBeOpen();
      this.#queue.addRecord(outcomes, resolve, reject);
      this.#gathering.begin();
      if (this.#outcomesMayGo) this.#schedule();
    });
  }

  read(
    reference: Reference,
  ): Promise<{ readonly envelope: Envelope; readonly body: MessageBody } | undefined> {
    return new Promise((resolve, reject) => {
      this.#mustBeOpen();
      this.#queue.addRead({ reference, resolve, reject });
      this.#schedule();
    });
  }

  async *replay(): AsyncIterable<StoredMessage> {
    const oldest = this.#underWay?.appends[0] ?? this.#underWay?.unfinished ?? this.#queue.first;
    const end = oldest?.sequence ?? this.#nextSequence;
    let afterSequence = 0;
    for (;;) {
      const rows = await this.#page(afterSequence);
      for (const row of rows) {
        if (row.sequence >= end) return;
        if (!this.#queue.isWithdrawn(row)) yield storedMessage(row);
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < REPLAY_PAGE_ROWS) return;
      afterSequence = last.sequence;
    }
  }

  async follow({ onMail }: SpoolListener): Promise<void> {
    for await (const message of this.replay()) onMail(message);
  }

  /** One process has all of it. */
  partOf(): number {
    return 0;
  }

  begin(): 'go' {
    return 'go';
  }

  /** There is nobody to take it: the next process does. */
  abandon(): void {}

  async release(): Promise<void> {}

  usage(): SpoolUsage {
    return this.#usage;
  }

  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.promise;
    this.#closing = Promise.withResolvers<void>();
    if (this.#state.kind === 'open') this.#schedule();
    else if (this.#state.kind === 'down') this.#closed();
    return this.#closing.promise;
  }

  #refusal(sizeBytes: number, nowMs: number): AppendRefusal | undefined {
    const trouble = this.#trouble();
    if (trouble !== undefined) return { refused: 'unavailable', reason: trouble };
    const standsForMs = this.#underWay === undefined ? 0 : nowMs - this.#underWay.sinceMs;
    if (standsForMs > this.#appendTimeoutMs) {
      return {
        refused: 'unavailable',
        reason: `the disk has not answered for ${Math.round(standsForMs)} ms`,
      };
    }
    const { freeBytes } = this.#usage;
    if (freeBytes - this.#waitingBytes - sizeBytes < this.#minFreeBytes) {
      return {
        refused: 'full',
        reason: `${freeBytes} bytes are free, ${this.#minFreeBytes} must stay free (spec.spool.sqlite.minFreeBytes)`,
      };
    }
    // One message is taken whatever its size.
    if (this.#waitingBytes > 0 && this.#waitingBytes + sizeBytes > this.#maxWaitingBytes) {
      return { refused: 'unavailable', reason: `${this.#waitingBytes} bytes already wait for the disk` };
    }
    return undefined;
  }

  /** Why nothing can be done now. */
  #trouble(): string | undefined {
    if (this.#closing !== undefined) return 'the spool is closed';
    return this.#state.kind === 'down' || this.#state.kind === 'opening' ? this.#state.reason : undefined;
  }

  #mustBeOpen(): void {
    const trouble = this.#trouble();
    if (trouble !== undefined) throw new Error(trouble);
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay !== undefined) return;
    this.#scheduled = true;
    // What else comes in this turn of the event loop shares the commit.
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  /** A commit for the outcomes that wait is due, or one is made anyway. */
  get #outcomesMayGo(): boolean {
    const { outcomes, hasChanges } = this.#queue;
    return hasChanges || this.#closing !== undefined || this.#gathering.isEnough(outcomes);
  }

  #send(): void {
    if (this.#underWay !== undefined || this.#state.kind !== 'open') return;
    const withOutcomes = this.#outcomesMayGo;
    if (withOutcomes ? !this.#queue.isEmpty : this.#queue.hasReads) {
      this.#underWay = this.#queue.next(performance.now(), withOutcomes);
      const { batch } = this.#underWay;
      if (withOutcomes) this.#gathering.end();
      this.#thread.post(batch, batch.bodies === undefined ? [] : [batch.bodies]);
    } else if (this.#closing !== undefined) {
      this.#state = { kind: 'closed' };
      this.#thread.post({ kind: 'close', nextSequence: this.#nextSequence });
    }
  }

  #answered(answer: Exclude<Answer, OpenAnswer>): void {
    if (answer.kind === 'batch') this.#committed(answer);
    else if (answer.kind === 'page') this.#paged(answer);
    else if (answer.kind === 'measured') this.#usage = answer.usage;
  }

  #committed(answer: BatchAnswer): void {
    const underWay = this.#underWay;
    this.#underWay = undefined;
    this.#usage = answer.usage;
    this.#measuredAtMs = performance.now();
    this.#queue.giveBack(answer.bodies);
    if (underWay === undefined) return;
    const { appendFailure, outcomeFailure, readFailure } = answer;
    // At the end of the process they cannot be tried for ever.
    if (outcomeFailure === undefined || this.#closing !== undefined) {
      this.#queue.forgetWithdrawn(underWay.batch.withdrawn);
    }
    if (appendFailure !== undefined && underWay.unfinished !== undefined) {
      this.#refuseUnfinished(underWay.unfinished, appendFailure);
    }
    if (readFailure === undefined) this.#queue.readAgain(underWay.reads.slice(answer.reads.envelopes.length));
    const isBroken = [appendFailure, outcomeFailure, readFailure].some(
      (each) => each?.refused === 'unavailable',
    );
    // The next batch goes first: the store works while the answers are handed out. A broken store says so next, a full one is left
    // alone until the next tick.
    if (!isBroken && outcomeFailure === undefined) this.#send();
    for (const append of underWay.appends) this.#settleAppend(append, appendFailure);
    settleRecords(underWay, answer);
    settleReads(underWay, answer);
  }

  #settleAppend(append: WaitingAppend, failure: StoreFailure | undefined): void {
    this.#waitingBytes -= append.bytes;
    const reference = { sequence: append.sequence, id: append.envelope.id };
    if (append.resolve !== undefined) append.resolve(failure ?? reference);
    else if (failure === undefined) {
      // The client was told 451 meanwhile and will send it again: this copy must not be delivered too.
      this.#queue.withdraw(reference);
      this.#schedule();
    }
  }

  #refuseUnfinished(append: WaitingAppend, refusal: AppendRefusal): void {
    if (this.#queue.first !== append) return;
    this.#queue.dropFirst();
    this.#waitingBytes -= append.bytes;
    append.resolve?.(refusal);
  }

  #tick(nowMs: number): void {
    this.#refuseLate(nowMs);
    if (this.#closing !== undefined || !this.#queue.isEmpty) this.#schedule();
    if (this.#state.kind === 'down' && nowMs >= this.#state.againAtMs) void this.#reopen(this.#state.reason);
    else if (this.#state.kind === 'open' && nowMs - this.#measuredAtMs >= MEASURE_EVERY_MS) {
      // Not only with a batch: while everything is refused as full there is none.
      this.#measuredAtMs = nowMs;
      if (this.#underWay === undefined) this.#thread.post({ kind: 'measure' });
    }
  }

  #refuseLate(nowMs: number): void {
    // A tick early rather than a tick late.
    const oldestMs = nowMs - this.#appendTimeoutMs + this.#tickMs;
    const refusal: AppendRefusal = {
      refused: 'unavailable',
      reason: `the disk did not take the message within ${this.#appendTimeoutMs} ms`,
    };
    for (const append of this.#underWay?.appends ?? []) {
      if (append.sinceMs > oldestMs) return;
      append.resolve?.(refusal);
      append.resolve = undefined;
    }
    for (
      let { first } = this.#queue;
      first !== undefined && first.sinceMs <= oldestMs;
      { first } = this.#queue
    ) {
      this.#refuseUnfinished(first, refusal);
      this.#schedule();
    }
  }

  #opened({ nextSequence, usage }: Opened): void {
    this.#state = { kind: 'open' };
    this.#nextSequence = Math.max(this.#nextSequence, nextSequence);
    this.#usage = usage;
    this.#measuredAtMs = performance.now();
    this.#schedule();
  }

  async #reopen(reason: string): Promise<void> {
    this.#state = { kind: 'opening', reason };
    try {
      const opened = await this.#thread.open();
      if (opened.kind === 'opened') this.#opened(opened);
      else this.#lost(opened.reason);
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
    }
  }

  /** The thread is gone: everybody who waits is told; what may be durable although its sender was refused is taken back. */
  #lost(reason: string): void {
    if (this.#state.kind === 'closed') return this.#closed();
    this.#state = { kind: 'down', reason, againAtMs: performance.now() + REOPEN_PAUSE_MS };
    const underWay = this.#underWay;
    this.#underWay = undefined;
    for (const { sequence, envelope } of underWay?.appends ?? [])
      this.#queue.withdraw({ sequence, id: envelope.id });
    const { first } = this.#queue;
    if (first !== undefined && first.sentParts > 0) {
      this.#queue.withdraw({ sequence: first.sequence, id: first.envelope.id });
    }
    const waiting = this.#queue.clear();
    const error = new Error(reason);
    const refusal: AppendRefusal = { refused: 'unavailable', reason };
    for (const { resolve } of [...(underWay?.appends ?? []), ...waiting.appends]) resolve?.(refusal);
    for (const { reject } of [...(underWay?.records ?? []), ...waiting.records]) reject(error);
    for (const { reject } of [...(underWay?.reads ?? []), ...waiting.reads]) reject(error);
    for (const { reject } of this.#pages.splice(0)) reject(error);
    this.#waitingBytes = 0;
    if (this.#closing !== undefined) this.#closed();
  }

  #closed(): void {
    this.#state = { kind: 'closed' };
    clearInterval(this.#timer);
    this.#gathering.end();
    for (const { reject } of this.#pages.splice(0)) reject(new Error('the spool is closed'));
    this.#closing?.resolve();
  }

  #page(afterSequence: number): Promise<readonly StoredRow[]> {
    return new Promise((resolve, reject) => {
      this.#mustBeOpen();
      this.#pages.push({ resolve, reject });
      this.#thread.post({ kind: 'page', afterSequence, atMost: REPLAY_PAGE_ROWS });
    });
  }

  #paged({ rows, failure }: PageAnswer): void {
    const waiting = this.#pages.shift();
    if (failure === undefined) waiting?.resolve(rows);
    else waiting?.reject(new Error(failure.reason));
  }
}
