import { blast } from '@sluice/mta/blast';
import { plainPlan } from '../harness/plans.ts';
import { cpuSeconds, residentBytes } from '../harness/process-usage.ts';
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
  readonly sizeBytes: number;
  readonly messages: number;
  readonly runs: number;
  readonly acceptedPerSecond: number;
  /** From the first connection of the load generator to the last delivery. */
  readonly deliveredPerSecond: number;
  /** User and system time of the whole Sluice process, its store thread included. */
  readonly cpuMicrosPerMessage: number;
  /** The same of all nats-servers together; absent where the store is embedded. */
  readonly natsCpuMicrosPerMessage?: number;
  readonly rssMb: number;
}

const SESSIONS = 20;

/**
 * Accept, store durably (SQLite, synchronous FULL; or JetStream), queue, shape, deliver; the load generator, Sluice, the sink and
 * nats-server are processes on this machine. Medians of the runs.
 */
export async function benchRelay(
  store: RelayStore,
  sizeBytes: number,
  messages: number,
  runs: number,
  { dkim, nodeOptions = [] }: { readonly dkim?: DkimKind; readonly nodeOptions?: readonly string[] } = {},
): Promise<RelayFigures> {
  const signing = dkim === undefined ? undefined : dkimSetup(dkim);
  const results: Awaited<ReturnType<typeof relayOnce>>[] = [];
  for (let run = 0; run < runs; run++)
    results.push(await relayOnce(store, sizeBytes, messages, run, nodeOptions, signing?.dkim));
  signing?.remove();
  const natsCpu = results.flatMap(({ natsCpu }) => natsCpu ?? []);
  return {
    bench: 'relay',
    store: STORE_LABELS[store],
    ...(dkim !== undefined && { dkim }),
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
  nodeOptions: readonly string[],
  dkim: unknown,
) {
  const sink = await spawnSink('127.0.0.1');
  const nats = await startStore(store);
  const sluice = await startSluice({
    nodeOptions,
    spec: {
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
            limits: [
              { name: 'source-site', per: ['Source', 'Site'], connections: 32, recipientRate: '100000/s' },
              { name: 'tenant', per: ['Tenant'], messageRate: '100000/s' },
            ],
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
  const cpuBefore = cpuSeconds(sluice.pid);
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
  const cpu = ((cpuSeconds(sluice.pid) - cpuBefore) / messages) * 1e6;
  const natsAfter = nats.cpuSeconds();
  const natsCpu =
    natsBefore === undefined || natsAfter === undefined
      ? undefined
      : ((natsAfter - natsBefore) / messages) * 1e6;
  const rss = residentBytes(sluice.pid);
  if (result.accepted !== messages)
    throw new Error(`only ${result.accepted} of ${messages} were accepted: ${result.lastRefusal}`);
  await sluice.close();
  await sink.close();
  await nats.close();
  return { accepted: messages / (result.elapsedMs / 1000), delivered: messages / seconds, cpu, natsCpu, rss };
}
