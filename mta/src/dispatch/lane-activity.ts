import type { PoolConfig } from '@sluice/crds';
import type { LaneId } from '../queue/mod.ts';
import { CarriedUnit } from './carried-unit.ts';
import { siteOf } from './destinations.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { LaneDriver } from './lane-driver.ts';
import { type LaneView, laneView } from './lane-view.ts';
import type { Lane } from './lanes.ts';

/** A lane as a live view shows it. */
export interface LaneActivity extends LaneView {
  /** `''` = none, or not known. */
  readonly group: string;
  /** Connections that limits allow it, through all its sources together; absent = not bounded, or not known. */
  readonly connectionBound?: number;
}

/** Lanes of which a live view is made, besides those of sites that send most. */
const MAX_ACTIVE_LANES = 200;

/** Lanes of these sites and those with most mail and most connections, most first. */
export function laneActivities(
  context: DispatchContext,
  findLane: (id: LaneId) => Lane | undefined,
  sites: ReadonlySet<string>,
): readonly LaneActivity[] {
  const { queue } = context;
  return [...queue.lanes()]
    .map((id) => {
      const { ready, asleep, waiting, taken } = queue.laneCounts(id);
      const lane = findLane(id);
      const open = lane instanceof LaneDriver ? lane.sessions.size : 0;
      return { id, lane, weight: ready + asleep + waiting + taken + open };
    })
    .sort((a, b) => b.weight - a.weight)
    .filter(({ id }, index) => index < MAX_ACTIVE_LANES || sites.has(siteOf(queue.laneKey(id).site)))
    .map(({ id, lane }) => laneActivity(context, id, lane));
}

function laneActivity(context: DispatchContext, id: LaneId, lane: Lane | undefined): LaneActivity {
  const view = laneView(context, id, lane);
  const unit = lane instanceof LaneDriver ? unitOf(context, id, lane) : undefined;
  const pool = context.generation().pools.get(view.pool);
  const bound = unit === undefined || pool === undefined ? undefined : boundOf(unit, pool);
  return {
    ...view,
    group: unit?.destination.policy.group ?? '',
    ...(bound !== undefined && { connectionBound: bound }),
  };
}

/** Some mail of the lane, or what it carried last: all of it meets the same limits of the lane. */
function unitOf(context: DispatchContext, id: LaneId, lane: LaneDriver): CarriedUnit | undefined {
  const { queue } = context;
  const generation = context.generation();
  for (const unit of queue.unitsOf(id)) {
    const key = queue.unitKey(unit);
    const destination = generation.destinations.peek(key.pool, key.domain);
    if (destination === undefined || !('policy' in destination)) continue;
    return new CarriedUnit(unit, key, destination, generation, context, () => {});
  }
  return lane.carriedLast;
}

/** The smallest bound of each source, added up; a bound that several sources share counts once. */
function boundOf(unit: CarriedUnit, { sources }: PoolConfig): number | undefined {
  const active = sources.filter((source) => source.state === 'Active' && !unit.suspends(source));
  const shared = new Map<string, { readonly bound: number; sources: number }>();
  let total = 0;
  for (const source of active) {
    let least = Number.POSITIVE_INFINITY;
    for (const { id, bounds } of unit.keys(source, '').connection.keys) {
      const bound = bounds.connections ?? Number.POSITIVE_INFINITY;
      least = Math.min(least, bound);
      const known = shared.get(id) ?? { bound, sources: 0 };
      known.sources++;
      shared.set(id, known);
    }
    total += least;
  }
  for (const { bound, sources: count } of shared.values())
    if (count === active.length) total = Math.min(total, bound);
  return Number.isFinite(total) ? total : undefined;
}
