import type { Bounds, Rate } from '@sluice/crds';
import type { RateName } from './limit-key.ts';

/**
 * Time whose worth of units a fast rate may give out late and at once, if `burst` is absent: timers and busy event loops are late by
 * milliseconds, and what a spaced turn loses by lateness it never gets back. 100/s so has a burst of 11, 10/s of 2, 1/s of 1.1.
 */
export const LATENESS_MS = 100;

/**
 * A rate whose units are further apart than this is slow: its units are single turns. Each is asked for by itself, and so it can be
 * given to whoever is first in the whole cluster and be written down before it is given. Its burst is 1 unless the limit says otherwise.
 */
export const SLOW_INTERVAL_MS = 3_000;

export function ratePerMs(rate: Rate): number {
  return rate.count / rate.periodMs;
}

export function isSlow(perMs: number): boolean {
  return perMs * SLOW_INTERVAL_MS < 1;
}

/**
 * Units that a rate may give out at once after a pause.
 *
 * `burst` of the limit is taken as it is, in the unit of each of its rates (bytes for byteRate). A single cost above the burst is possible:
 * it is admitted when the bucket is full and leaves a debt. So what leaves in any window of w ms is at most
 * `rate × w + max(burst, largest single cost)`.
 *
 * Example: `{ recipientRate: 10/s }` → 2; `{ recipientRate: 100/h }` → 1; `{ recipientRate: 10/s, burst: 20 }` → 20.
 */
export function burstOf(bounds: Bounds, name: RateName): number {
  if (bounds.burst !== undefined) return Math.max(1, bounds.burst);
  const rate = bounds[name];
  if (rate === undefined) return Number.POSITIVE_INFINITY;
  const perMs = ratePerMs(rate);
  return isSlow(perMs) ? 1 : 1 + perMs * LATENESS_MS;
}
