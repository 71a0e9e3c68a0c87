import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type {
  Batch,
  BatchAnswer,
  BatchDone,
  SqliteOptions,
  StoredRow,
  StoreFailure,
  StoreUsage,
} from './sqlite-batch.ts';

/** "SLUI": tells a spool from any other SQLite file. */
const APPLICATION_ID = 0x534c5549;
const SCHEMA_VERSION = 1;
/** Sequences are promised in blocks, so that none is ever used twice, whatever was deleted before a crash. */
const SEQUENCE_BLOCK = 1_000_000;
/** Page cache, KiB (negative = KiB in SQLite's terms). */
const CACHE_KIB = 64 * 1024;
/** Write-ahead log at which its pages go to the database, pages of 8 KiB: mail that was delivered meanwhile never gets there. */
const CHECKPOINT_PAGES = 4096;
const PAGE_BYTES = 8192;
/** Free space is asked for at most this often, milliseconds. */
const STATFS_EVERY_MS = 1000;

/** Why a file cannot be the spool. */
export class SpoolOpenError extends Error {
  readonly problem: 'locked' | 'foreign' | 'version' | 'unreadable';

  constructor(problem: SpoolOpenError['problem'], reason: string) {
    super(reason);
    this.problem = problem;
  }
}

const SCHEMA = `
  CREATE TABLE message (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL, groups INTEGER NOT NULL, envelope TEXT NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE TABLE deferred (sequence INTEGER NOT NULL, grp INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (sequence, grp)) STRICT, WITHOUT ROWID;
  CREATE TABLE done (sequence INTEGER NOT NULL, grp INTEGER NOT NULL, PRIMARY KEY (sequence, grp)) STRICT, WITHOUT ROWID;
  CREATE TABLE promised (next_sequence INTEGER NOT NULL) STRICT;
  INSERT INTO promised VALUES (1);
`;

/**
 * The spool's tables, synchronous: runs in a thread of its own. A message with one group (the usual case) is one INSERT and
 * one DELETE; the rows of `deferred` and `done` exist only for what is more than that.
 */
export class SqliteStore {
  readonly #database: DatabaseSync;
  readonly #directory: string;
  readonly #sql: ReturnType<typeof statements>;
  readonly nextSequence: number;
  #messages: number;
  #deferredRows: number;
  #usage: StoreUsage;
  #usageAtMs = Number.NEGATIVE_INFINITY;

  /** @throws {SpoolOpenError} */
  constructor(options: SqliteOptions) {
    this.#directory = dirname(options.path);
    this.#database = openDatabase(options);
    this.#sql = statements(this.#database);
    this.nextSequence = this.#promiseSequences();
    this.#messages = count(this.#database, 'message');
    this.#deferredRows = count(this.#database, 'deferred');
    this.#usage = this.#measure();
  }

  /** Makes a batch durable: all of it in one commit, or what can be saved of it. */
  run(batch: Batch): Omit<BatchAnswer, 'kind' | 'bodies'> {
    const mismatched: number[] = [];
    const before = { messages: this.#messages, deferredRows: this.#deferredRows };
    let appendFailure: StoreFailure | undefined;
    let outcomeFailure = this.#commit(() => {
      this.#append(batch);
      this.#record(batch, mismatched);
    });
    if (outcomeFailure !== undefined) {
      this.#messages = before.messages;
      this.#deferredRows = before.deferredRows;
      mismatched.length = 0;
      // What was delivered must be recorded even when nothing more can be stored.
      appendFailure = outcomeFailure;
      outcomeFailure = this.#commit(() => this.#record(batch, mismatched));
      if (outcomeFailure !== undefined) {
        this.#messages = before.messages;
        this.#deferredRows = before.deferredRows;
      }
    }
    return {
      appendFailure,
      outcomeFailure,
      mismatched,
      reads: batch.reads.map((read) => this.#read(read)),
      usage: this.usage(),
    };
  }

  /** The next rows of a replay, without bodies. */
  page(afterSequence: number, atMost: number): readonly StoredRow[] {
    return this.#sql.page.all(afterSequence, atMost).map((row) => {
      const sequence = Number(row.sequence);
      const groups = Number(row.groups);
      return {
        sequence,
        id: String(row.id),
        groups,
        envelope: String(row.envelope),
        done: groups === 1 ? [] : this.#sql.doneOf.all(sequence).map((each) => Number(each.grp)),
        states:
          this.#deferredRows === 0
            ? []
            : this.#sql.statesOf
                .all(sequence)
                .map((each) => ({ group: Number(each.grp), state: String(each.state) })),
      };
    });
  }

  usage(): StoreUsage {
    const nowMs = performance.now();
    if (nowMs - this.#usageAtMs >= STATFS_EVERY_MS) {
      this.#usageAtMs = nowMs;
      this.#usage = this.#measure();
    } else if (this.#usage.messages !== this.#messages)
      this.#usage = { ...this.#usage, messages: this.#messages };
    return this.#usage;
  }

  close(): void {
    this.#database.close();
  }

  #commit(work: () => void): StoreFailure | undefined {
    try {
      this.#sql.begin.run();
      work();
      this.#sql.commit.run();
      return undefined;
    } catch (error) {
      if (this.#database.isTransaction) this.#sql.rollback.run();
      return failureOf(error);
    }
  }

  #append(batch: Batch): void {
    const { bodies } = batch;
    for (const { sequence, id, groups, envelope, offset, length } of batch.appends) {
      this.#sql.insert.run(
        sequence,
        id,
        groups,
        envelope,
        bodies === undefined ? EMPTY : new Uint8Array(bodies, offset, length),
      );
      this.#messages++;
    }
  }

  #record(batch: Batch, mismatched: number[]): void {
    for (const [position, outcome] of batch.outcomes.entries()) {
      if (!(outcome.state === undefined ? this.#done(outcome) : this.#deferred(outcome, outcome.state)))
        mismatched.push(position);
    }
    for (const { sequence, id } of batch.withdrawn) this.#delete(sequence, id);
  }

  #done({ sequence, id, group }: BatchDone): boolean {
    if (this.#sql.deleteSingle.run(sequence, id).changes === 1) {
      this.#messages--;
      if (this.#deferredRows > 0) this.#deferredRows -= Number(this.#sql.deleteStates.run(sequence).changes);
      return true;
    }
    const groups = this.#groupsOf(sequence, id);
    if (groups === undefined || group >= groups) return false;
    this.#sql.insertDone.run(sequence, group);
    if (this.#deferredRows > 0)
      this.#deferredRows -= Number(this.#sql.deleteState.run(sequence, group).changes);
    if (Number(this.#sql.countDone.get(sequence)?.done) >= groups) this.#delete(sequence, id);
    return true;
  }

  #deferred({ sequence, id, group }: BatchDone, state: string): boolean {
    const groups = this.#groupsOf(sequence, id);
    if (groups === undefined || group >= groups) return false;
    if (this.#sql.updateState.run(state, sequence, group).changes === 0) {
      this.#sql.insertState.run(sequence, group, state);
      this.#deferredRows++;
    }
    return true;
  }

  #delete(sequence: number, id: string): void {
    if (this.#sql.deleteMessage.run(sequence, id).changes === 0) return;
    this.#messages--;
    this.#sql.deleteDone.run(sequence);
    this.#deferredRows -= Number(this.#sql.deleteStates.run(sequence).changes);
  }

  #groupsOf(sequence: number, id: string): number | undefined {
    const groups = this.#sql.groupsOf.get(sequence, id)?.groups;
    return groups === undefined ? undefined : Number(groups);
  }

  #read({ sequence, id }: { readonly sequence: number; readonly id: string }): BatchAnswer['reads'][number] {
    const row = this.#sql.read.get(sequence);
    if (row === undefined || (id !== '' && row.id !== id) || !(row.body instanceof Uint8Array))
      return undefined;
    return { envelope: String(row.envelope), body: row.body };
  }

  #promiseSequences(): number {
    const next = Number(this.#database.prepare('SELECT next_sequence AS next FROM promised').get()?.next);
    this.#database.prepare('UPDATE promised SET next_sequence = ?').run(next + SEQUENCE_BLOCK);
    return next;
  }

  #measure(): StoreUsage {
    const pages = Number(this.#database.prepare('PRAGMA page_count').get()?.page_count);
    const unused = Number(this.#database.prepare('PRAGMA freelist_count').get()?.freelist_count);
    const disk = statfsSync(this.#directory);
    return {
      messages: this.#messages,
      usedBytes: (pages - unused) * PAGE_BYTES,
      freeBytes: disk.bavail * disk.bsize + unused * PAGE_BYTES,
    };
  }
}

const EMPTY = new Uint8Array();

function openDatabase({ path, maxPages }: SqliteOptions): DatabaseSync {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(path);
    database.exec(
      `PRAGMA page_size = ${PAGE_BYTES}; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`,
    );
    database.exec(
      `PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA temp_store = MEMORY`,
    );
    if (maxPages !== undefined) database.exec(`PRAGMA max_page_count = ${maxPages}`);
    checkSchema(database);
  } catch (error) {
    if (error instanceof SpoolOpenError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new SpoolOpenError(
      /locked|busy/i.test(reason)
        ? 'locked'
        : /not a database|malformed/i.test(reason)
          ? 'foreign'
          : 'unreadable',
      reason,
    );
  }
  return database;
}

function checkSchema(database: DatabaseSync): void {
  const application = Number(database.prepare('PRAGMA application_id').get()?.application_id);
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
  const tables = Number(database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.tables);
  if (tables === 0) {
    database.exec(
      `BEGIN; ${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`,
    );
    return;
  }
  if (application !== APPLICATION_ID)
    throw new SpoolOpenError('foreign', 'it is an SQLite database of another program');
  if (version !== SCHEMA_VERSION)
    throw new SpoolOpenError(
      'version',
      `its schema is version ${version}, this program knows ${SCHEMA_VERSION}`,
    );
}

function statements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql);
  return {
    begin: prepare('BEGIN IMMEDIATE'),
    commit: prepare('COMMIT'),
    rollback: prepare('ROLLBACK'),
    insert: prepare('INSERT INTO message VALUES (?, ?, ?, ?, ?)'),
    deleteSingle: prepare('DELETE FROM message WHERE sequence = ? AND id = ? AND groups = 1'),
    deleteMessage: prepare('DELETE FROM message WHERE sequence = ? AND id = ?'),
    groupsOf: prepare('SELECT groups FROM message WHERE sequence = ? AND id = ?'),
    read: prepare('SELECT id, envelope, body FROM message WHERE sequence = ?'),
    page: prepare(
      'SELECT sequence, id, groups, envelope FROM message WHERE sequence > ? ORDER BY sequence LIMIT ?',
    ),
    insertDone: prepare('INSERT OR IGNORE INTO done VALUES (?, ?)'),
    countDone: prepare('SELECT count(*) AS done FROM done WHERE sequence = ?'),
    doneOf: prepare('SELECT grp FROM done WHERE sequence = ?'),
    deleteDone: prepare('DELETE FROM done WHERE sequence = ?'),
    updateState: prepare('UPDATE deferred SET state = ? WHERE sequence = ? AND grp = ?'),
    insertState: prepare('INSERT INTO deferred VALUES (?, ?, ?)'),
    statesOf: prepare('SELECT grp, state FROM deferred WHERE sequence = ?'),
    deleteState: prepare('DELETE FROM deferred WHERE sequence = ? AND grp = ?'),
    deleteStates: prepare('DELETE FROM deferred WHERE sequence = ?'),
  };
}

function count(database: DatabaseSync, table: 'message' | 'deferred'): number {
  return Number(database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.rows);
}

function failureOf(error: unknown): StoreFailure {
  const reason = error instanceof Error ? error.message : String(error);
  return { refused: /full|no space/i.test(reason) ? 'full' : 'unavailable', reason };
}
