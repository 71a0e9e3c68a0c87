/** First pause after every host of a site failed, milliseconds; doubles up to {@link MAX_SITE_PAUSE_MS}. */
export const FIRST_SITE_PAUSE_MS = 15_000;
export const MAX_SITE_PAUSE_MS = 15 * 60_000;

/**
 * Whether a lane's site takes connections. After a failure on all its hosts the lane pauses; when the pause is over one
 * connection probes with one message, the others do not burn attempts. Pure.
 */
export interface SiteHealth {
  /** Failures on all hosts in a row. */
  readonly failures: number;
  /** No connection before this time; 0 = healthy. */
  readonly pausedUntilMs: number;
}

export const HEALTHY: SiteHealth = { failures: 0, pausedUntilMs: 0 };

/**
 * State after every host failed once more.
 *
 * Example: from {@link HEALTHY} at 0 → paused until 15,000; then 30,000, 60,000 … at most 15 minutes.
 */
export function siteFailed(health: SiteHealth, nowMs: number): SiteHealth {
  const pauseMs = Math.min(FIRST_SITE_PAUSE_MS * 2 ** health.failures, MAX_SITE_PAUSE_MS);
  return { failures: health.failures + 1, pausedUntilMs: nowMs + pauseMs };
}

export function mayConnect(health: SiteHealth, nowMs: number): boolean {
  return nowMs >= health.pausedUntilMs;
}
