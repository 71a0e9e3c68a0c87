import { encodeBatch, type JournalBatch, type JournalRecord, MAX_BATCH_BYTES } from './journal-record.ts';
import type { JournalEntry } from './owner-command.ts';

/** Batches of outcomes are appended at most this often, milliseconds. */
export const JOURNAL_INTERVAL_MS = 20;

/** What is said again may take a little more room than before: an old batch always fits into a new one. */
const RESTATED_EXTRA_BYTES = 128 * 1024;

interface UnderWay {
  readonly batch: JournalBatch;
  /** How many of its records, the last ones, came from {@link JournalWriter.add}. */
  readonly added: number;
  /** No answer came, or a refusal: the journal must be read. */
  unclear: boolean;
}

/**
 * The one writer of a segment's journal: gathers records, has one append in flight, each expecting the last one's sequence. An append
 * that got no answer is neither repeated blindly nor forgotten: the journal says whether it is there. Pure.
 */
export class JournalWriter {
  readonly session: string;
  epoch = 0;
  /** Sequence of the last batch of the subject, as far as known; the next append expects it. */
  lastSequence = 0;
  readonly #nextNumber: () => number;
  #waiting: JournalRecord[] = [];
  #underWay: UnderWay | undefined;
  #nextAtMs = 0;

  constructor(session: string, nextNumber: () => number) {
    this.session = session;
    this.#nextNumber = nextNumber;
  }

  /** Records that a `kill -9` would lose now. */
  get unjournalled(): number {
    return this.#waiting.length + (this.#underWay?.added ?? 0);
  }

  get isIdle(): boolean {
    return this.#underWay === undefined;
  }

  get isUnclear(): boolean {
    return this.#underWay?.unclear === true;
  }

  get underWay(): JournalBatch | undefined {
    return this.#underWay?.batch;
  }

  add(record: JournalRecord): void {
    this.#waiting.push(record);
  }

  /** Somebody waits for what was added: it goes with the next batch, and that need not wait for its time. */
  hurry(): void {
    this.#nextAtMs = 0;
  }

  /** What waits is made ready to be written: everything before it is in the journal. */
  complete(completed: (record: JournalRecord) => JournalRecord): void {
    if (this.#underWay === undefined) this.#waiting = this.#waiting.map(completed);
  }

  /** A batch to append now, if it is time; `first` goes before what waits. */
  next(nowMs: number, first: readonly JournalRecord[] = []): JournalBatch | undefined {
    if (this.#underWay !== undefined || nowMs < this.#nextAtMs) return undefined;
    if (this.#waiting.length === 0 && first.length === 0) return undefined;
    return this.begin(first, nowMs);
  }

  /** A batch to append now in any case. */
  begin(first: readonly JournalRecord[], nowMs: number): JournalBatch {
    const records = [...first, ...this.#waiting];
    const isFence = first[0]?.kind === 'fence';
    const whole = {
      session: this.session,
      epoch: isFence ? 0 : this.epoch,
      number: this.#nextNumber(),
      records,
    };
    const maxBytes = first.length > 1 ? MAX_BATCH_BYTES + RESTATED_EXTRA_BYTES : MAX_BATCH_BYTES;
    const { taken } = encodeBatch(whole, maxBytes);
    const batch = taken === records.length ? whole : { ...whole, records: records.slice(0, taken) };
    const added = Math.max(0, taken - first.length);
    this.#waiting = this.#waiting.slice(added);
    this.#underWay = { batch, added, unclear: false };
    this.#nextAtMs = nowMs + JOURNAL_INTERVAL_MS;
    return batch;
  }

  /** The server took it. Returns the batch, and how many of its records were added. */
  appended(sequence: number): { readonly batch: JournalBatch; readonly added: number } | undefined {
    const underWay = this.#underWay;
    if (underWay === undefined) return undefined;
    this.#underWay = undefined;
    this.lastSequence = sequence;
    if (underWay.batch.records[0]?.kind === 'fence') this.epoch = sequence;
    return underWay;
  }

  failed(): void {
    if (this.#underWay !== undefined) this.#underWay.unclear = true;
  }

  /**
   * What the journal has after {@link lastSequence}. `stored` at a sequence: the append had arrived; `absent`: it may be sent again,
   * byte for byte; `other`: somebody else wrote.
   */
  resolve(entries: readonly JournalEntry[]): number | 'absent' | 'other' {
    const underWay = this.#underWay;
    const [next] = entries;
    if (next === undefined) {
      if (underWay !== undefined) underWay.unclear = false;
      return 'absent';
    }
    const isOwn =
      underWay !== undefined &&
      next.batch.session === this.session &&
      next.batch.number === underWay.batch.number &&
      next.batch.epoch === underWay.batch.epoch;
    return isOwn && entries.length === 1 ? next.sequence : 'other';
  }
}
