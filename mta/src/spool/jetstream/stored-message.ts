import type { MsgRequest, StoredMsg } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import type { SpoolContext } from './jetstream-spool.ts';

/** How long an answer is waited for before the question is put again. */
export const ASK_ANEW_AFTER_MS = 1_000;
/** So many questions are put in haste; the last one has the time of the library, for a server that is slow and not silent. */
const HASTY_QUESTIONS = 4;

/**
 * What a stream's leader has under a sequence, or last under a subject; `null` = nothing. A server drops the question while the stream has no leader, so it is
 * put again every {@link ASK_ANEW_AFTER_MS}: what waits for it goes on a second after an election, not five or ten.
 *
 * @throws {errors.TimeoutError} when nobody answers
 *
 * Example: `await storedMessage(context, 'sluice-journal', { last_by_subj: 'sluice.journal.7' })`
 */
export async function storedMessage(
  { hastyManager, manager }: Pick<SpoolContext, 'hastyManager' | 'manager'>,
  stream: string,
  query: MsgRequest,
): Promise<StoredMsg | null> {
  for (let question = 0; question < HASTY_QUESTIONS; question++) {
    try {
      return await hastyManager.streams.getMessage(stream, query);
    } catch (error) {
      if (!(error instanceof errors.TimeoutError)) throw error;
    }
  }
  return manager.streams.getMessage(stream, query);
}
