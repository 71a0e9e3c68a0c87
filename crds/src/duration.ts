const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** How a duration is written: GEP-2257, one to four of `h`, `m`, `s`, `ms`, at most five digits each. */
export const DURATION_PATTERN = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/;

/**
 * Milliseconds of a duration in the Gateway API's form (GEP-2257). `undefined` = it is none.
 *
 * Example: `parseDuration('1h30m')` → `5_400_000`
 */
export function parseDuration(text: string): number | undefined {
  if (!DURATION_PATTERN.test(text)) return undefined;
  let totalMs = 0;
  for (const [, digits, unit] of text.matchAll(/([0-9]+)(ms|h|m|s)/g)) {
    totalMs += Number(digits) * (UNIT_MS[unit ?? ''] ?? 0);
  }
  return totalMs;
}

/** The shortest way to write whole milliseconds: `5_400_000` → `1h30m`, `0` → `0s`. */
export function formatDuration(durationMs: number): string {
  let rest = durationMs;
  let text = '';
  for (const [unit, unitMs] of Object.entries(UNIT_MS)) {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === '' ? '0s' : text;
}

/** Milliseconds of a duration that the schema has accepted. Throws TypeError otherwise: that is a bug of the caller. */
export function milliseconds(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs === undefined) throw new TypeError(`the schema accepted the duration ${text}`);
  return durationMs;
}
