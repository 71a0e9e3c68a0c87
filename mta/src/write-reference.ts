import { mkdirSync, writeFileSync } from 'node:fs';
import { REFERENCE_DIRECTORY, referencePages } from './reference-pages.ts';

// Writes the generated pages of docs/reference: `node mta/src/write-reference.ts`.
mkdirSync(REFERENCE_DIRECTORY, { recursive: true });
for (const [file, text] of Object.entries(referencePages())) {
  writeFileSync(new URL(file, REFERENCE_DIRECTORY), text);
}
