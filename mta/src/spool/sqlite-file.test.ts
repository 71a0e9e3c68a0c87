import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { PAGE_BYTES } from './sqlite-batch.ts';
import { openSpoolFile, placeOf } from './sqlite-file.ts';

function fileOf(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-spool-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'spool.sqlite');
}

/** Puts some SQL into a database of its own. */
function write(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

test('a power cut loses no 250: every commit is synced', (context) => {
  const path = fileOf(context);
  for (const again of [false, true]) {
    const database = openSpoolFile({ path });
    assert.equal(database.prepare('PRAGMA synchronous').get()?.synchronous, 2, `opened again: ${again}`);
    assert.equal(database.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal');
    assert.equal(database.prepare('PRAGMA page_size').get()?.page_size, PAGE_BYTES);
    database.close();
  }
});

test('the database of another program is left as it was', (context) => {
  const path = fileOf(context);
  write(path, 'CREATE TABLE letters (text); INSERT INTO letters VALUES (1)');
  const before = readFileSync(path);
  assert.throws(() => openSpoolFile({ path }), { problem: 'foreign' });
  assert.ok(readFileSync(path).equals(before));
  assert.deepEqual(readdirSync(join(path, '..')), ['spool.sqlite']);
});

test('an empty database that another program marked as its own is left alone too', (context) => {
  const path = fileOf(context);
  write(path, 'PRAGMA application_id = 7');
  assert.throws(() => openSpoolFile({ path }), { problem: 'foreign' });
});

test('a file that is no database is left as it was', (context) => {
  const path = fileOf(context);
  const text = 'Dear grandmother, '.repeat(100);
  writeFileSync(path, text);
  assert.throws(() => openSpoolFile({ path }), { problem: 'foreign' });
  assert.equal(readFileSync(path, 'utf8'), text);
});

test('a spool of a newer version is not misread', (context) => {
  const path = fileOf(context);
  openSpoolFile({ path }).close();
  write(path, 'PRAGMA user_version = 2');
  assert.throws(() => openSpoolFile({ path }), {
    problem: 'version',
    message: /format is 2, this program knows 1/,
  });
});

test('a damaged spool is called damaged', (context) => {
  const path = fileOf(context);
  openSpoolFile({ path }).close();
  const bytes = readFileSync(path);
  bytes.fill(0xff, 100, PAGE_BYTES);
  writeFileSync(path, bytes);
  assert.throws(() => openSpoolFile({ path }), { problem: 'corrupt' });
});

test('a directory that is not there is said to be the trouble, not made up', (context) => {
  const path = join(fileOf(context), 'nowhere', 'spool.sqlite');
  assert.throws(() => openSpoolFile({ path }), { problem: 'unusable', message: /ENOENT/ });
});

test('pieces of a message that was never completed do not fill the disk for ever', (context) => {
  const path = fileOf(context);
  const database = openSpoolFile({ path });
  database.exec(
    `INSERT INTO message VALUES (1, 'whole', 1, '{}'); INSERT INTO piece VALUES (${placeOf(1, 0)}, x'00'), (${placeOf(2, 0)}, x'00'), (${placeOf(2, 1)}, x'00'); INSERT INTO unfinished VALUES (2)`,
  );
  database.close();
  const again = openSpoolFile({ path });
  assert.deepEqual(
    again
      .prepare('SELECT place FROM piece')
      .all()
      .map(({ place }) => place),
    [placeOf(1, 0)],
  );
  again.close();
});
