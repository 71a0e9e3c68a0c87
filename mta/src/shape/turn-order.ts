/**
 * Who goes first: class, then oldest first, with ageing. One step of priority is worth this much waiting: a lower class is overtaken for
 * hours (a backlog of bulk mail that is an hour old must not pass a password reset) and yet never for ever. Because it is a fixed head
 * start, the order of two demands does not change while they wait.
 */
export const PRIORITY_HEAD_START_MS = 6 * 3_600_000;

/** Place in a line: the smaller goes first. */
export function rankMs(priority: number, sinceMs: number): number {
  return sinceMs - priority * PRIORITY_HEAD_START_MS;
}

export interface InLine {
  readonly rankMs: number;
  /** Order of arrival, for equals. */
  readonly sequence: number;
}

export function goesBefore(one: InLine, other: InLine): boolean {
  return one.rankMs < other.rankMs || (one.rankMs === other.rankMs && one.sequence < other.sequence);
}
