import type { LaneView, QueueView } from '../dispatch/mod.ts';

/** Lanes of several workers as those of one: the same pool and site are added up. Most mail first. */
export function mergedQueue(views: readonly QueueView[], limit: number): QueueView {
  const lanes = new Map<string, LaneView>();
  for (const lane of views.flatMap((view) => view.lanes)) {
    const name = JSON.stringify([lane.pool, lane.site]);
    const known = lanes.get(name);
    lanes.set(name, known === undefined ? lane : sum(known, lane));
  }
  const mail = (lane: LaneView): number => lane.ready + lane.asleep + lane.waiting + lane.inFlight;
  return {
    entries: views.reduce((total, { entries }) => total + entries, 0),
    lanes: [...lanes.values()]
      .sort((a, b) => mail(b) - mail(a) || b.connections - a.connections)
      .slice(0, limit),
  };
}

function sum(a: LaneView, b: LaneView): LaneView {
  const perSource = { ...a.connectionsPerSource };
  for (const [source, open] of Object.entries(b.connectionsPerSource))
    perSource[source] = (perSource[source] ?? 0) + open;
  return {
    // What only one of them says stands.
    ...b,
    ...a,
    ready: a.ready + b.ready,
    asleep: a.asleep + b.asleep,
    waiting: a.waiting + b.waiting,
    inFlight: a.inFlight + b.inFlight,
    connections: a.connections + b.connections,
    connectionsPerSource: perSource,
    oldestAgeMs: Math.max(a.oldestAgeMs, b.oldestAgeMs),
  };
}
