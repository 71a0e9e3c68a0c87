import { readdirSync, readFileSync } from 'node:fs';
import { type ParsedResource, PROVIDER_LIBRARY, parseResources } from '@sluice/crds';

/** The policies for mailbox providers that come with the program, priority -1000: below every policy of a user. */
export function providerLibrary(): readonly ParsedResource[] {
  return readdirSync(PROVIDER_LIBRARY)
    .filter((name) => name.endsWith('.yaml'))
    .toSorted()
    .flatMap((name) => parseResources(readFileSync(new URL(name, PROVIDER_LIBRARY), 'utf8'), name).resources);
}
