import { RecentOutcomes } from './recent-outcomes.ts';

/**
 * Most (pool, source, group) triples that get series of their own; what comes after is counted under `other`.
 * 200 sources × 20 groups, and a half more; eight series each.
 */
export const MAX_EGRESS_SERIES = 6_000;

/**
 * Counts of one (pool, source, group): plain numbers that their owner increments, read when Prometheus asks.
 * Fetch it once per session or lane and keep it.
 *
 * Example: `counters.delivered += transaction.recipients.length`
 */
export interface EgressCounters {
  readonly pool: string;
  readonly source: string;
  readonly group: string;
  /** Recipients. */
  delivered: number;
  deferred: number;
  bounced: number;
  expired: number;
  transactions: number;
  deliveredBytes: number;
  /** Gauge: the owner also takes back. */
  connections: number;
  connectionsOpened: number;
  connectionFailures: number;
  readonly recent: RecentOutcomes;
}

/** The counters of every triple seen so far; bounded. */
export class EgressCounterSet implements Iterable<EgressCounters> {
  readonly #byPool = new Map<string, Map<string, Map<string, EgressCounters>>>();
  readonly #all: EgressCounters[] = [];
  readonly #maxSeries: number;
  #other: EgressCounters | undefined;

  constructor(maxSeries = MAX_EGRESS_SERIES) {
    this.#maxSeries = maxSeries;
  }

  /** The counters of this triple; those of `other` once too many exist. `''` means none was chosen. */
  of(pool: string, source: string, group: string): EgressCounters {
    const found = this.#byPool.get(pool)?.get(source)?.get(group);
    if (found !== undefined) return found;
    if (this.#all.length >= this.#maxSeries) {
      this.#other ??= zero('other', 'other', 'other');
      return this.#other;
    }
    const counters = zero(pool, source, group);
    this.#all.push(counters);
    entry(entry(this.#byPool, pool), source).set(group, counters);
    return counters;
  }

  *[Symbol.iterator](): Iterator<EgressCounters> {
    yield* this.#all;
    if (this.#other !== undefined) yield this.#other;
  }
}

function entry<V>(map: Map<string, Map<string, V>>, key: string): Map<string, V> {
  let inner = map.get(key);
  if (inner === undefined) {
    inner = new Map();
    map.set(key, inner);
  }
  return inner;
}

function zero(pool: string, source: string, group: string): EgressCounters {
  return {
    pool,
    source,
    group,
    delivered: 0,
    deferred: 0,
    bounced: 0,
    expired: 0,
    transactions: 0,
    deliveredBytes: 0,
    connections: 0,
    connectionsOpened: 0,
    connectionFailures: 0,
    recent: new RecentOutcomes(),
  };
}
