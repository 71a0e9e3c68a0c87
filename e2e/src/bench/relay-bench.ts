import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blast } from '@sluice/mta/blast';
import { freePorts } from '../harness/free-ports.ts';
import { plainPlan } from '../harness/plans.ts';
import { cpuSeconds, processTree, residentBytes } from '../harness/process-usage.ts';
import { onePool, routeTo } from '../harness/resources.ts';
import { spawnSink } from '../harness/sink-process.ts';
import { resource, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';
import { type DkimKind, dkimSetup } from './dkim-keys.ts';
import { median } from './median.ts';
import { type RelayStore, STORE_LABELS, startStore } from './relay-store.ts';

/** One line of `npm run bench -- relay`. */
export interface RelayFigures {
  readonly bench: 'relay';
  readonly store: string;
  /** Absent = mail is not signed. */
  readonly dkim?: DkimKind;
  /** Worker processes; absent = one process. */
  readonly workers?: number;
  /** Where events go; absent = nobody reads them. */
  readonly events?: RelayEvents;
  /** The policy limits connections only, as many as ever. */
  readonly unlimited?: boolean;
  readonly sizeBytes: number;
  readonly messages: number;
  readonly runs: number;
  readonly acceptedPerSecond: number;
  /** From the first connection of the load generator to the last delivery. */
  readonly deliveredPerSecond: number;
  /** User and system time of all Sluice processes, store threads included. */
  readonly cpuMicrosPerMessage: number;
  /** The same of all nats-servers together; absent where the store is embedded. */
  readonly natsCpuMicrosPerMessage?: number;
  readonly rssMb: number;
}

const SESSIONS = 20;

/** Readers of events: a file, or the stream on the NATS that keeps the mail. */
export const RELAY_EVENTS = ['file', 'jetstream'] as const;
export type RelayEvents = (typeof RELAY_EVENTS)[number];

const CONNECTIONS_ONLY = [{ name: 'source-site', per: ['Source', 'Site'], connections: 32 }];
const WIDE_LIMITS = [
  { name: 'source-site', per: ['Source', 'Site'], connections: 32, recipientRate: '100000/s' },
  { name: 'tenant', per: ['Tenant'], messageRate: '100000/s' },
];

export interface RelayOptions {
  readonly dkim?: DkimKind;
  readonly nodeOptions?: readonly string[];
  readonly workers?: number;
  readonly events?: RelayEvents;
  /** The policy limits nothing, to see what limits cost. */
  readonly unlimited?: boolean;
}

/**
 * Accept, store durably (SQLite, synchronous FULL; or JetStream), queue, shape, deliver; the load generator, Sluice, the sink and
 * nats-server are processes on this machine. Medians of the runs.
 */
export async function benchRelay(
  store: RelayStore,
  sizeBytes: number,
  messages: number,
  runs: number,
  options: RelayOptions = {},
): Promise<RelayFigures> {
  const { dkim, workers = 1, events, unlimited = false } = options;
  const signing = dkim === undefined ? undefined : dkimSetup(dkim);
  const results: Awaited<ReturnType<typeof relayOnce>>[] = [];
  for (let run = 0; run < runs; run++)
    results.push(await relayOnce(store, sizeBytes, messages, run, options, signing?.dkim));
  signing?.remove();
  const natsCpu = results.flatMap(({ natsCpu }) => natsCpu ?? []);
  return {
    bench: 'relay',
    store: STORE_LABELS[store],
    ...(dkim !== undefined && { dkim }),
    ...(workers > 1 && { workers }),
    ...(events !== undefined && { events }),
    ...(unlimited && { unlimited }),
    sizeBytes,
    messages,
    runs,
    acceptedPerSecond: Math.round(median(results.map((each) => each.accepted))),
    deliveredPerSecond: Math.round(median(results.map((each) => each.delivered))),
    cpuMicrosPerMessage: Math.round(median(results.map((each) => each.cpu))),
    ...(natsCpu.length > 0 && { natsCpuMicrosPerMessage: Math.round(median(natsCpu)) }),
    rssMb: Math.round(median(results.map((each) => each.rss)) / 1e6),
  };
}

async function relayOnce(
  store: RelayStore,
  sizeBytes: number,
  messages: number,
  run: number,
  { nodeOptions = [], workers = 1, events, unlimited = false }: RelayOptions,
  dkim: unknown,
) {
  const sink = await spawnSink('127.0.0.1');
  const nats = await startStore(store);
  const [port = 0] = await freePorts(1);
  const eventsDirectory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const sluice = await startSluice({
    nodeOptions,
    ...(workers > 1 && { args: ['--workers', String(workers)] }),
    spec: {
      // Workers share a port, so it must be known.
      ...(workers > 1 && {
        listeners: {
          smtp: [{ name: 'smtp', address: `127.0.0.1:${port}`, relayNetworks: ['127.0.0.0/8'] }],
          admin: { address: '127.0.0.1:0' },
        },
      }),
      ...(events === 'jetstream' && { events: { jetstream: {} } }),
      ...(events === 'file' && { events: { file: join(eventsDirectory, 'events.jsonl') } }),
      routes: [routeTo('bench.example', sink)],
      ...(nats.spool !== undefined && { spool: nats.spool }),
      ...(dkim !== undefined && { dkim }),
    },
    resources: {
      'pool.yaml': onePool(['127.0.7.1']),
      // Shaping is on, and wide enough not to be the figure.
      'policy.yaml': [
        resource('ShapingPolicy', 'default', {
          default: {
            session: { messagesPerConnection: 1000 },
            limits: unlimited ? CONNECTIONS_ONLY : WIDE_LIMITS,
          },
        }),
      ],
    },
  });
  const warm = Math.min(2_000, Math.ceil(messages / 10));
  await blast({
    target: sluice.smtp,
    sessions: SESSIONS,
    plan: plainPlan('warm', warm, ['bench.example'], sizeBytes),
  });
  await until(
    'warm-up mail is delivered',
    () => sink.delivered(),
    (delivered) => delivered === warm,
    60_000,
  );
  const cpuBefore = cpuOfTree(sluice.pid);
  const natsBefore = nats.cpuSeconds();
  const startMs = performance.now();
  const result = await blast({
    target: sluice.smtp,
    sessions: SESSIONS,
    plan: plainPlan(`b${run}`, messages, ['bench.example'], sizeBytes),
  });
  await until(
    'everything is delivered',
    () => sink.delivered(),
    (delivered) => delivered >= warm + messages,
    120_000,
  );
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = ((cpuOfTree(sluice.pid) - cpuBefore) / messages) * 1e6;
  const natsAfter = nats.cpuSeconds();
  const natsCpu =
    natsBefore === undefined || natsAfter === undefined
      ? undefined
      : ((natsAfter - natsBefore) / messages) * 1e6;
  const rss = processTree(sluice.pid).reduce((sum, pid) => sum + residentBytes(pid), 0);
  if (result.accepted !== messages)
    throw new Error(`only ${result.accepted} of ${messages} were accepted: ${result.lastRefusal}`);
  await sluice.close();
  await sink.close();
  await nats.close();
  rmSync(eventsDirectory, { recursive: true, force: true });
  return { accepted: messages / (result.elapsedMs / 1000), delivered: messages / seconds, cpu, natsCpu, rss };
}

function cpuOfTree(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + cpuSeconds(each), 0);
}
