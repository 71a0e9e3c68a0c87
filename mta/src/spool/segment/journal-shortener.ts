import type { JournalBatch, JournalRecord } from './journal-record.ts';
import type { JournalEntry, OwnerCommand } from './owner-command.ts';
import { restatement } from './restatement.ts';
import type { SegmentState } from './segment-state.ts';

/** Batches that a journal may have before its oldest ones are said again and purged. */
export const MAX_JOURNAL_BATCHES = 512;
/** Old batches that one append restates: more than one, so that the journal becomes shorter. */
const RESTATED_BATCHES = 4;

/** Keeps a journal short: what its oldest batches say and still holds goes into the next batch, then they are purged. */
export class JournalShortener {
  readonly #state: SegmentState;
  readonly #maxBatches: number;
  #from = 1;
  #batches = 0;
  /** Read, and not looked at yet. */
  #oldest: readonly JournalEntry[] = [];
  /** Said again in the batch that is under way. */
  #restating: readonly JournalEntry[] = [];
  #atMost = RESTATED_BATCHES;

  constructor(state: SegmentState, maxBatches: number) {
    this.#state = state;
    this.#maxBatches = maxBatches;
  }

  /** Batches that the journal has. */
  read(entries: readonly JournalEntry[]): void {
    if (this.#batches === 0) this.#from = entries[0]?.sequence ?? 1;
    this.#batches += entries.length;
  }

  /** One more. */
  appended(): void {
    this.#batches++;
  }

  ask(): readonly OwnerCommand[] {
    if (this.#batches <= this.#maxBatches || this.#oldest.length > 0) return [];
    return [{ kind: 'read-oldest', from: this.#from, atMost: RESTATED_BATCHES }];
  }

  oldest(from: number, entries: readonly JournalEntry[]): void {
    if (from === this.#from && this.#restating.length === 0) this.#oldest = entries;
  }

  /** What goes to the head of the next batch; `lastSequence`: the last batch of the journal, which stays. */
  restate(lastSequence: number, spoolPurgedTo: number): readonly JournalRecord[] {
    const records: JournalRecord[] = [];
    const restating: JournalEntry[] = [];
    for (const entry of this.#oldest.slice(0, this.#atMost)) {
      if (entry.sequence >= lastSequence) break;
      const again = restatement(this.#state, entry.sequence, entry.batch, spoolPurgedTo);
      if (again === undefined) break;
      records.push(...again);
      restating.push(entry);
    }
    this.#oldest = [];
    this.#restating = restating;
    return records;
  }

  /** The next batch was made, or not. Not everything fitted: what was said again is said once more, the old batches stay. */
  batched(batch: JournalBatch | undefined, restated: number): void {
    const isWhole = batch !== undefined && batch.records.length >= restated;
    if (batch !== undefined) this.#atMost = isWhole ? RESTATED_BATCHES : 1;
    if (!isWhole) this.#restating = [];
  }

  /** What was said again is durable, or nothing had to be: nothing needs these batches any more. */
  purge(): readonly OwnerCommand[] {
    const last = this.#restating.at(-1);
    if (last === undefined) return [];
    for (const { batch } of this.#restating) this.#state.journalPurged(batch);
    this.#from = last.sequence + 1;
    this.#batches -= this.#restating.length;
    this.#restating = [];
    // The next ones at once: a journal must not grow faster than it is shortened.
    return [{ kind: 'purge-journal', upTo: last.sequence }, ...this.ask()];
  }
}
