import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PROVIDER_LIBRARY } from '@sluice/crds';
import type { ResourceFiles } from './resource-directory.ts';

/** What stands for no library. */
export const NO_LIBRARY: ResourceFiles = new Map();

/**
 * The policies for mailbox providers that come with the program, priority -1000: below every policy of a user. Read once for each
 * process; they change with its version only.
 */
export function providerLibrary(): ResourceFiles {
  library ??= new Map(
    readdirSync(PROVIDER_LIBRARY)
      .filter((name) => name.endsWith('.yaml'))
      .toSorted()
      .map((name) => {
        const file = new URL(name, PROVIDER_LIBRARY);
        return [fileURLToPath(file), readFileSync(file, 'utf8')] as const;
      }),
  );
  return library;
}

let library: ResourceFiles | undefined;
