import type { LaneId } from '../queue/mod.ts';
import type { Reply } from '../spool/mod.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { LaneDriver } from './lane-driver.ts';
import type { Lane } from './lanes.ts';

/** One line of the queue's view: a lane (pool, site) as `GET /queue`, `sluice queue` and the demo's table show it. */
export interface LaneView {
  readonly pool: string;
  readonly site: string;
  /** Recipient groups that could go now, wait for a limit of their own, wait for their time, are in a transaction. */
  readonly ready: number;
  readonly asleep: number;
  readonly waiting: number;
  readonly inFlight: number;
  readonly connections: number;
  /** Open connections by name of the source. */
  readonly connectionsPerSource: Readonly<Record<string, number>>;
  /** Age of the mail that waits longest, milliseconds; 0 = the lane is empty. */
  readonly oldestAgeMs: number;
  /** Every host failed: no connection is tried before this time (RFC 3339). */
  readonly pausedUntil?: string;
  /** Limit and bound that held mail back last, while there is mail that could go: `source-group recipientRate`. */
  readonly waitsFor?: string;
  readonly lastReply?: string;
}

export function laneView(context: DispatchContext, id: LaneId, lane: Lane | undefined): LaneView {
  const { pool, site } = context.queue.laneKey(id);
  const counts = context.queue.laneCounts(id);
  const nowMs = context.clock.nowMs();
  const perSource: Record<string, number> = {};
  if (lane instanceof LaneDriver) {
    for (const session of lane.sessions)
      perSource[session.source.name] = (perSource[session.source.name] ?? 0) + 1;
  }
  const reply = lane?.lastReply;
  const refusal =
    lane instanceof LaneDriver && counts.ready + counts.asleep > 0 ? lane.lastRefusal : undefined;
  const pausedUntilMs = lane?.health.pausedUntilMs ?? 0;
  return {
    pool,
    site,
    ready: counts.ready,
    asleep: counts.asleep,
    waiting: counts.waiting,
    inFlight: counts.taken,
    connections: lane instanceof LaneDriver ? lane.sessions.size : 0,
    connectionsPerSource: perSource,
    oldestAgeMs:
      counts.oldestAcceptedAtMs === 0 ? 0 : Math.max(0, Math.round(nowMs - counts.oldestAcceptedAtMs)),
    ...(pausedUntilMs > nowMs ? { pausedUntil: new Date(pausedUntilMs).toISOString() } : {}),
    ...(refusal === undefined ? {} : { waitsFor: `${refusal.key.limitName} ${refusal.bound}` }),
    ...(reply === undefined ? {} : { lastReply: replyLine(reply) }),
  };
}

/** `421 4.7.28 unusual rate` */
export function replyLine({ code, enhanced, text }: Reply): string {
  return [code, enhanced, text].filter(Boolean).join(' ');
}
