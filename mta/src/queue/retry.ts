/** Retries are spread by this share of their delay to both sides, so that what failed together does not come back together (DESIGN §4.8). */
export const RETRY_JITTER = 1 / 40;

/**
 * Pause before the next attempt, milliseconds.
 *
 * `delaysMs` is the policy's list, never empty, whose last one repeats; `attempts` counts the attempts made, ≥ 1;
 * `random` is uniform in [0, 1).
 *
 * Example: `retryDelayMs([300_000, 900_000], 1, () => 0.5)` → 300,000; after 2, 3, … attempts 900,000.
 */
export function retryDelayMs(delaysMs: readonly number[], attempts: number, random: () => number): number {
  const index = Math.min(Math.max(attempts, 1), delaysMs.length) - 1;
  const delayMs = delaysMs[index];
  if (delayMs === undefined) throw new RangeError('a retry needs at least one delay');
  return Math.round(delayMs * (1 + (random() * 2 - 1) * RETRY_JITTER));
}

/** Wall time of the next attempt. Example: `nextAttemptAtMs(now, retry.delaysMs, 1, Math.random)`. */
export function nextAttemptAtMs(
  nowMs: number,
  delaysMs: readonly number[],
  attempts: number,
  random: () => number,
): number {
  return nowMs + retryDelayMs(delaysMs, attempts, random);
}
