/** Writes crds/generated anew: `node crds/src/write-crds.ts`, then read the diff. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { DEFINITION_DIRECTORY, definitionFiles } from './definition-files.ts';

mkdirSync(DEFINITION_DIRECTORY, { recursive: true });
for (const [file, text] of Object.entries(definitionFiles())) {
  writeFileSync(new URL(file, DEFINITION_DIRECTORY), text);
}
