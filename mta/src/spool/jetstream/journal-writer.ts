import { headers } from '@nats-io/transport-node';
import { encodeBatch, type JournalRecord } from '../segment/journal-record.ts';
import type { Publisher, PublishResult } from './publisher.ts';
import { WRONG_LAST_SEQUENCE, WRONG_LAST_SEQUENCE_CONSTANT } from './refusal.ts';

/** What the journal of a segment says last. */
export interface LastBatch {
  readonly sequence: number;
  readonly session: string;
  /** Number of the batch within its session. */
  readonly number: number;
}

export interface JournalWriterOptions {
  readonly publisher: Publisher;
  readonly subject: string;
  readonly session: string;
  readonly epoch: number;
  /** Sequence of the own last batch; the fence at first. */
  readonly lastSequence: number;
  /** Number of that batch. */
  readonly lastNumber: number;
  /** Least time between two appends: outcomes of this long share one. */
  readonly intervalMs: number;
  /** Asks the leader of the stream, after an append whose fate is not known. Rejects when nobody answers. */
  readonly readLast: () => Promise<LastBatch | undefined>;
  /** Every record that became durable, with the sequence of its batch, before the caller hears of it. */
  readonly onDurable: (sequence: number, records: readonly JournalRecord[]) => void;
  /** Another session's fence stands in the journal: this process owns the segment no more. */
  readonly onLost: () => void;
}

/** Pause before an append is tried again that the store did not take. */
const RETRY_MS = 250;

interface Waiting {
  readonly records: readonly JournalRecord[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Records of waiting calls that are in one batch, and the calls that are complete with it. */
interface UnderWay {
  readonly bytes: Buffer;
  readonly number: number;
  readonly records: readonly JournalRecord[];
  readonly complete: readonly Waiting[];
}

/**
 * Writes the journal of one segment: one append at a time, each expecting the own last one, so that the server refuses whoever is not the
 * owner any more. An append that gets no answer is neither given up nor blindly repeated: the journal itself says whether it is there.
 */
export class JournalWriter {
  readonly #options: JournalWriterOptions;
  #lastSequence: number;
  #number: number;
  #waiting: Waiting[] = [];
  /** Records of the first waiting call that are durable already. */
  #firstTaken = 0;
  #underWay: UnderWay | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #ended: Error | undefined;

  constructor(options: JournalWriterOptions) {
    this.#options = options;
    this.#lastSequence = options.lastSequence;
    this.#number = options.lastNumber;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** Nothing waits and nothing is under way. */
  get idle(): boolean {
    return this.#waiting.length === 0 && this.#underWay === undefined;
  }

  /** Resolves when the records are durable; rejects when the segment is lost or closed. */
  write(records: readonly JournalRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#waiting.push({ records, resolve, reject });
      this.#schedule(this.#sentAtMs + this.#options.intervalMs - performance.now());
    });
  }

  /** Gives up everything that is not durable. */
  end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = new Error(reason);
    clearTimeout(this.#timer);
    const waiting = [...(this.#underWay?.complete ?? []), ...this.#waiting];
    this.#underWay = undefined;
    this.#waiting = [];
    for (const { reject } of waiting) reject(this.#ended);
  }

  #schedule(afterMs: number): void {
    if (this.#timer !== undefined || this.#underWay !== undefined || this.#ended !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#send();
      },
      Math.max(0, afterMs),
    );
  }

  #send(): void {
    this.#underWay ??= this.#nextBatch();
    if (this.#underWay === undefined) return;
    const set = headers();
    set.set('Nats-Expected-Last-Subject-Sequence', String(this.#lastSequence));
    this.#sentAtMs = performance.now();
    const { bytes, number } = this.#underWay;
    let answered = false;
    this.#options.publisher.publish(this.#options.subject, bytes, set, (result) => {
      // A late answer says what was found out meanwhile.
      if (answered || this.#underWay?.number !== number) return;
      answered = true;
      void this.#answered(result);
    });
  }

  #nextBatch(): UnderWay | undefined {
    if (this.#waiting.length === 0) return undefined;
    const records: JournalRecord[] = [];
    for (const [index, each] of this.#waiting.entries()) {
      records.push(...(index === 0 ? each.records.slice(this.#firstTaken) : each.records));
    }
    const { session, epoch } = this.#options;
    const number = this.#number + 1;
    const { bytes, taken } = encodeBatch({ session, epoch, number, records });
    const complete: Waiting[] = [];
    let left = taken;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const open = first.records.length - this.#firstTaken;
      if (open > left) break;
      left -= open;
      this.#firstTaken = 0;
      complete.push(first);
      this.#waiting.shift();
    }
    this.#firstTaken += left;
    return { bytes, number, records: records.slice(0, taken), complete };
  }

  async #answered(result: PublishResult): Promise<void> {
    if (result.kind === 'stored') return this.#stored(result.sequence);
    const isExpectation =
      result.kind === 'refused' &&
      (result.error.errorCode === WRONG_LAST_SEQUENCE ||
        result.error.errorCode === WRONG_LAST_SEQUENCE_CONSTANT);
    if (result.kind === 'refused' && !isExpectation) return this.#again();
    try {
      const last = await this.#options.readLast();
      const underWay = this.#underWay;
      if (underWay === undefined) return;
      if (last?.session === this.#options.session && last.number === underWay.number)
        this.#stored(last.sequence);
      else if (last?.sequence === this.#lastSequence) this.#again();
      else {
        this.end('another pod owns the segment');
        this.#options.onLost();
      }
    } catch {
      this.#again();
    }
  }

  #again(): void {
    if (this.#ended !== undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, RETRY_MS);
  }

  #stored(sequence: number): void {
    const underWay = this.#underWay;
    if (underWay === undefined) return;
    this.#underWay = undefined;
    this.#lastSequence = sequence;
    this.#number = underWay.number;
    this.#options.onDurable(sequence, underWay.records);
    for (const { resolve } of underWay.complete) resolve();
    if (this.#waiting.length > 0)
      this.#schedule(this.#sentAtMs + this.#options.intervalMs - performance.now());
  }
}
