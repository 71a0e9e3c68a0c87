import { formatDuration } from '@sluice/crds';

/** Quantities as other mail systems write them, in the form that our resources have. */

const UNIT_MS: readonly (readonly [RegExp, number])[] = [
  [/^(ms|msec|millis|milliseconds?)$/, 1],
  [/^(s|secs?|seconds?)$/, 1_000],
  [/^(m|mins?|minutes?)$/, 60_000],
  [/^(h|hrs?|hours?)$/, 3_600_000],
  [/^(d|days?)$/, 86_400_000],
  [/^(w|weeks?)$/, 604_800_000],
];

/** Longest that our form of a duration can say in hours: five digits. */
const MAX_DURATION_MS = 99_999 * 3_600_000;

/** Periods of our rates, shortest first. */
const PERIODS = [
  ['s', 1_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
] as const;

const BYTES: Readonly<Record<string, number>> = { '': 1, k: 1_024, m: 1_048_576, g: 1_073_741_824 };

function unitMs(unit: string): number | undefined {
  return UNIT_MS.find(([pattern]) => pattern.test(unit.toLowerCase()))?.[1];
}

/**
 * A duration above zero: a number of seconds, or numbers with units one after the other. `undefined` = it is none.
 *
 * Example: `durationOf('3 days')` → `72h`; `durationOf('4d12h')` → `108h`; `durationOf(60)` → `1m`
 */
export function durationOf(value: unknown): string | undefined {
  const durationMs = millisecondsOf(value);
  return durationMs === undefined || durationMs < 1 || durationMs > MAX_DURATION_MS
    ? undefined
    : formatDuration(Math.round(durationMs));
}

function millisecondsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value * 1_000;
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (/^[0-9]+$/.test(text)) return Number(text) * 1_000;
  if (!/^([0-9]+\s*[a-zA-Z]+\s*)+$/.test(text) || text.length > 64) return undefined;
  let totalMs = 0;
  for (const [, digits, unit = ''] of text.matchAll(/([0-9]+)\s*([a-zA-Z]+)/g)) {
    const each = unitMs(unit);
    if (each === undefined) return undefined;
    totalMs += Number(digits) * each;
  }
  return totalMs;
}

/**
 * A rate `N/period` or `N/M period`, never rounded up: what does not come out even is told per day. `undefined` = it is none.
 *
 * Example: `rateOf('1,000/minute')` → `1000/min`; `rateOf('100/5m')` → `20/min`
 */
export function rateOf(text: string): string | undefined {
  const [, digits = '', size = '', every = '', unit = ''] =
    /^\s*([0-9][0-9_,]{0,14})([kKmMgG]?)\s*\/\s*([0-9]{0,6})\s*([a-zA-Z]+)\s*$/.exec(text) ?? [];
  const each = unitMs(unit);
  if (each === undefined) return undefined;
  const count = Number(digits.replace(/[_,]/g, '')) * (BYTES[size.toLowerCase()] ?? 1);
  const periodMs = each * (every === '' ? 1 : Number(every));
  if (!Number.isSafeInteger(count) || count < 1 || periodMs < 1) return undefined;
  const own = PERIODS.find(([, ms]) => ms === periodMs);
  if (own !== undefined) return `${count}/${own[0]}`;
  const even = PERIODS.find(([, ms]) => (count * ms) % periodMs === 0 && count * ms >= periodMs);
  if (even !== undefined) return `${(count * even[1]) / periodMs}/${even[0]}`;
  const perDay = Math.floor((count * 86_400_000) / periodMs);
  return perDay < 1 || !Number.isSafeInteger(perDay) ? undefined : `${perDay}/d`;
}

/**
 * A whole number from 1. `undefined` = it is none.
 *
 * Example: `countOf('10,000')` → `10000`
 */
export function countOf(value: unknown): number | undefined {
  const count =
    typeof value === 'string' && /^\s*[0-9][0-9_,]{0,12}\s*$/.test(value)
      ? Number(value.replace(/[_,]/g, ''))
      : value;
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 1 ? count : undefined;
}

/** The trigger of a rule, `N/period`: N within that time. */
export function thresholdOf(text: string): { readonly count: number; readonly within: string } | undefined {
  const [, digits, every = '', unit = ''] =
    /^\s*([0-9][0-9_,]{0,8})\s*\/\s*([0-9]{0,6})\s*([a-zA-Z]+)\s*$/.exec(text) ?? [];
  const count = countOf(digits);
  const within = durationOf(`${every === '' ? 1 : every}${unit}`);
  return count === undefined || within === undefined ? undefined : { count, within };
}
