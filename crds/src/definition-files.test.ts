import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DEFINITION_DIRECTORY, definitionFiles } from './definition-files.ts';

test('the CRDs that a cluster gets are those of the schemas: nobody has changed one without the other', () => {
  const files = definitionFiles();
  assert.deepEqual(readdirSync(DEFINITION_DIRECTORY).toSorted(), Object.keys(files).toSorted());
  for (const [file, text] of Object.entries(files)) {
    const written = readFileSync(new URL(file, DEFINITION_DIRECTORY), 'utf8');
    assert.equal(written, text, `${file} is old: run node crds/src/write-crds.ts`);
  }
});
