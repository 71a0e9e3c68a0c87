import type { ClientId } from './effect.ts';

/** A part of a rate and of its burst. */
export interface SharePart {
  readonly ratePerMs: number;
  readonly capacity: number;
}

export const NO_PART: SharePart = { ratePerMs: 0, capacity: 0 };

/** Part of a rate that all who demand it get alike, whatever waits behind them: nobody is starved by a big client. */
export const EQUAL_PORTION = 0.25;

export interface ShareClaim {
  readonly client: ClientId;
  /** Units that wait. */
  readonly units: number;
  readonly priority: number;
  /** Below this capacity a part could not be spent. */
  readonly leastCapacity: number;
}

/**
 * Divides a rate: a quarter equally among all, the rest by what waits at those of the highest priority.
 *
 * Example: 100/s between a client with 90 waiting units and one with 10 → 12.5 + 67.5 = 80/s and 12.5 + 7.5 = 20/s.
 */
export function shareOut(
  claims: readonly ShareClaim[],
  ratePerMs: number,
  burst: number,
): ReadonlyMap<ClientId, SharePart> {
  let highest = Number.NEGATIVE_INFINITY;
  for (const { priority } of claims) highest = Math.max(highest, priority);
  let units = 0;
  let spareCapacity = burst;
  for (const claim of claims) {
    if (claim.priority === highest) units += claim.units;
    spareCapacity -= claim.leastCapacity;
  }
  const parts = new Map<ClientId, SharePart>();
  for (const claim of claims) {
    const byDemand = claim.priority === highest ? claim.units / units : 0;
    const portion = EQUAL_PORTION / claims.length + (1 - EQUAL_PORTION) * byDemand;
    const capacity = claim.leastCapacity + Math.max(0, spareCapacity) * portion;
    parts.set(claim.client, { ratePerMs: ratePerMs * portion, capacity });
  }
  return parts;
}
