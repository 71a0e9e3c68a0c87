/**
 * Time over which rates are averaged, milliseconds: what happened so long ago counts for a third of what happens now. Long against the
 * bursts of a queue, short enough to see a change at once.
 */
export const RECENT_MS = 5_000;

/** What may become of recipients. */
export type OutcomeKind = 'delivered' | 'deferred' | 'bounced' | 'expired';

/** Rates of the last seconds, per second. */
export interface RecentRates {
  /** Messages taken over by the next host. */
  readonly messages: number;
  /** Recipients. */
  readonly delivered: number;
  readonly deferred: number;
  /** Bounced and expired. */
  readonly failed: number;
}

/**
 * Outcomes of the last seconds as rates that fade (an exponential average): whoever asks gets rates at once, however many ask, and nobody keeps
 * samples. One `Math.exp` for each call of `record`.
 *
 * Example: 100 calls a second of `record('delivered', 1, nowMs)` → after a while `rates(nowMs).delivered` is about 100
 */
export class RecentOutcomes {
  #atMs = 0;
  #messages = 0;
  #delivered = 0;
  #deferred = 0;
  #failed = 0;

  /** `nowMs`: of one monotonic clock. */
  record(kind: OutcomeKind, recipients: number, nowMs: number): void {
    this.#fade(nowMs);
    if (kind === 'delivered') {
      this.#messages++;
      this.#delivered += recipients;
    } else if (kind === 'deferred') this.#deferred += recipients;
    else this.#failed += recipients;
  }

  rates(nowMs: number): RecentRates {
    this.#fade(nowMs);
    const perSecond = 1_000 / RECENT_MS;
    return {
      messages: this.#messages * perSecond,
      delivered: this.#delivered * perSecond,
      deferred: this.#deferred * perSecond,
      failed: this.#failed * perSecond,
    };
  }

  #fade(nowMs: number): void {
    const passedMs = nowMs - this.#atMs;
    if (passedMs <= 0) return;
    const left = Math.exp(-passedMs / RECENT_MS);
    this.#atMs = nowMs;
    this.#messages *= left;
    this.#delivered *= left;
    this.#deferred *= left;
    this.#failed *= left;
  }
}
