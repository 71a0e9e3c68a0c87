import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS } from '@sluice/crds';
import { REFERENCE_DIRECTORY, referencePages } from './reference-pages.ts';

for (const [file, text] of Object.entries(referencePages())) {
  test(`docs/reference/${file} says what the code does; if not, run: node mta/src/write-reference.ts`, () => {
    assert.equal(readFileSync(new URL(file, REFERENCE_DIRECTORY), 'utf8'), text);
  });
}

test('every error code that a user can meet is looked up in one page', () => {
  const page = readFileSync(new URL('errors.md', REFERENCE_DIRECTORY), 'utf8');
  for (const code of Object.keys(ERRORS)) assert.ok(page.includes(`## ${code}\n`), code);
});

test('no row of a page is without words: an undescribed field leaves its user guessing', () => {
  for (const [file, text] of Object.entries(referencePages())) {
    for (const row of text.split('\n').filter((line) => line.startsWith('|'))) {
      assert.doesNotMatch(row, /\| +\|$/, `${file}: ${row}`);
      assert.doesNotMatch(row, /undefined/, `${file}: ${row}`);
    }
  }
});
