import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ResourceState } from '../config/mod.ts';
import type { NodeState } from '../shape/mod.ts';
import type { ClusterCounts, SpoolUsage } from '../spool/mod.ts';
import { EgressCounterSet, type EgressCounters } from './egress-counters.ts';
import { METRICS, type MetricDefinition } from './metric-table.ts';
import { type OutcomeKind, RecentOutcomes } from './recent-outcomes.ts';
import { type SiteActivity, SiteActivitySet } from './site-activity.ts';

/** From a quick delivery to the usual `expireAfter`. */
const AGE_BUCKETS_SECONDS = [
  0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400, 259_200,
];
/** From a loopback sink to the ten minutes that RFC 5321 §4.5.3.2.6 grants the final dot. */
const TRANSACTION_BUCKETS_SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600,
];
/** From one fsync of a good disk to the time after which intake gives up. */
const APPEND_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Fine enough to see a hiccup, coarse enough to cost nothing. */
const LAG_RESOLUTION_MS = 20;
/** Limit names come from policies; more than this many are counted under `other`. */
const MAX_LIMIT_NAMES = 500;

/** What the queue says of itself when Prometheus asks. */
export interface QueueGauges {
  readonly ready: number;
  readonly sleeping: number;
  readonly scheduled: number;
  readonly inFlight: number;
  readonly reportsOwed: number;
  /** Of these, mail that waits for a DKIM key. */
  readonly held: number;
  readonly lanes: number;
  readonly oldestAgeMs: number;
}

/** Asked at every scrape; what is absent is not exported. */
export interface MetricSources {
  readonly queue?: () => QueueGauges;
  readonly spool?: () => SpoolUsage;
  /** Absent = the spool is not shared. */
  readonly cluster?: () => ClusterCounts & { readonly sessions: number };
  readonly config?: () => ResourceState;
  readonly eventsDropped?: () => number;
  /** `undefined` = limits are this pod's own. */
  readonly limits?: () => NodeState | undefined;
  /** `undefined` = they are this pod's own. */
  readonly directivesHeard?: () => boolean | undefined;
  readonly directives?: () => readonly { readonly effect: string; readonly origin: string }[];
}

/** What followed from a missing DKIM key. */
export type DkimConsequence = 'Refuse' | 'Hold' | 'SendUnsigned';

/** Where an outcome was. */
export interface OutcomePlace {
  readonly pool: string;
  readonly source: string;
  readonly group: string;
  readonly site: string;
}

/** What happens now, for a live view. */
export interface LiveCounts {
  /** Messages accepted per second. */
  readonly acceptedPerSecond: number;
  readonly clientConnections: number;
  readonly egress: Iterable<EgressCounters>;
  readonly sites: Iterable<SiteActivity>;
}

/** Everything that is counted. All calls are plain additions; labels are built when Prometheus asks. */
export interface Metrics {
  accepted(recipients: number, sizeBytes: number): void;
  /** `code` is the basic status code that the client read. */
  rejected(code: number): void;
  clientConnected(): void;
  clientDisconnected(): void;
  /** Recipients of one message came to an end, or will be tried again. */
  outcome(place: OutcomePlace, kind: OutcomeKind, recipients: number, sizeBytes: number): void;
  /** The counters of one triple; keep the object, do not ask per message. */
  egress(pool: string, source: string, group: string): EgressCounters;
  limitWaited(limitName: string): void;
  deliveryAge(ageMs: number): void;
  transactionDuration(durationMs: number): void;
  reported(action: 'failed' | 'delayed' | 'relayed'): void;
  reportDropped(): void;
  /** Recipient groups that are held as poison. */
  poisoned(groups: number): void;
  /** A reply hit a reaction. */
  reactionHit(hit: ReactionHit): void;
  spoolAppended(durationMs: number): void;
  spoolRefused(reason: 'full' | 'unavailable'): void;
  dkimSigned(signatures: number): void;
  dkimKeyMissing(consequence: DkimConsequence): void;
  /** Adds what is asked at every scrape; a later call replaces the members it names. */
  watch(sources: MetricSources): void;
  /** As of now. */
  live(): LiveCounts;
  /** Text exposition format 0.0.4. */
  render(): Promise<string>;
  readonly contentType: string;
  /** Stops the measurement of the event loop. */
  close(): void;
}

/** A reply hit a reaction. */
export interface ReactionHit {
  readonly reaction: string;
  readonly group: string;
  /** Of the reply. */
  readonly code: number;
  readonly wentOff: boolean;
}

interface ReactionHits {
  hits: number;
  readonly labels: Readonly<Record<string, string>>;
}

type Sample = readonly [value: number, labels?: Readonly<Record<string, string>>];

/** Makes the registry of one MTA; several may live in one process (tests). */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const egress = new EgressCounterSet();
  const sites = new SiteActivitySet();
  const accepted = new RecentOutcomes();
  const rejected = new Map<number, number>();
  const limitWaits = new Map<string, number>();
  const reactionHits = new Map<string, ReactionHits>();
  const refusals = { full: 0, unavailable: 0 };
  const reports = { failed: 0, delayed: 0, relayed: 0, dropped: 0 };
  const total = {
    messages: 0,
    recipients: 0,
    bytes: 0,
    clients: 0,
    clientsOpened: 0,
    dkimSignatures: 0,
    poisoned: 0,
  };
  const missingKeys: Record<DkimConsequence, number> = { Refuse: 0, Hold: 0, SendUnsigned: 0 };
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  lag.enable();
  let sources: MetricSources = {};

  const sampled = (definition: MetricDefinition, samples: () => Iterable<Sample>): void => {
    addSampled(registry, definition, samples);
  };
  const perEgress = (definition: MetricDefinition, value: (counters: EgressCounters) => number): void =>
    sampled(definition, () => Array.from(egress, (each) => [value(each), egressLabels(each)] as const));

  sampled(METRICS.acceptedMessages, () => [[total.messages]]);
  sampled(METRICS.acceptedRecipients, () => [[total.recipients]]);
  sampled(METRICS.acceptedBytes, () => [[total.bytes]]);
  sampled(METRICS.rejections, () =>
    Array.from(rejected, ([code, value]) => [value, { code: String(code) }] as const),
  );
  sampled(METRICS.clientConnections, () => [[total.clients]]);
  sampled(METRICS.clientConnectionsOpened, () => [[total.clientsOpened]]);
  sampled(METRICS.outcomes, () => Array.from(egress).flatMap(outcomeSamples));
  perEgress(METRICS.transactions, (each) => each.transactions);
  perEgress(METRICS.deliveredBytes, (each) => each.deliveredBytes);
  perEgress(METRICS.connections, (each) => each.connections);
  perEgress(METRICS.connectionsOpened, (each) => each.connectionsOpened);
  perEgress(METRICS.connectionFailures, (each) => each.connectionFailures);
  sampled(METRICS.limitWaits, () => Array.from(limitWaits, ([limit, value]) => [value, { limit }] as const));
  const deliveryAge = histogram(registry, METRICS.deliveryAge, AGE_BUCKETS_SECONDS);
  const transactionDuration = histogram(registry, METRICS.transactionDuration, TRANSACTION_BUCKETS_SECONDS);
  sampled(METRICS.queueEntries, () => queueSamples(sources.queue?.()));
  sampled(METRICS.dkimSignatures, () => [[total.dkimSignatures]]);
  sampled(METRICS.dkimMissingKeys, () =>
    Object.entries(missingKeys).map(([consequence, count]) => [count, { consequence }] as const),
  );
  sampled(METRICS.heldEntries, () => only(sources.queue?.().held));
  sampled(METRICS.queueLanes, () => only(sources.queue?.().lanes));
  sampled(METRICS.queueOldestAge, () => only(sources.queue?.().oldestAgeMs, 1_000));
  sampled(METRICS.spoolMessages, () => only(sources.spool?.().messages));
  sampled(METRICS.spoolUsedBytes, () => only(sources.spool?.().usedBytes));
  sampled(METRICS.spoolFreeBytes, () => only(sources.spool?.().freeBytes));
  const spoolAppend = histogram(registry, METRICS.spoolAppendDuration, APPEND_BUCKETS_SECONDS);
  sampled(METRICS.spoolRefusals, () => [
    [refusals.full, { reason: 'full' }],
    [refusals.unavailable, { reason: 'unavailable' }],
  ]);
  sampled(METRICS.clusterSegments, () => {
    const counts = sources.cluster?.();
    if (counts === undefined) return [];
    return [
      [counts.owned, { state: 'owned' }],
      [counts.live, { state: 'live' }],
    ];
  });
  sampled(METRICS.clusterPods, () => only(sources.cluster?.().sessions));
  sampled(METRICS.clusterAdoptions, () => only(sources.cluster?.().adoptions));
  sampled(METRICS.clusterSessionLosses, () => only(sources.cluster?.().sessionLosses));
  sampled(METRICS.poisonedGroups, () => [[total.poisoned]]);
  sampled(METRICS.reactionHits, () =>
    Array.from(reactionHits.values(), ({ hits, labels }) => [hits, labels] as const),
  );
  sampled(METRICS.limitShards, () => limitShardSamples(sources.limits?.()));
  sampled(METRICS.limitsHeld, () => heldSamples(sources.limits?.()));
  sampled(METRICS.directivesHeard, () => {
    const heard = sources.directivesHeard?.();
    return heard === undefined ? [] : [[Number(heard)]];
  });
  sampled(METRICS.directives, () => directiveSamples(sources.directives?.() ?? []));
  sampled(METRICS.reports, () =>
    (['failed', 'delayed', 'relayed'] as const).map((action) => [reports[action], { action }]),
  );
  sampled(METRICS.reportsDropped, () => [[reports.dropped]]);
  sampled(METRICS.reportsOwed, () => only(sources.queue?.().reportsOwed));
  sampled(METRICS.configInfo, () => {
    const hash = sources.config?.().hash;
    return hash === undefined ? [] : [[1, { hash }]];
  });
  sampled(METRICS.configLoaded, () => only(sources.config?.().loadedAtMs, 1_000));
  sampled(METRICS.configOk, () =>
    only(sources.config === undefined ? undefined : Number(sources.config().ok)),
  );
  sampled(METRICS.configProblems, () => only(sources.config?.().problems.length));
  sampled(METRICS.eventsDropped, () => only(sources.eventsDropped?.()));
  sampled(METRICS.eventLoopLag, () => {
    const late = (valueNs: number) => Math.max(0, valueNs / 1e9 - LAG_RESOLUTION_MS / 1e3);
    const samples: Sample[] = [
      [late(lag.percentile(50)), { quantile: '0.5' }],
      [late(lag.percentile(99)), { quantile: '0.99' }],
      [late(lag.max), { quantile: '1' }],
    ];
    lag.reset();
    return samples;
  });
  sampled(METRICS.cpu, () => {
    const { user, system } = process.cpuUsage();
    return [[(user + system) / 1e6]];
  });
  sampled(METRICS.residentMemory, () => [[process.memoryUsage.rss()]]);
  sampled(METRICS.startTime, () => [[Math.round(Date.now() / 1e3 - process.uptime())]]);

  return {
    accepted(recipients, sizeBytes) {
      total.messages++;
      total.recipients += recipients;
      total.bytes += sizeBytes;
      accepted.record('delivered', recipients, performance.now());
    },
    outcome({ pool, source, group, site }, kind, recipients, sizeBytes) {
      const nowMs = performance.now();
      const counters = egress.of(pool, source, group);
      counters[kind] += recipients;
      counters.recent.record(kind, recipients, nowMs);
      if (site !== '') sites.record(site, group, kind, recipients, nowMs);
      if (kind !== 'delivered') return;
      counters.transactions++;
      counters.deliveredBytes += sizeBytes;
    },
    live: () => ({
      acceptedPerSecond: accepted.rates(performance.now()).messages,
      clientConnections: total.clients,
      egress,
      sites,
    }),
    rejected(code) {
      rejected.set(code, (rejected.get(code) ?? 0) + 1);
    },
    clientConnected() {
      total.clients++;
      total.clientsOpened++;
    },
    clientDisconnected() {
      total.clients--;
    },
    egress: (pool, source, group) => egress.of(pool, source, group),
    limitWaited(limitName) {
      const name = limitWaits.has(limitName) || limitWaits.size < MAX_LIMIT_NAMES ? limitName : 'other';
      limitWaits.set(name, (limitWaits.get(name) ?? 0) + 1);
    },
    deliveryAge: (ageMs) => deliveryAge.observe(ageMs / 1e3),
    transactionDuration: (durationMs) => transactionDuration.observe(durationMs / 1e3),
    reported(action) {
      reports[action]++;
    },
    reportDropped() {
      reports.dropped++;
    },
    poisoned(groups) {
      total.poisoned += groups;
    },
    reactionHit({ reaction, group, code, wentOff }) {
      const key = `${reaction}\n${group}\n${code}\n${wentOff}`;
      const known = reactionHits.get(key);
      if (known !== undefined) known.hits++;
      else if (reactionHits.size < MAX_LIMIT_NAMES) {
        const labels = { reaction, group, code: String(code), went_off: String(wentOff) };
        reactionHits.set(key, { hits: 1, labels });
      }
    },
    spoolAppended: (durationMs) => spoolAppend.observe(durationMs / 1e3),
    spoolRefused(reason) {
      refusals[reason]++;
    },
    dkimSigned(signatures) {
      total.dkimSignatures += signatures;
    },
    dkimKeyMissing(consequence) {
      missingKeys[consequence]++;
    },
    watch(more) {
      sources = { ...sources, ...more };
    },
    render: () => renderInTurns(registry),
    contentType: registry.contentType,
    close: () => lag.disable(),
  };
}

function limitShardSamples(state: NodeState | undefined): readonly Sample[] {
  if (state === undefined) return [];
  return [
    [state.ledShards, { state: 'led' }],
    [state.degradedShards, { state: 'degraded' }],
  ];
}

function heldSamples(state: NodeState | undefined): readonly Sample[] {
  return state === undefined ? [] : [[state.held ? 1 : 0]];
}

function directiveSamples(
  directives: readonly { readonly effect: string; readonly origin: string }[],
): readonly Sample[] {
  const counts = new Map<string, number>();
  for (const { effect, origin } of directives) {
    const key = `${effect}\n${origin}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return Array.from(counts, ([key, value]) => {
    const [effect = '', origin = ''] = key.split('\n');
    return [value, { effect, origin }] as const;
  });
}

/** Lets the event loop turn between two metrics: thousands of series take a tenth of a second of CPU. */
async function renderInTurns(registry: Registry): Promise<string> {
  const texts: string[] = [];
  for (const { name } of Object.values(METRICS)) {
    texts.push(await registry.getSingleMetricAsString(name));
    await setImmediate();
  }
  return `${texts.join('\n\n')}\n`;
}

/** A metric whose values are kept elsewhere and copied when Prometheus asks: `inc` with labels costs on the hot path. */
function addSampled(registry: Registry, definition: MetricDefinition, samples: () => Iterable<Sample>): void {
  const configuration = {
    name: definition.name,
    help: definition.help,
    labelNames: definition.labels,
    registers: [registry],
  };
  if (definition.type === 'counter') {
    const counter = new Counter({
      ...configuration,
      collect() {
        counter.reset();
        for (const [value, labels] of samples()) counter.inc(labels ?? {}, value);
      },
    });
  } else {
    const gauge = new Gauge({
      ...configuration,
      collect() {
        gauge.reset();
        // After a reset a gauge without labels says 0: what is not known must not look like a value.
        if (definition.labels.length === 0) gauge.remove();
        for (const [value, labels] of samples()) gauge.set(labels ?? {}, value);
      },
    });
  }
}

function histogram(registry: Registry, definition: MetricDefinition, buckets: number[]): Histogram {
  return new Histogram({ name: definition.name, help: definition.help, buckets, registers: [registry] });
}

function egressLabels({ pool, source, group }: EgressCounters) {
  return { pool, source, group };
}

function outcomeSamples(each: EgressCounters): readonly Sample[] {
  return (['delivered', 'deferred', 'bounced', 'expired'] as const).map(
    (outcome) => [each[outcome], { outcome, ...egressLabels(each) }] as const,
  );
}

function queueSamples(queue: QueueGauges | undefined): readonly Sample[] {
  if (queue === undefined) return [];
  return [
    [queue.ready, { state: 'ready' }],
    [queue.sleeping, { state: 'sleeping' }],
    [queue.scheduled, { state: 'scheduled' }],
    [queue.inFlight, { state: 'in-flight' }],
  ];
}

function only(value: number | undefined, divisor = 1): readonly Sample[] {
  return value === undefined ? [] : [[value / divisor]];
}
