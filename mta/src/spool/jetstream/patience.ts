import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

/** Pause between two tries. */
const RETRY_MS = 250;
/** HTTP-like status of what passes by itself: no leader, no quorum, not ready. */
const UNAVAILABLE = 503;
/** `errors.json` of nats-server: answers of a cluster that is not settled. */
const UNSETTLED = new Set([10_008, 10_009, 10_004, 10_163]);

/** NATS did not answer, or said that it cannot yet: asking again helps. */
export function isPassing(error: unknown): boolean {
  if (error instanceof errors.TimeoutError || error instanceof errors.NoRespondersError) return true;
  if (error instanceof JetStreamApiError) return error.status === UNAVAILABLE || UNSETTLED.has(error.code);
  return error instanceof Error && error.cause !== undefined && isPassing(error.cause);
}

/**
 * Does something again and again while it fails for reasons that pass; the last failure is thrown after `patienceMs`.
 *
 * Example: `await patiently(30_000, () => manager.streams.info('s'))`
 */
export async function patiently<T>(patienceMs: number, attempt: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isPassing(error) || performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
