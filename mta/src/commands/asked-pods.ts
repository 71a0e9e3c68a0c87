import { SluiceError } from '@sluice/crds';
import {
  type AnsweredMail,
  type AnsweredPoison,
  type AnswersOfPods,
  askPods,
  type Collected,
  type PodQuestion,
  type PodState,
} from '../control/mod.ts';
import type { ListingFilter, ListingKey, MailQuestion } from '../dispatch/mod.ts';
import { openNats } from '../spool/mod.ts';
import {
  type FetchedListing,
  fetchListing,
  fetchMail,
  fetchPod,
  fetchPoison,
  MAX_ROWS,
} from './admin-client.ts';
import type { Asked, NatsPlace } from './nats-flags.ts';

/** An admin address that says nothing about mail for so long is named as silent, milliseconds: above the time that workers behind it get. */
const MAIL_TIMEOUT_MS = 3_000;

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
    listings: answers.map(({ rows, total, poison }) => ({
      rows,
      left: total - rows.length,
      poisoned: poison?.total ?? 0,
    })),
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

/** What stands between mail of one kind and its host, at each MTA. Throws as {@link listingsOf}. */
export async function mailOf(asked: Asked, question: MailQuestion): Promise<AnswersOfPods<AnsweredMail>> {
  if (asked.kind === 'nats') {
    const { answers, silent } = await askAll(asked.place, { ask: 'Mail', mail: question });
    const failed = answers.filter(({ mail }) => mail === undefined);
    return {
      answers: answers.flatMap(({ pod, mail }) =>
        pod === undefined || mail === undefined ? [] : [{ pod, mail }],
      ),
      silent: [
        ...silent,
        ...failed.map(({ session, failure = 'no answer to this' }) => `${session} (${failure})`),
      ],
    };
  }
  return askEach(asked.addresses, (address) => fetchMail(address, question, MAIL_TIMEOUT_MS));
}

/** What MTAs hold as poison, and who did not answer. Throws as {@link listingsOf}. */
export async function poisonOf(asked: Asked): Promise<AnswersOfPods<AnsweredPoison>> {
  if (asked.kind === 'admin') return askEach(asked.addresses, fetchPoison);
  const { answers, silent } = await askAll(asked.place, { ask: 'Poison' });
  const failed = answers.filter(({ poison }) => poison === undefined);
  return {
    answers: answers.flatMap(({ pod, poison }) =>
      pod === undefined || poison === undefined ? [] : [{ pod, poison }],
    ),
    silent: [
      ...silent,
      ...failed.map(({ session, failure = 'no answer to this' }) => `${session} (${failure})`),
    ],
  };
}

/** Asks each address; those that do not answer are named, unless it is all of them: then the first failure is thrown. */
export async function askEach<Answer>(
  addresses: readonly string[],
  fetchFrom: (address: string) => Promise<AnswersOfPods<Answer>>,
): Promise<AnswersOfPods<Answer>> {
  const results = await Promise.allSettled(addresses.map(fetchFrom));
  const found = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = results.find((result) => result.status === 'rejected');
  if (found.length === 0 && failed !== undefined) throw failed.reason;
  const unreachable = addresses.filter((_, index) => results[index]?.status === 'rejected');
  return {
    answers: found.flatMap(({ answers }) => answers),
    silent: [...unreachable, ...found.flatMap(({ silent }) => silent)],
  };
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
