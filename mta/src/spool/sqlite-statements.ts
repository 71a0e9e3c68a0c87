import type { DatabaseSync } from 'node:sqlite';

export type Statements = ReturnType<typeof prepareStatements>;

/** Every statement of the store, prepared once. */
export function prepareStatements(database: DatabaseSync) {
  const sql = (text: string) => database.prepare(text);
  /** Its rows are lists of values. */
  const inColumns = (text: string) => {
    const statement = database.prepare(text);
    statement.setReturnArrays(true);
    return statement;
  };
  return {
    begin: sql('BEGIN IMMEDIATE'),
    commit: sql('COMMIT'),
    rollback: sql('ROLLBACK'),

    insert: sql('INSERT INTO message (sequence, id, groups, envelope) VALUES (?, ?, ?, ?)'),
    insertPiece: sql('INSERT INTO piece (place, bytes) VALUES (?, ?)'),
    /** Before the first of several pieces; taken back with the last. */
    insertUnfinished: sql('INSERT INTO unfinished (sequence) VALUES (?)'),
    deleteUnfinished: sql('DELETE FROM unfinished WHERE sequence = ?'),
    deleteSingle: sql('DELETE FROM message WHERE sequence = ? AND id = ? AND groups = 1'),
    deleteMessage: sql('DELETE FROM message WHERE sequence = ?'),
    deletePieces: sql('DELETE FROM piece WHERE place BETWEEN ? AND ?'),
    shape: sql('SELECT groups FROM message WHERE sequence = ? AND id = ?'),
    idOf: sql('SELECT id FROM message WHERE sequence = ?'),

    insertDone: sql('INSERT OR IGNORE INTO done (sequence, grp) VALUES (?, ?)'),
    countDone: sql('SELECT count(*) AS count FROM done WHERE sequence = ?'),
    doneOf: sql('SELECT grp FROM done WHERE sequence = ?'),
    deleteDone: sql('DELETE FROM done WHERE sequence = ?'),

    updateState: sql('UPDATE deferred SET state = ? WHERE sequence = ? AND grp = ?'),
    /** Done is final. */
    insertState: sql(
      'INSERT INTO deferred (sequence, grp, state) SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM done WHERE sequence = ? AND grp = ?)',
    ),
    statesOf: sql('SELECT grp, state FROM deferred WHERE sequence = ?'),
    deleteState: sql('DELETE FROM deferred WHERE sequence = ? AND grp = ?'),
    deleteStates: sql('DELETE FROM deferred WHERE sequence = ?'),

    page: sql(
      'SELECT sequence, id, groups, envelope FROM message WHERE sequence > ? ORDER BY sequence LIMIT ?',
    ),
    /** A row for each piece of its body: nearly always one. */
    read: inColumns(
      'SELECT id, envelope, bytes FROM message LEFT JOIN piece ON place BETWEEN ? AND ? WHERE sequence = ? ORDER BY place',
    ),

    promised: sql('SELECT next_sequence FROM promised'),
    promise: sql('UPDATE promised SET next_sequence = ?'),
    countMessages: sql('SELECT count(*) AS count FROM message'),
    countDeferred: sql('SELECT count(*) AS count FROM deferred'),
    pageCount: sql('PRAGMA page_count'),
    freeCount: sql('PRAGMA freelist_count'),
  };
}
