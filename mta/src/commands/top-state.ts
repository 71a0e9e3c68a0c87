import type { AnsweredActivity, PodState, SiteRow, SourceRow } from '../control/mod.ts';
import type { Directive } from '../react/mod.ts';
import type { RecentRates } from '../report/mod.ts';

/** By what rows are in order, the most first. */
export const TOP_SORTS = ['queued', 'out', 'deferred', 'bounced', 'connections', 'oldest', 'name'] as const;
export type TopSort = (typeof TOP_SORTS)[number];

/** One pod of the view. */
export interface TopPod {
  readonly session: string;
  readonly host: string;
  readonly state: PodState['state'];
  readonly troubles: readonly string[];
  readonly startedAt: string;
  readonly segments?: number;
  readonly renewalAgeMs?: number;
  readonly limits: NonNullable<PodState['limits']>['mode'] | 'Own';
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  readonly queued: number;
  readonly connections: number;
}

export type TopSite = Omit<SiteRow, 'pool'>;

/** What `sluice top` shows, and prints with `--json`. Rates are per second, of the last seconds. */
export interface TopState {
  /** Wall time, RFC 3339. */
  readonly at: string;
  readonly inPerSecond: number;
  readonly recent: RecentRates;
  readonly queued: number;
  readonly ready: number;
  readonly asleep: number;
  readonly waiting: number;
  readonly inFlight: number;
  readonly oldestAgeMs: number;
  readonly connections: number;
  readonly clientConnections: number;
  readonly sites: readonly TopSite[];
  readonly sources: readonly SourceRow[];
  readonly directives: readonly Directive[];
  readonly pods: readonly TopPod[];
  /** Who should have answered and did not. */
  readonly silent: readonly string[];
  /** Rows that pods left out. */
  readonly more: { readonly sites: number; readonly sources: number; readonly directives: number };
}

/** Adds up what pods answered. Pure; `nowMs` is wall time. */
export function topState(
  answers: readonly AnsweredActivity[],
  silent: readonly string[],
  nowMs: number,
): TopState {
  const all = answers.map(({ activity }) => activity);
  const sum = (of: (activity: AnsweredActivity['activity']) => number): number =>
    all.reduce((total, activity) => total + of(activity), 0);
  const [ready, asleep] = [sum(({ queue }) => queue.ready), sum(({ queue }) => queue.sleeping)];
  const [waiting, inFlight] = [sum(({ queue }) => queue.scheduled), sum(({ queue }) => queue.inFlight)];
  return {
    at: new Date(nowMs).toISOString(),
    inPerSecond: sum(({ acceptedPerSecond }) => acceptedPerSecond),
    recent: all.reduce((total, { recent }) => sumOf(total, recent), NONE),
    queued: ready + asleep + waiting + inFlight,
    ready,
    asleep,
    waiting,
    inFlight,
    oldestAgeMs: Math.max(0, ...all.map(({ queue }) => queue.oldestAgeMs)),
    connections: sum(({ connections }) => connections),
    clientConnections: sum(({ clientConnections }) => clientConnections),
    sites: mergedSites(all.flatMap(({ sites }) => sites)),
    sources: mergedSources(all.flatMap(({ sources }) => sources)),
    directives: [
      ...new Map(all.flatMap(({ directives }) => directives.map((each) => [each.id, each]))).values(),
    ],
    pods: answers.map(podOf).sort((a, b) => compare(a.host, b.host) || compare(a.session, b.session)),
    silent,
    more: {
      sites: Math.max(0, ...all.map(({ more }) => more.sites)),
      sources: Math.max(0, ...all.map(({ more }) => more.sources)),
      directives: Math.max(0, ...all.map(({ more }) => more.directives)),
    },
  };
}

/** Rows whose names contain the text, in an order. */
export function chosenRows<Row extends SortedRow>(
  rows: readonly Row[],
  sort: TopSort,
  filter: string,
): readonly Row[] {
  const wanted = filter.toLowerCase();
  const named = (row: Row): string => `${nameOf(row)} ${row.group ?? ''}`;
  return rows
    .filter((row) => named(row).toLowerCase().includes(wanted))
    .toSorted((a, b) => measureOf(b, sort) - measureOf(a, sort) || compare(nameOf(a), nameOf(b)));
}

interface SortedRow {
  readonly site?: string;
  readonly source?: string;
  readonly pool?: string;
  readonly group?: string;
  readonly queued?: number;
  readonly oldestAgeMs?: number;
  readonly connections: number;
  readonly recent: RecentRates;
}

function nameOf({ site, source, pool }: SortedRow): string {
  return site ?? `${source ?? ''} ${pool ?? ''}`;
}

/** A row without the measure, a source that is asked for its queue, is in the order of what it sends. */
function measureOf(row: SortedRow, sort: TopSort): number {
  switch (sort) {
    case 'queued':
      return row.queued ?? row.recent.delivered;
    case 'out':
      return row.recent.delivered;
    case 'deferred':
      return row.recent.deferred;
    case 'bounced':
      return row.recent.failed;
    case 'connections':
      return row.connections;
    case 'oldest':
      return row.oldestAgeMs ?? row.recent.delivered;
    case 'name':
      return 0;
  }
}

const NONE: RecentRates = { messages: 0, delivered: 0, deferred: 0, failed: 0 };

function podOf({ pod, activity }: AnsweredActivity): TopPod {
  const { session, host, state, troubles, startedAt, segments, renewalAgeMs, limits } = pod;
  const { ready, sleeping, scheduled, inFlight } = activity.queue;
  return {
    session,
    host,
    state,
    troubles,
    startedAt,
    ...(segments !== undefined && { segments }),
    ...(renewalAgeMs !== undefined && { renewalAgeMs }),
    limits: limits?.mode ?? 'Own',
    inPerSecond: activity.acceptedPerSecond,
    outPerSecond: activity.recent.messages,
    queued: ready + sleeping + scheduled + inFlight,
    connections: activity.connections,
  };
}

/** A bound of connections holds for all pods: the largest that some pod knows, never the sum. */
function mergedSites(rows: readonly SiteRow[]): readonly TopSite[] {
  return [...Map.groupBy(rows, ({ site }) => site).values()].map((same) => {
    const total = (of: (row: SiteRow) => number): number => same.reduce((sum, row) => sum + of(row), 0);
    const bounds = same.flatMap(({ connectionBound }) => connectionBound ?? []);
    const first = (of: (row: SiteRow) => string | undefined): string | undefined =>
      same.map(of).find((value) => value !== undefined && value !== '');
    const pausedUntil = first((row) => row.pausedUntil);
    const waitsFor = first((row) => row.waitsFor);
    const lastReply = first((row) => row.lastReply);
    return {
      site: same[0]?.site ?? '',
      group: first(({ group }) => group) ?? '',
      recent: same.reduce((sum, { recent }) => sumOf(sum, recent), NONE),
      queued: total(({ queued }) => queued),
      asleep: total(({ asleep }) => asleep),
      waiting: total(({ waiting }) => waiting),
      connections: total(({ connections }) => connections),
      ...(bounds.length > 0 && { connectionBound: Math.max(...bounds) }),
      oldestAgeMs: Math.max(...same.map(({ oldestAgeMs }) => oldestAgeMs)),
      ...(pausedUntil !== undefined && { pausedUntil }),
      ...(waitsFor !== undefined && { waitsFor }),
      ...(lastReply !== undefined && { lastReply }),
    };
  });
}

function mergedSources(rows: readonly SourceRow[]): readonly SourceRow[] {
  return [...Map.groupBy(rows, ({ pool, source }) => `${pool}\n${source}`).values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    return [
      {
        ...first,
        recent: same.reduce((sum, { recent }) => sumOf(sum, recent), NONE),
        connections: same.reduce((sum, { connections }) => sum + connections, 0),
      },
    ];
  });
}

function sumOf(a: RecentRates, b: RecentRates): RecentRates {
  return {
    messages: a.messages + b.messages,
    delivered: a.delivered + b.delivered,
    deferred: a.deferred + b.deferred,
    failed: a.failed + b.failed,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
