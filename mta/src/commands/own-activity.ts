import type { PodActivity, SiteRow, SourceRow } from '../control/mod.ts';
import { type Dispatcher, siteOf } from '../dispatch/mod.ts';
import type { LiveCounts, Metrics, RecentRates } from '../report/mod.ts';

const NONE: RecentRates = { messages: 0, delivered: 0, deferred: 0, failed: 0 };

/** Replies are cut, characters. */
const MAX_REPLY_LENGTH = 200;

/** What happens on this pod: `limit` rows of each kind, the busiest first. */
export function ownActivity(
  dispatcher: Pick<Dispatcher, 'activity' | 'gauges' | 'directives'>,
  metrics: Pick<Metrics, 'live'>,
  limit: number,
): PodActivity {
  const live = metrics.live();
  const nowMs = performance.now();
  const { ready, sleeping, scheduled, inFlight, oldestAgeMs, lanes } = dispatcher.gauges();
  const sites = sitesOf(dispatcher, live, nowMs, limit);
  const { sources, recent, connections } = sourcesOf(live, nowMs);
  const { directives } = dispatcher;
  return {
    acceptedPerSecond: live.acceptedPerSecond,
    recent,
    clientConnections: live.clientConnections,
    connections,
    queue: { ready, sleeping, scheduled, inFlight, oldestAgeMs },
    sites: sites.slice(0, limit),
    sources: sources.slice(0, limit),
    directives: directives.slice(0, limit),
    more: {
      sites: Math.max(0, Math.max(sites.length, lanes) - limit),
      sources: Math.max(0, sources.length - limit),
      directives: Math.max(0, directives.length - limit),
    },
  };
}

function sitesOf(
  dispatcher: Pick<Dispatcher, 'activity'>,
  { sites }: LiveCounts,
  nowMs: number,
  limit: number,
): readonly SiteRow[] {
  const rates = new Map(
    Array.from(sites, ({ site, group, recent }) => [site, { group, rates: recent.rates(nowMs) }]),
  );
  const hot = [...rates]
    .sort(([, a], [, b]) => activityOf(b.rates) - activityOf(a.rates))
    .slice(0, limit)
    .map(([site]) => site);
  const told = new Set<string>();
  const rows: SiteRow[] = dispatcher
    .activity(new Set(hot))
    .map(({ site, lastReply, ready, asleep, waiting, inFlight, ...lane }) => {
      // Lanes of one site share what became of its mail: it stands at the one that comes first.
      const plain = siteOf(site);
      const known = told.has(plain) ? undefined : rates.get(plain);
      told.add(plain);
      const { pool, group, connections, connectionBound, oldestAgeMs, pausedUntil, waitsFor } = lane;
      return {
        pool,
        site,
        group: group || (known?.group ?? ''),
        recent: known?.rates ?? NONE,
        queued: ready + asleep + waiting + inFlight,
        asleep,
        waiting,
        connections,
        ...(connectionBound !== undefined && { connectionBound }),
        oldestAgeMs,
        ...(pausedUntil !== undefined && { pausedUntil }),
        ...(waitsFor !== undefined && { waitsFor }),
        ...(lastReply !== undefined && { lastReply: lastReply.slice(0, MAX_REPLY_LENGTH) }),
      };
    });
  for (const [site, { group, rates: recent }] of rates) {
    if (told.has(site) || activityOf(recent) < LEAST_RATE) continue;
    rows.push({
      pool: '',
      site,
      group,
      recent,
      queued: 0,
      asleep: 0,
      waiting: 0,
      connections: 0,
      oldestAgeMs: 0,
    });
  }
  return rows.sort((a, b) => weightOf(b) - weightOf(a));
}

/** What faded so far is not shown, per second. */
const LEAST_RATE = 0.01;

function activityOf({ delivered, deferred, failed }: RecentRates): number {
  return delivered + deferred + failed;
}

/** Sites that do much come before those that have much. */
function weightOf({ recent, queued, connections }: SiteRow): number {
  return activityOf(recent) * 10 + queued + connections;
}

function sourcesOf({ egress }: LiveCounts, nowMs: number) {
  const bySource = new Map<string, SourceRow>();
  let [connections, total] = [0, NONE];
  for (const counters of egress) {
    const recent = counters.recent.rates(nowMs);
    connections += counters.connections;
    total = sumOf(total, recent);
    if (counters.source === '') continue;
    const { pool, source } = counters;
    const name = `${pool}\n${source}`;
    const known = bySource.get(name);
    bySource.set(name, {
      pool,
      source,
      recent: sumOf(known?.recent ?? NONE, recent),
      connections: (known?.connections ?? 0) + counters.connections,
    });
  }
  const sources = [...bySource.values()]
    .filter(({ recent, connections: open }) => open > 0 || activityOf(recent) >= LEAST_RATE)
    .sort((a, b) => activityOf(b.recent) - activityOf(a.recent) || b.connections - a.connections);
  return { sources, recent: total, connections };
}

function sumOf(a: RecentRates, b: RecentRates): RecentRates {
  return {
    messages: a.messages + b.messages,
    delivered: a.delivered + b.delivered,
    deferred: a.deferred + b.deferred,
    failed: a.failed + b.failed,
  };
}
