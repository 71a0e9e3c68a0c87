import type { Rate } from '@sluice/crds';

/** A bound's share over time: cut at a moment, given back step by step. */
export interface ScaleCourse {
  /** Share at `createdAtMs`, percent. */
  readonly percent: number;
  readonly recoverPercent: number;
  readonly recoverEveryMs: number;
  readonly createdAtMs: number;
}

/** Share in force, percent; 100 = it is over. */
export function shareAt(
  { percent, recoverPercent, recoverEveryMs, createdAtMs }: ScaleCourse,
  nowMs: number,
): number {
  const steps = Math.max(0, Math.floor((nowMs - createdAtMs) / recoverEveryMs));
  return Math.min(100, percent * (recoverPercent / 100) ** steps);
}

/**
 * When the whole bound is back, wall time.
 *
 * Example: 50 % from 0, 120 % each hour → 60, 72, 86.4, 100: after four hours
 */
export function recoveredAtMs({ percent, recoverPercent, recoverEveryMs, createdAtMs }: ScaleCourse): number {
  // The share of the last step may miss 100 by a rounding error.
  const steps = Math.ceil(Math.log(100 / percent) / Math.log(recoverPercent / 100) - 1e-9);
  return createdAtMs + Math.max(0, steps) * recoverEveryMs;
}

/** When the share changes next, wall time; `undefined` = it is back. */
export function nextStepAtMs(course: ScaleCourse, nowMs: number): number | undefined {
  const { createdAtMs, recoverEveryMs } = course;
  if (nowMs >= recoveredAtMs(course)) return undefined;
  return createdAtMs + (Math.max(0, Math.floor((nowMs - createdAtMs) / recoverEveryMs)) + 1) * recoverEveryMs;
}

/** A share of a number of connections, at least one. */
export function scaledCount(count: number, percent: number): number {
  return Math.max(1, Math.floor((count * percent) / 100 + 1e-9));
}

/** A share of a rate: the period is stretched, so that a small count keeps its exact share. */
export function scaledRate({ count, periodMs }: Rate, percent: number): Rate {
  return percent >= 100 ? { count, periodMs } : { count, periodMs: Math.round((periodMs * 100) / percent) };
}
