import { Worker } from 'node:worker_threads';
import { SluiceError } from '@sluice/crds';
import { BodyPacker, packBody } from './body-packer.ts';
import type { Envelope, MessageBody } from './envelope.ts';
import { type GroupState, recipientGroups } from './recipient-group.ts';
import type { AppendRefusal, Outcome, Reference, Spool, SpoolUsage, StoredMessage } from './spool.ts';
import type {
  Answer,
  BatchAnswer,
  BatchDone,
  BatchRead,
  OpenAnswer,
  Request,
  SqliteOptions,
  StoredRow,
  StoreFailure,
} from './sqlite-batch.ts';

/** A client waits at most so long for its 250 (DESIGN §4.2). */
export const APPEND_TIMEOUT_MS = 5_000;
const TIMEOUT_CHECK_MS = 500;
/** Bytes of bodies that may wait for the store; beyond it mail is refused, so a slow disk cannot fill the memory. */
export const MAX_WAITING_BYTES = 256 * 1024 * 1024;
/** Bodies of one commit: small enough that a commit stays short, large enough that one fsync serves many. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;
const REPLAY_PAGE_ROWS = 1_000;

export interface SqliteSpoolOptions extends SqliteOptions {
  /** Below this much free space mail is refused with `full`. */
  readonly minFreeBytes: number;
  readonly appendTimeoutMs?: number;
}

interface WaitingAppend {
  readonly sequence: number;
  readonly envelope: Envelope;
  readonly body: MessageBody;
  readonly since: number;
  resolve: ((result: Reference | AppendRefusal) => void) | undefined;
}

interface WaitingRecord {
  readonly outcomes: readonly BatchDone[];
  readonly resolve: (result: { readonly mismatched: number }) => void;
  readonly reject: (error: Error) => void;
}

interface WaitingRead {
  readonly read: BatchRead;
  readonly resolve: (
    message: { readonly envelope: Envelope; readonly body: MessageBody } | undefined,
  ) => void;
  readonly reject: (error: Error) => void;
}

interface UnderWay {
  readonly appends: readonly WaitingAppend[];
  readonly records: readonly WaitingRecord[];
  readonly reads: readonly WaitingRead[];
}

/**
 * The spool on one machine: SQLite in a thread of its own. While one batch is being committed the next one gathers, so one
 * fsync serves all that came meanwhile.
 *
 * @throws {SluiceError} `SLUICE_SPOOL_UNUSABLE` when the file is locked by another process, is no spool, or cannot be opened
 *
 * Example: `const spool = await openSqliteSpool({ path: '/var/lib/sluice/spool.sqlite', minFreeBytes: 1 << 30 });`
 */
export async function openSqliteSpool(options: SqliteSpoolOptions): Promise<Spool> {
  const worker = new Worker(new URL('./sqlite-thread.ts', import.meta.url), {
    workerData: { path: options.path, maxPages: options.maxPages },
  });
  const opened = await new Promise<OpenAnswer>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  if (opened.kind === 'not-opened')
    throw new SluiceError('SLUICE_SPOOL_UNUSABLE', {
      file: options.path,
      reason: REASONS[opened.problem],
      detail: opened.reason,
    });
  return new SqliteSpool(worker, options, opened.nextSequence, opened.usage);
}

const REASONS = {
  locked: 'another process has it open',
  foreign: 'it is not a spool of Sluice',
  version: 'another version of Sluice wrote it',
  unreadable: 'it cannot be opened',
} as const;

class SqliteSpool implements Spool {
  readonly #worker: Worker;
  readonly #minFreeBytes: number;
  readonly #appendTimeoutMs: number;
  readonly #packer = new BodyPacker();
  readonly #timer: NodeJS.Timeout;
  #nextSequence: number;
  #usage: SpoolUsage;
  #appends: WaitingAppend[] = [];
  #records: WaitingRecord[] = [];
  #reads: WaitingRead[] = [];
  #withdrawn: BatchRead[] = [];
  #waitingBytes = 0;
  #underWay: UnderWay | undefined;
  #scheduled = false;
  #pages: ((rows: readonly StoredRow[]) => void)[] = [];
  #failed: Error | undefined;
  #closing: { promise: Promise<void>; resolve: () => void } | undefined;

  constructor(worker: Worker, options: SqliteSpoolOptions, nextSequence: number, usage: SpoolUsage) {
    this.#worker = worker;
    this.#minFreeBytes = options.minFreeBytes;
    this.#appendTimeoutMs = options.appendTimeoutMs ?? APPEND_TIMEOUT_MS;
    this.#nextSequence = nextSequence;
    this.#usage = usage;
    this.#timer = setInterval(() => this.#refuseLate(), TIMEOUT_CHECK_MS);
    this.#timer.unref();
    worker.on('message', (answer: Answer) => this.#answered(answer));
    worker.on('error', (error) => this.#lost(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', (code) => this.#lost(new Error(`the store's thread ended with ${code}`)));
  }

  append(envelope: Envelope, body: MessageBody): Promise<Reference | AppendRefusal> {
    const refusal = this.#refusal(envelope.sizeBytes);
    if (refusal !== undefined) return Promise.resolve(refusal);
    return new Promise((resolve) => {
      this.#appends.push({
        sequence: this.#nextSequence++,
        envelope,
        body,
        since: performance.now(),
        resolve,
      });
      this.#waitingBytes += envelope.sizeBytes;
      this.#schedule();
    });
  }

  record(outcomes: readonly Outcome[]): Promise<{ readonly mismatched: number }> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) return reject(this.#failed);
      this.#records.push({ outcomes: outcomes.map(asBatchDone), resolve, reject });
      this.#schedule();
    });
  }

  read({
    sequence,
    id,
  }: Reference): Promise<{ readonly envelope: Envelope; readonly body: MessageBody } | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) return reject(this.#failed);
      this.#reads.push({ read: { sequence, id }, resolve, reject });
      this.#schedule();
    });
  }

  async *replay(): AsyncIterable<StoredMessage> {
    let afterSequence = 0;
    for (;;) {
      const rows = await this.#page(afterSequence);
      for (const row of rows) yield storedMessage(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < REPLAY_PAGE_ROWS) return;
      afterSequence = last.sequence;
    }
  }

  usage(): SpoolUsage {
    return this.#usage;
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.withResolvers<void>();
      clearInterval(this.#timer);
      if (this.#failed !== undefined) this.#closing.resolve();
      else this.#schedule();
    }
    return this.#closing.promise;
  }

  #refusal(sizeBytes: number): AppendRefusal | undefined {
    if (this.#failed !== undefined) return { refused: 'unavailable', reason: this.#failed.message };
    if (this.#closing !== undefined) return { refused: 'unavailable', reason: 'the store is being closed' };
    if (this.#usage.freeBytes - this.#waitingBytes - sizeBytes < this.#minFreeBytes) {
      return {
        refused: 'full',
        reason: `${this.#usage.freeBytes} bytes are free, ${this.#minFreeBytes} must stay free (spool.minFreeBytes)`,
      };
    }
    if (this.#waitingBytes > 0 && this.#waitingBytes + sizeBytes > MAX_WAITING_BYTES) {
      return { refused: 'unavailable', reason: `${this.#waitingBytes} bytes already wait for the disk` };
    }
    return undefined;
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

  #send(): void {
    if (this.#underWay !== undefined || this.#failed !== undefined) return;
    const appends = this.#takeAppends();
    const records = this.#records;
    const reads = this.#reads;
    if (appends.length + records.length + reads.length + this.#withdrawn.length === 0) {
      if (this.#closing !== undefined) this.#post({ kind: 'close' });
      return;
    }
    this.#records = [];
    this.#reads = [];
    this.#underWay = { appends, records, reads };
    const withdrawn = this.#withdrawn;
    this.#withdrawn = [];
    let bytes = 0;
    for (const append of appends) for (const chunk of append.body) bytes += chunk.length;
    const bodies = bytes === 0 ? undefined : this.#packer.take(bytes);
    const packed = bodies === undefined ? new Uint8Array() : new Uint8Array(bodies);
    let offset = 0;
    const rows = appends.map(({ sequence, envelope, body }) => {
      const length = packBody(body, packed, offset);
      const row = {
        sequence,
        id: envelope.id,
        groups: groupCount(envelope),
        envelope: JSON.stringify(envelope),
        offset,
        length,
      };
      offset += length;
      return row;
    });
    this.#post(
      {
        kind: 'batch',
        appends: rows,
        outcomes: records.flatMap((record) => record.outcomes),
        withdrawn,
        reads: reads.map(({ read }) => read),
        bodies,
      },
      bodies === undefined ? [] : [bodies],
    );
  }

  /** As many as one commit should hold, at least one. */
  #takeAppends(): readonly WaitingAppend[] {
    let bytes = 0;
    let count = 0;
    for (const append of this.#appends) {
      if (count > 0 && bytes + append.envelope.sizeBytes > MAX_BATCH_BYTES) break;
      bytes += append.envelope.sizeBytes;
      count++;
    }
    if (count === this.#appends.length) {
      const all = this.#appends;
      this.#appends = [];
      return all;
    }
    return this.#appends.splice(0, count);
  }

  #post(request: Request, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  #answered(answer: Answer): void {
    if (answer.kind === 'batch') this.#committed(answer);
    else if (answer.kind === 'replay') this.#pages.shift()?.(answer.rows);
    else if (answer.kind === 'closed') this.#closing?.resolve();
  }

  #committed(answer: BatchAnswer): void {
    const underWay = this.#underWay;
    this.#underWay = undefined;
    this.#usage = answer.usage;
    if (answer.bodies !== undefined) this.#packer.giveBack(answer.bodies);
    // The next batch goes first: the store works while the answers are handed out.
    this.#send();
    if (underWay === undefined) return;
    for (const append of underWay.appends) this.#settleAppend(append, answer.appendFailure);
    settleRecords(underWay.records, answer);
    for (const [position, { resolve }] of underWay.reads.entries()) {
      const found = answer.reads[position];
      resolve(
        found === undefined
          ? undefined
          : { envelope: JSON.parse(found.envelope), body: [asBuffer(found.body)] },
      );
    }
  }

  #settleAppend(append: WaitingAppend, failure: StoreFailure | undefined): void {
    this.#waitingBytes -= append.envelope.sizeBytes;
    const reference = { sequence: append.sequence, id: append.envelope.id };
    if (append.resolve === undefined) {
      // The client was told 451 meanwhile and will send it again: this copy must not be delivered too.
      if (failure === undefined) this.#withdraw(reference);
    } else append.resolve(failure ?? reference);
  }

  #withdraw(reference: Reference): void {
    this.#withdrawn.push(reference);
    this.#schedule();
  }

  #refuseLate(): void {
    const deadline = performance.now() - this.#appendTimeoutMs;
    const refusal: AppendRefusal = {
      refused: 'unavailable',
      reason: `the disk did not take it within ${this.#appendTimeoutMs} ms`,
    };
    for (const append of [...(this.#underWay?.appends ?? []), ...this.#appends]) {
      if (append.since > deadline) continue;
      append.resolve?.(refusal);
      append.resolve = undefined;
    }
    const still = this.#appends.filter((append) => append.resolve !== undefined);
    for (const append of this.#appends)
      if (append.resolve === undefined) this.#waitingBytes -= append.envelope.sizeBytes;
    this.#appends = still;
  }

  #page(afterSequence: number): Promise<readonly StoredRow[]> {
    return new Promise((resolve) => {
      this.#pages.push(resolve);
      this.#post({ kind: 'replay', afterSequence, atMost: REPLAY_PAGE_ROWS });
    });
  }

  /** The thread is gone: nothing becomes durable any more, and everybody who waits is told. */
  #lost(error: Error): void {
    if (this.#failed !== undefined) return;
    this.#failed = error;
    const refusal: AppendRefusal = { refused: 'unavailable', reason: error.message };
    for (const append of [...(this.#underWay?.appends ?? []), ...this.#appends]) append.resolve?.(refusal);
    for (const waiting of [...(this.#underWay?.records ?? []), ...this.#records]) waiting.reject(error);
    for (const waiting of [...(this.#underWay?.reads ?? []), ...this.#reads]) waiting.reject(error);
    this.#closing?.resolve();
  }
}

function settleRecords(records: readonly WaitingRecord[], answer: BatchAnswer): void {
  let from = 0;
  for (const { outcomes, resolve, reject } of records) {
    const to = from + outcomes.length;
    const start = from;
    from = to;
    if (answer.outcomeFailure !== undefined) reject(new Error(answer.outcomeFailure.reason));
    else
      resolve({
        mismatched: answer.mismatched.filter((position) => position >= start && position < to).length,
      });
  }
}

function asBatchDone(outcome: Outcome): BatchDone {
  const { reference, group } = outcome;
  const state = outcome.kind === 'done' ? undefined : JSON.stringify(outcome.state);
  return { sequence: reference.sequence, id: reference.id, group, state };
}

function groupCount(envelope: Envelope): number {
  return envelope.recipients.length === 1 ? 1 : recipientGroups(envelope).length;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function storedMessage(row: StoredRow): StoredMessage {
  const envelope: Envelope = JSON.parse(row.envelope);
  const live = new Map<number, GroupState | undefined>();
  for (let group = 0; group < row.groups; group++) if (!row.done.includes(group)) live.set(group, undefined);
  for (const { group, state } of row.states) if (live.has(group)) live.set(group, JSON.parse(state));
  return { reference: { sequence: row.sequence, id: row.id }, envelope, live };
}
