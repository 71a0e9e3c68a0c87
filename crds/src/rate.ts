import type { Rate } from './effective-policy.ts';

const PERIOD_MS: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** How a rate is written: a whole number above zero, `/`, a period. */
export const RATE_PATTERN = /^([1-9][0-9]{0,14})\/(s|min|h|d)$/;

/**
 * A rate as users write it. `undefined` = it is none.
 *
 * Example: `parseRate('100/min')` → `{ count: 100, periodMs: 60_000 }`
 */
export function parseRate(text: string): Rate | undefined {
  const [, count, period] = RATE_PATTERN.exec(text) ?? [];
  const periodMs = PERIOD_MS[period ?? ''];
  return count === undefined || periodMs === undefined ? undefined : { count: Number(count), periodMs };
}

/** `{ count: 100, periodMs: 60_000 }` → `100/min`. A period without a name is told in milliseconds. */
export function formatRate(rate: Rate): string {
  const period = Object.entries(PERIOD_MS).find(([, ms]) => ms === rate.periodMs)?.[0];
  return `${rate.count}/${period ?? `${rate.periodMs}ms`}`;
}

/** The one that lets less through over time. */
export function slowerRate(a: Rate, b: Rate): Rate {
  return b.count * a.periodMs < a.count * b.periodMs ? b : a;
}
