import type { JournalRecord } from './journal-record.ts';
import { JournalWriter } from './journal-writer.ts';
import type { JournalEntry, OwnerCommand } from './owner-command.ts';

/** An append without any answer, not even of what the subject has, is sent again after so long, milliseconds. */
const TELL_AGAIN_AFTER_MS = 10_000;

/** Tells the outcomes of transactions that were open when the segment was released, on a subject that only this owner writes. */
export class HandoverTeller {
  readonly #writer: JournalWriter;
  #toldAtMs = 0;

  constructor(session: string, epoch: number, nextNumber: () => number) {
    this.#writer = new JournalWriter(session, nextNumber);
    this.#writer.epoch = epoch;
  }

  get untold(): number {
    return this.#writer.unjournalled;
  }

  add(record: JournalRecord): void {
    this.#writer.add(record);
  }

  tell(nowMs: number): readonly OwnerCommand[] {
    const isLost = !this.#writer.isIdle && this.#toldAtMs + TELL_AGAIN_AFTER_MS <= nowMs;
    const batch = isLost ? this.#writer.underWay : this.#writer.next(nowMs);
    if (batch === undefined) return [];
    this.#toldAtMs = nowMs;
    return [{ kind: 'append-handover', expected: this.#writer.lastSequence, batch }];
  }

  appended(number: number, sequence: number): readonly OwnerCommand[] {
    if (this.#writer.underWay?.number !== number) return [];
    const accepted = this.#writer.appended(sequence);
    return accepted === undefined ? [] : [{ kind: 'recorded', outcomes: accepted.added }];
  }

  /** `entries`: what the subject has after the sequence that the append expected. */
  failed(number: number, entries: readonly JournalEntry[]): readonly OwnerCommand[] {
    const batch = this.#writer.underWay;
    if (batch === undefined || batch.number !== number) return [];
    const found = this.#writer.resolve(entries);
    if (typeof found === 'number') return this.appended(number, found);
    return [{ kind: 'append-handover', expected: this.#writer.lastSequence, batch }];
  }
}
