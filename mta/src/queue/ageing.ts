import type { Turns } from './turns.ts';

/**
 * Waiting time that counts as much as one point of class priority, milliseconds.
 *
 * The rule: what leaves next in a lane is what has the highest *rank* = priority of its class + time since this class last
 * sent something in this lane (or began to have something) / this constant. So a class goes strictly before a lower one, but a
 * lower one that is d points below still sends one message every d seconds, however busy the higher one is; it never starves.
 * Age of a single message is deliberately not the measure: an hour's backlog of bulk would then go before every password reset.
 */
export const AGEING_MS_PER_POINT = 1_000;

/** Which source takes, and for which preferred sources it may stand in. */
export interface Taker {
  /** `undefined` = whichever: nothing is passed over for its preferred source. */
  readonly source: string | undefined;
  readonly standsInFor: ((preferredSource: string) => boolean) | undefined;
}

/** The turns of a lane that offer next to this taker, by the rule above; `undefined` = nothing to offer. */
export function nextTurns(all: readonly Turns[], taker: Taker, nowMs: number): Turns | undefined {
  let best: Turns | undefined;
  let bestRank = 0;
  for (const turns of all) {
    if (turns.idle || !mayTake(taker, turns.preferredSource)) continue;
    const rank = turns.priority + (nowMs - turns.waitingSinceMs) / AGEING_MS_PER_POINT;
    if (best === undefined || rank > bestRank || (rank === bestRank && turns.lastTake < best.lastTake)) {
      best = turns;
      bestRank = rank;
    }
  }
  return best;
}

function mayTake(taker: Taker, preferredSource: string): boolean {
  return (
    taker.source === undefined ||
    preferredSource === '' ||
    preferredSource === taker.source ||
    taker.standsInFor?.(preferredSource) === true
  );
}
