import type { DatabaseSync } from 'node:sqlite';

export type Statements = ReturnType<typeof prepareStatements>;

/** Every statement of the store, prepared once. */
export function prepareStatements(database: DatabaseSync) {
  const sql = (text: string) => database.prepare(text);
  return {
    begin: sql('BEGIN IMMEDIATE'),
    commit: sql('COMMIT'),
    rollback: sql('ROLLBACK'),

    insert: sql(
      'INSERT INTO message (sequence, id, groups, parts, envelope, body) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    insertPart: sql('INSERT INTO part (sequence, part, bytes) VALUES (?, ?, ?)'),
    /** One group, one piece, one statement. */
    deleteSimple: sql('DELETE FROM message WHERE sequence = ? AND id = ? AND groups = 1 AND parts = 0'),
    deleteMessage: sql('DELETE FROM message WHERE sequence = ?'),
    deleteParts: sql('DELETE FROM part WHERE sequence = ?'),
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
    read: sql('SELECT id, parts, envelope, body FROM message WHERE sequence = ?'),
    partsOf: sql('SELECT bytes FROM part WHERE sequence = ? ORDER BY part'),

    promised: sql('SELECT next_sequence FROM promised'),
    promise: sql('UPDATE promised SET next_sequence = ?'),
    countMessages: sql('SELECT count(*) AS count FROM message'),
    countDeferred: sql('SELECT count(*) AS count FROM deferred'),
    pageCount: sql('PRAGMA page_count'),
    freeCount: sql('PRAGMA freelist_count'),
  };
}
