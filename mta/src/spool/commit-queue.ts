import { BodyCursor, bodyBytes, PackBuffers } from './body-packer.ts';
import type { Envelope, MessageBody } from './envelope.ts';
import { recipientGroups } from './recipient-group.ts';
import type { AppendRefusal, Outcome, Reference } from './spool.ts';
import {
  type Batch,
  type BatchAppend,
  type BatchPart,
  type BatchReference,
  MAX_BATCH_BYTES,
  PART_BYTES,
} from './sqlite-batch.ts';
import { batchOutcomes } from './stored-form.ts';
import type { ReadMessage } from './stored-messages.ts';

/** An append that waits for its commit. */
export interface WaitingAppend {
  readonly sequence: number;
  readonly envelope: Envelope;
  readonly bytes: number;
  readonly cursor: BodyCursor;
  /** Monotonic time of the call, milliseconds. */
  readonly sinceMs: number;
  /** `undefined` once the caller was answered. */
  resolve: ((result: Reference | AppendRefusal) => void) | undefined;
  sentBytes: number;
  sentParts: number;
}

export interface WaitingRecord {
  readonly outcomes: readonly Outcome[];
  readonly resolve: (result: { readonly mismatched: number }) => void;
  readonly reject: (error: Error) => void;
}

export interface WaitingRead {
  readonly reference: BatchReference;
  readonly resolve: (message: ReadMessage | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** A batch at the store, and who waits for it. */
export interface BatchUnderWay {
  readonly batch: Batch;
  readonly sinceMs: number;
  /** Messages that are complete with this batch. */
  readonly appends: readonly WaitingAppend[];
  readonly records: readonly WaitingRecord[];
  readonly reads: readonly WaitingRead[];
  /** A message of which only pieces are in it; it is still the first in the queue. */
  readonly unfinished: WaitingAppend | undefined;
}

/** Gathers what is to be committed next, in order, and packs it into batches. Knows nothing of the store and its answers. */
export class CommitQueue {
  readonly #buffers = new PackBuffers();
  #appends: WaitingAppend[] = [];
  #records: WaitingRecord[] = [];
  #reads: WaitingRead[] = [];
  #outcomes = 0;
  readonly #withdrawn = new Map<number, string>();

  get isEmpty(): boolean {
    return this.#appends.length + this.#records.length + this.#reads.length + this.#withdrawn.size === 0;
  }

  /** Something waits that is to become durable at once. */
  get hasChanges(): boolean {
    return this.#appends.length + this.#withdrawn.size > 0;
  }

  get hasReads(): boolean {
    return this.#reads.length > 0;
  }

  /** Outcomes that wait. */
  get outcomes(): number {
    return this.#outcomes;
  }

  /** The append that waits longest. */
  get first(): WaitingAppend | undefined {
    return this.#appends[0];
  }

  addAppend(
    sequence: number,
    envelope: Envelope,
    body: MessageBody,
    sinceMs: number,
    resolve: (result: Reference | AppendRefusal) => void,
  ): WaitingAppend {
    const waiting: WaitingAppend = {
      sequence,
      envelope,
      bytes: bodyBytes(body),
      cursor: new BodyCursor(body),
      sinceMs,
      resolve,
      sentBytes: 0,
      sentParts: 0,
    };
    this.#appends.push(waiting);
    return waiting;
  }

  addRecord(
    outcomes: readonly Outcome[],
    resolve: WaitingRecord['resolve'],
    reject: WaitingRecord['reject'],
  ): void {
    this.#records.push({ outcomes, resolve, reject });
    this.#outcomes += outcomes.length;
  }

  addRead(read: WaitingRead): void {
    this.#reads.push(read);
  }

  /** Reads that the last batch had no room for. */
  readAgain(reads: readonly WaitingRead[]): void {
    if (reads.length > 0) this.#reads = [...reads, ...this.#reads];
  }

  /** What is stored of this message is to be deleted: its sender was told that it was not taken. */
  withdraw({ sequence, id }: BatchReference): void {
    this.#withdrawn.set(sequence, id);
  }

  isWithdrawn({ sequence, id }: BatchReference): boolean {
    return this.#withdrawn.get(sequence) === id;
  }

  /** These are deleted for good. */
  forgetWithdrawn(references: readonly BatchReference[]): void {
    for (const { sequence } of references) this.#withdrawn.delete(sequence);
  }

  /** Takes the first append out of the queue, sent in part or not at all. */
  dropFirst(): void {
    const first = this.#appends.shift();
    if (first !== undefined && first.sentParts > 0) {
      this.withdraw({ sequence: first.sequence, id: first.envelope.id });
    }
  }

  /** Everything that waits leaves the queue, except what is to be withdrawn. */
  clear(): Pick<BatchUnderWay, 'appends' | 'records' | 'reads'> {
    const all = { appends: this.#appends, records: this.#records, reads: this.#reads };
    this.#appends = [];
    this.#records = [];
    this.#outcomes = 0;
    this.#reads = [];
    return all;
  }

  /** The next batch: all reads, all outcomes or none, and as many appends as one commit should hold. */
  next(nowMs: number, withOutcomes = true): BatchUnderWay {
    const parts: BatchPart[] = [];
    const rows: BatchAppend[] = [];
    let offset = 0;
    let complete = 0;
    let unfinished: WaitingAppend | undefined;
    for (const append of this.#appends) {
      unfinished = undefined;
      while (append.bytes - append.sentBytes > PART_BYTES && offset + PART_BYTES <= MAX_BATCH_BYTES) {
        parts.push({ sequence: append.sequence, part: append.sentParts++, offset, length: PART_BYTES });
        append.sentBytes += PART_BYTES;
        offset += PART_BYTES;
        unfinished = append;
      }
      const length = append.bytes - append.sentBytes;
      if (offset + length > MAX_BATCH_BYTES) break;
      rows.push(rowOf(append, offset, length));
      unfinished = undefined;
      offset += length;
      complete++;
    }
    const under = {
      sinceMs: nowMs,
      appends: complete === this.#appends.length ? this.#appends : this.#appends.slice(0, complete),
      records: withOutcomes ? this.#records : [],
      reads: this.#reads,
      unfinished,
    };
    this.#appends = complete === this.#appends.length ? [] : this.#appends.slice(complete);
    if (withOutcomes) {
      this.#records = [];
      this.#outcomes = 0;
    }
    this.#reads = [];
    const batch: Batch = {
      kind: 'batch',
      parts,
      appends: rows,
      outcomes: batchOutcomes(under.records),
      withdrawn: Array.from(this.#withdrawn, ([sequence, id]) => ({ sequence, id })),
      reads: under.reads.map(({ reference }) => reference),
      bodies: this.#pack(offset, parts, rows, under.appends, unfinished),
    };
    return { ...under, batch };
  }

  /** A buffer comes back from the store. */
  giveBack(bodies: ArrayBuffer | undefined): void {
    if (bodies !== undefined) this.#buffers.giveBack(bodies);
  }

  #pack(
    bytes: number,
    parts: readonly BatchPart[],
    rows: readonly BatchAppend[],
    appends: readonly WaitingAppend[],
    unfinished: WaitingAppend | undefined,
  ): ArrayBuffer | undefined {
    if (bytes === 0) return undefined;
    const buffer = this.#buffers.take(bytes);
    const into = new Uint8Array(buffer);
    let nextPart = 0;
    const copyParts = ({ sequence, cursor }: WaitingAppend): void => {
      for (let part = parts[nextPart]; part?.sequence === sequence; part = parts[++nextPart]) {
        cursor.copy(into, part.offset, part.length);
      }
    };
    for (const [index, append] of appends.entries()) {
      const row = rows[index]!;
      if (parts.length > 0) copyParts(append);
      append.cursor.copy(into, row.offset, row.length);
    }
    if (unfinished !== undefined) copyParts(unfinished);
    return buffer;
  }
}

function rowOf(
  { sequence, envelope, sentParts }: WaitingAppend,
  offset: number,
  length: number,
): BatchAppend {
  return {
    sequence,
    id: envelope.id,
    groups: recipientGroups(envelope).length,
    parts: sentParts,
    envelope: JSON.stringify(envelope),
    offset,
    length,
  };
}
