/** One line of the queue's view: a lane (pool, site) as `GET /queue`, `sluice queue` and the demo's table show it. */
export interface LaneRow {
  readonly pool: string;
  readonly site: string;
  /** `''` = none. */
  readonly group: string;
  /** Recipient groups that wait, those in flight included. */
  readonly queued: number;
  readonly inFlight: number;
  readonly connections: number;
  /** The tightest `connections` bound of the lane; absent = unlimited. */
  readonly connectionLimit?: number;
  readonly delivered: number;
  readonly deferred: number;
  readonly bounced: number;
  readonly oldestAgeMs: number;
  /** Name of the limit that the lane waits for. */
  readonly waitsFor?: string;
  readonly lastReply?: string;
}

/** Body of `GET /queue`. */
export interface QueueView {
  /** The lanes with most mail first. */
  readonly lanes: readonly LaneRow[];
}
