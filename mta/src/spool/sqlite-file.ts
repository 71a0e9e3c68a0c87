import { closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { type OpenProblem, PAGE_BYTES, type StoreOptions } from './sqlite-batch.ts';

/** "SLUI": tells a spool from any other SQLite file. */
const APPLICATION_ID = 0x534c5549;
const SCHEMA_VERSION = 1;
/** Page cache, KiB. */
const CACHE_KIB = 8 * 1024;
/** Write-ahead log at which its pages go to the database (32 MiB): what was stored and done meanwhile never gets there. */
const CHECKPOINT_PAGES = 2048;

/**
 * A message with one group (the usual case) is two INSERTs and two DELETEs; the rows of `deferred` and `done` exist only for what is
 * more than that, those of `unfinished` while the pieces of a large message come in. Bodies are apart from what a restart reads. A piece's place is its message's sequence and its number, see {@link placeOf}.
 */
const SCHEMA = `
  CREATE TABLE message (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL, groups INTEGER NOT NULL, envelope TEXT NOT NULL) STRICT;
  CREATE TABLE piece (place INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE unfinished (sequence INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE deferred (sequence INTEGER NOT NULL, grp INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (sequence, grp)) STRICT, WITHOUT ROWID;
  CREATE TABLE done (sequence INTEGER NOT NULL, grp INTEGER NOT NULL, PRIMARY KEY (sequence, grp)) STRICT, WITHOUT ROWID;
  CREATE TABLE promised (next_sequence INTEGER NOT NULL) STRICT;
  INSERT INTO promised VALUES (1);
`;

/** Pieces that a message may have: 4 GiB. */
const MAX_PIECES = 1024;

/** Where a piece is stored; `placeOf(sequence + 1, 0) - 1` is the last place of a message. Sequences up to 2^43 fit: a century at 2,000 a second. */
export function placeOf(sequence: number, piece: number): number {
  return sequence * MAX_PIECES + piece;
}

/** Why a file cannot be the spool. */
export class SpoolOpenError extends Error {
  readonly problem: OpenProblem;

  constructor(problem: OpenProblem, reason: string) {
    super(reason);
    this.problem = problem;
  }
}

/** Pieces of messages that were never completed. */
const FORGET_UNFINISHED = `
  BEGIN IMMEDIATE;
  DELETE FROM piece WHERE place IN (
    SELECT place FROM unfinished JOIN piece ON place BETWEEN sequence * ${MAX_PIECES} AND (sequence + 1) * ${MAX_PIECES} - 1
  );
  DELETE FROM unfinished;
  COMMIT;
`;

/**
 * Opens the database of a spool, or makes one of a file that is empty or not there. A file of another program is not written to.
 *
 * @throws {SpoolOpenError}
 */
export function openSpoolFile({ path, maxPages }: StoreOptions): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    createPrivately(path);
    database = new DatabaseSync(path);
    // Kept from the first access until the process ends, however it ends: two owners of one spool would send everything twice.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const fresh = isFresh(database);
    if (fresh) database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY');
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    if (maxPages !== undefined) database.exec(`PRAGMA max_page_count = ${maxPages}`);
    if (fresh) {
      const head = `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`;
      database.exec(`BEGIN IMMEDIATE; ${SCHEMA} ${head}; COMMIT`);
    }
    database.exec(FORGET_UNFINISHED);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof SpoolOpenError) throw error;
    throw new SpoolOpenError(problemOf(error), error instanceof Error ? error.message : String(error));
  }
}

/**
 * Mail is nobody else's business; SQLite gives its write-ahead log the same mode. A file that is there is not opened here: closing
 * it would drop every lock that this process has on it (https://www.sqlite.org/howtocorrupt.html §2.2).
 */
function createPrivately(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, 'ax', 0o600));
}

/** `true` = nothing is in it, `false` = it is a spool; anything else throws. */
function isFresh(database: DatabaseSync): boolean {
  const tables = Number(database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.tables);
  const application = Number(database.prepare('PRAGMA application_id').get()?.application_id);
  if (tables === 0 && application === 0) return true;
  if (application !== APPLICATION_ID) {
    throw new SpoolOpenError('foreign', 'it is an SQLite database of another program');
  }
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
  if (version !== SCHEMA_VERSION) {
    throw new SpoolOpenError('version', `its format is ${version}, this program knows ${SCHEMA_VERSION}`);
  }
  return false;
}

function problemOf(error: unknown): OpenProblem {
  switch (sqliteCode(error)) {
    case SQLITE_BUSY:
      return 'locked';
    case SQLITE_NOTADB:
      return 'foreign';
    case SQLITE_CORRUPT:
      return 'corrupt';
    default:
      return 'unusable';
  }
}

// https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** The disk, or the bound of the file's size, has no room. */
export function isFull(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_FULL;
}

/** The primary result code of an error from `node:sqlite`; `undefined` for others. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
