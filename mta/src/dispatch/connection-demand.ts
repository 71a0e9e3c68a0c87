/** Time within which a lane wants its ready mail to be under way, milliseconds: decides how eagerly it opens connections to slow sites. */
export const CLEAR_WITHIN_MS = 1_000;

/** Ready messages for each further connection to a fast site: round trips of several sessions share the work of one. */
export const READY_PER_CONNECTION = 8;

/** Weight of the latest transaction in the average. */
const LATEST_SHARE = 0.2;

/**
 * Connections that a lane wants. One for a trickle, one more for every {@link READY_PER_CONNECTION} messages, and to a slow site
 * as many as clear what is ready within {@link CLEAR_WITHIN_MS} at the pace that it shows; the limits decide how many it gets. A
 * lane whose site has not answered yet wants a single one: if the host is down, one connection finds out.
 *
 * Example: 40 ready → 5; at 1.5 s each → 40.
 */
export class ConnectionDemand {
  #transactionMs = 0;

  /** A transaction took so long. */
  observe(durationMs: number): void {
    this.#transactionMs += (durationMs - this.#transactionMs) * LATEST_SHARE;
  }

  /** Never more than there are messages. */
  wanted(ready: number, siteAnswers: boolean): number {
    if (ready === 0) return 0;
    if (!siteAnswers) return 1;
    const perConnection = Math.min(READY_PER_CONNECTION, CLEAR_WITHIN_MS / this.#transactionMs);
    return Math.min(ready, Math.ceil(ready / perConnection));
  }
}
