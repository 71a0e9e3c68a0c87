const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/**
 * A span of time in its two largest units; less than a second, or nothing at all, is `0s`.
 *
 * Example: `ageText(3_725_000)` → `1h2m`; `ageText(59_999)` → `59s`
 */
export function ageText(ms: number): string {
  const parts: string[] = [];
  let left = Math.max(0, ms);
  for (const [unit, unitMs] of UNITS) {
    const count = Math.floor(left / unitMs);
    left -= count * unitMs;
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join('') || '0s';
}
