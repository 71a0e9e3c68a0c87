import { SluiceError } from '@sluice/crds';
import { askPods, type Collected, type PodQuestion, type PodState } from '../control/mod.ts';
import type { ListingFilter, ListingKey } from '../dispatch/mod.ts';
import { openNats } from '../spool/mod.ts';
import { type FetchedListing, fetchListing, fetchPod, MAX_ROWS } from './admin-client.ts';
import type { Asked, NatsPlace } from './nats-flags.ts';

/**
 * What MTAs have queued, and who did not answer.
 *
 * @throws {SluiceError} `SLUICE_ADMIN_UNREACHABLE`, `SLUICE_NATS_*`, `SLUICE_PODS_SILENT` when nobody answers
 */
export async function listingsOf(
  asked: Asked,
  by: ListingKey,
  filter: ListingFilter,
): Promise<{ readonly listings: readonly FetchedListing[]; readonly silent: readonly string[] }> {
  if (asked.kind === 'admin') {
    const fetched = asked.addresses.map((address) => fetchListing(address, by, filter));
    return { listings: await Promise.all(fetched), silent: [] };
  }
  const { answers, silent } = await askAll(asked.place, { ask: 'Listing', by, filter, limit: MAX_ROWS });
  const failed = answers.filter(({ failure }) => failure !== undefined);
  return {
    listings: answers.map(({ rows, total }) => ({ rows, left: total - rows.length })),
    silent: [...silent, ...failed.map(({ session, failure }) => `${session} (${failure})`)],
  };
}

/** What MTAs say of themselves, and who did not answer. Throws as {@link listingsOf}. */
export async function podsOf(
  asked: Asked,
): Promise<{ readonly pods: readonly PodState[]; readonly silent: readonly string[] }> {
  if (asked.kind === 'admin') return { pods: await Promise.all(asked.addresses.map(fetchPod)), silent: [] };
  const { answers, silent } = await askAll(asked.place, { ask: 'Pod' });
  return { pods: answers.flatMap(({ pod }) => pod ?? []), silent };
}

/** What is shown is not all. */
export function silentPods(silent: readonly string[]): SluiceError {
  return new SluiceError('SLUICE_PODS_SILENT', { who: silent.join(', ') });
}

async function askAll({ options, prefix }: NatsPlace, question: PodQuestion): Promise<Collected> {
  const connection = await openNats(options);
  try {
    const collected = await askPods(connection, prefix, question);
    if (collected.answers.length > 0) return collected;
    throw silentPods(
      collected.silent.length > 0 ? collected.silent : [`no MTA with the prefix "${prefix}" answers there`],
    );
  } finally {
    await connection.close();
  }
}
