import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import {
  type Batch,
  type BatchAnswer,
  type BatchReference,
  MAX_BATCH_BYTES,
  PAGE_BYTES,
  type PageAnswer,
  type StoreFailure,
  type StoreOptions,
  type StoreUsage,
} from './sqlite-batch.ts';
import { isFull, openSpoolFile, placeOf } from './sqlite-file.ts';
import { prepareStatements, type Statements } from './sqlite-statements.ts';
import { StoredMessagesPacker } from './stored-messages.ts';

/** Sequences are promised in blocks, so that none is used twice, whatever was deleted before a crash. */
const SEQUENCE_BLOCK = 100_000;
/** Free space is asked for at most this often. */
const MEASURE_EVERY_MS = 100;
const EMPTY = new Uint8Array();

/** Rows that are counted here, because counting them in the database costs a scan. */
interface Counts {
  messages: number;
  deferred: number;
  /** First sequence that is not promised yet. */
  promised: number;
}

/** The spool's tables, synchronous: runs in a thread of its own. */
export class SqliteStore {
  readonly #database: DatabaseSync;
  readonly #directory: string;
  readonly #sql: Statements;
  /** First sequence that no message ever had. */
  readonly nextSequence: number;
  #counts: Counts;
  #usage: StoreUsage;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #broken: string | undefined;

  /** @throws {SpoolOpenError} */
  constructor(options: StoreOptions) {
    this.#directory = dirname(options.path);
    this.#database = openSpoolFile(options);
    this.#sql = prepareStatements(this.#database);
    this.nextSequence = Number(this.#sql.promised.get()?.next_sequence);
    this.#counts = {
      messages: Number(this.#sql.countMessages.get()?.count),
      deferred: Number(this.#sql.countDeferred.get()?.count),
      promised: this.nextSequence,
    };
    this.#usage = this.#measure();
  }

  /** Why the database cannot go on (another failure than a full disk): close it and open it again. */
  get broken(): string | undefined {
    return this.#broken;
  }

  /** Makes a batch durable: all of it in one commit, or what can be saved of it. */
  run(batch: Batch): BatchAnswer {
    const mismatched: number[] = [];
    let appendFailure: StoreFailure | undefined;
    // Reads alone need no transaction.
    let outcomeFailure = changesSomething(batch)
      ? this.#commit(() => {
          this.#append(batch);
          this.#record(batch, mismatched);
        })
      : undefined;
    if (outcomeFailure !== undefined && batch.appends.length + batch.parts.length > 0) {
      // What was delivered is recorded even when nothing more can be stored.
      appendFailure = outcomeFailure;
      mismatched.length = 0;
      outcomeFailure = this.#commit(() => this.#record(batch, mismatched));
    }
    const reads = new StoredMessagesPacker();
    const readFailure = this.#attempt(() => this.#readAll(batch.reads, reads));
    return {
      kind: 'batch',
      appendFailure,
      outcomeFailure,
      readFailure,
      mismatched,
      reads: reads.finish(),
      bodies: batch.bodies,
      usage: this.usage(),
    };
  }

  /** The next rows of a replay, without bodies. */
  page(afterSequence: number, atMost: number): PageAnswer {
    const rows: PageAnswer['rows'][number][] = [];
    const failure = this.#attempt(() => {
      for (const row of this.#sql.page.iterate(afterSequence, atMost)) {
        const sequence = Number(row.sequence);
        const groups = Number(row.groups);
        rows.push({
          sequence,
          id: String(row.id),
          groups,
          envelope: String(row.envelope),
          done: groups === 1 ? [] : this.#sql.doneOf.all(sequence).map(({ grp }) => Number(grp)),
          states: this.#counts.deferred === 0 ? [] : this.#statesOf(sequence),
        });
      }
    });
    return { kind: 'page', rows, failure };
  }

  usage(): StoreUsage {
    const nowMs = performance.now();
    if (nowMs - this.#measuredAtMs >= MEASURE_EVERY_MS) {
      this.#measuredAtMs = nowMs;
      this.#attempt(() => {
        this.#usage = this.#measure();
      });
    } else if (this.#usage.messages !== this.#counts.messages) {
      this.#usage = { ...this.#usage, messages: this.#counts.messages };
    }
    return this.#usage;
  }

  /** With the first sequence that was not given out the next owner goes on without a gap. */
  close(nextSequence?: number): void {
    if (nextSequence !== undefined) this.#attempt(() => this.#sql.promise.run(nextSequence));
    this.#database.close();
  }

  #commit(work: () => void): StoreFailure | undefined {
    const before = { ...this.#counts };
    const failure = this.#attempt(() => {
      this.#sql.begin.run();
      work();
      this.#sql.commit.run();
    });
    if (failure === undefined) return undefined;
    this.#counts = before;
    if (this.#database.isTransaction) this.#attempt(() => this.#sql.rollback.run());
    return failure;
  }

  #attempt(work: () => void): StoreFailure | undefined {
    try {
      work();
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (isFull(error)) return { refused: 'full', reason };
      this.#broken ??= reason;
      return { refused: 'unavailable', reason };
    }
  }

  #append({ appends, parts, bodies }: Batch): void {
    const slice = (offset: number, length: number): Uint8Array =>
      bodies === undefined ? EMPTY : new Uint8Array(bodies, offset, length);
    for (const { sequence, part, offset, length } of parts) {
      this.#promise(sequence);
      if (part === 0) this.#sql.insertUnfinished.run(sequence);
      this.#sql.insertPiece.run(placeOf(sequence, part), slice(offset, length));
    }
    for (const { sequence, id, groups, parts: before, envelope, offset, length } of appends) {
      this.#promise(sequence);
      this.#sql.insert.run(sequence, id, groups, envelope);
      this.#sql.insertPiece.run(placeOf(sequence, before), slice(offset, length));
      if (before > 0) this.#sql.deleteUnfinished.run(sequence);
      this.#counts.messages++;
    }
  }

  #promise(sequence: number): void {
    if (sequence < this.#counts.promised) return;
    this.#counts.promised = sequence + SEQUENCE_BLOCK;
    this.#sql.promise.run(this.#counts.promised);
  }

  #record({ outcomes, withdrawn }: Batch, mismatched: number[]): void {
    const { sequences, ids, groups, states } = outcomes;
    for (let position = 0; position < sequences.length; position++) {
      const sequence = sequences[position]!;
      const id = ids[position]!;
      const group = groups[position]!;
      const state = states[position]!;
      const matched =
        state === '' ? this.#done(sequence, id, group) : this.#deferred(sequence, id, group, state);
      if (!matched) mismatched.push(position);
    }
    for (const reference of withdrawn) this.#withdraw(reference);
  }

  #done(sequence: number, id: string, group: number): boolean {
    if (group === 0 && this.#sql.deleteSingle.run(sequence, id).changes === 1) {
      this.#counts.messages--;
      this.#deletePieces(sequence);
      this.#deleteStates(sequence);
      return true;
    }
    const row = this.#sql.shape.get(sequence, id);
    const groups = Number(row?.groups);
    if (row === undefined || group >= groups) return false;
    this.#sql.insertDone.run(sequence, group);
    if (this.#counts.deferred > 0) {
      this.#counts.deferred -= Number(this.#sql.deleteState.run(sequence, group).changes);
    }
    if (Number(this.#sql.countDone.get(sequence)?.count) >= groups) this.#delete(sequence);
    return true;
  }

  #deferred(sequence: number, id: string, group: number, state: string): boolean {
    const row = this.#sql.shape.get(sequence, id);
    if (row === undefined || group >= Number(row.groups)) return false;
    if (this.#counts.deferred > 0 && this.#sql.updateState.run(state, sequence, group).changes === 1)
      return true;
    this.#counts.deferred += Number(
      this.#sql.insertState.run(sequence, group, state, sequence, group).changes,
    );
    return true;
  }

  /** Also what is there of a message whose last piece never came. */
  #withdraw({ sequence, id }: BatchReference): void {
    const row = this.#sql.idOf.get(sequence);
    if (row === undefined) {
      this.#deletePieces(sequence);
      this.#sql.deleteUnfinished.run(sequence);
    } else if (row.id === id) this.#delete(sequence);
  }

  #delete(sequence: number): void {
    this.#counts.messages -= Number(this.#sql.deleteMessage.run(sequence).changes);
    this.#sql.deleteDone.run(sequence);
    this.#deletePieces(sequence);
    this.#deleteStates(sequence);
  }

  #deletePieces(sequence: number): void {
    this.#sql.deletePieces.run(placeOf(sequence, 0), placeOf(sequence + 1, 0) - 1);
  }

  #deleteStates(sequence: number): void {
    if (this.#counts.deferred === 0) return;
    this.#counts.deferred -= Number(this.#sql.deleteStates.run(sequence).changes);
  }

  #readAll(references: readonly BatchReference[], into: StoredMessagesPacker): void {
    for (const reference of references) {
      if (into.bytes > MAX_BATCH_BYTES) return;
      this.#read(reference, into);
    }
  }

  #read({ sequence, id }: BatchReference, into: StoredMessagesPacker): void {
    let envelope = '';
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    const last = placeOf(sequence + 1, 0) - 1;
    for (const row of this.#sql.read.all(placeOf(sequence, 0), last, sequence)) {
      const bytes = row[2];
      if (id !== '' && row[0] !== id) break;
      if (envelope === '') envelope = String(row[1]);
      if (bytes instanceof Uint8Array) pieces.push(bytes);
    }
    if (envelope === '') into.addMissing();
    else into.add(envelope, pieces);
  }

  #statesOf(sequence: number): { readonly group: number; readonly state: string }[] {
    return this.#sql.statesOf
      .all(sequence)
      .map(({ grp, state }) => ({ group: Number(grp), state: String(state) }));
  }

  #measure(): StoreUsage {
    const pages = Number(this.#sql.pageCount.get()?.page_count);
    const unused = Number(this.#sql.freeCount.get()?.freelist_count);
    const disk = statfsSync(this.#directory);
    return {
      messages: this.#counts.messages,
      usedBytes: (pages - unused) * PAGE_BYTES,
      // Pages of messages that are done are used again before the file grows.
      freeBytes: disk.bavail * disk.bsize + unused * PAGE_BYTES,
    };
  }
}

function changesSomething({ parts, appends, outcomes, withdrawn }: Batch): boolean {
  return parts.length + appends.length + outcomes.sequences.length + withdrawn.length > 0;
}
