import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { blast } from '@sluice/mta/blast';
import { plainPlan } from '../harness/plans.ts';
import { cpuSeconds } from '../harness/process-usage.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { loopbackSources, onePolicy, routeTo } from '../harness/resources.ts';
import { resource, type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';
import { median } from './median.ts';

/** What the sink offers beside SIZE and 8BITMIME: it decides how a message is transferred. */
export const DELIVERY_WAYS = {
  'PIPELINING and CHUNKING': ['pipelining', 'chunking'],
  PIPELINING: ['pipelining'],
} as const;
export type DeliveryWay = keyof typeof DELIVERY_WAYS;

/** One line of `npm run bench -- delivery`. */
export interface DeliveryFigures {
  readonly bench: 'delivery';
  readonly peerOffers: DeliveryWay;
  readonly sizeBytes: number;
  readonly messages: number;
  readonly runs: number;
  readonly deliveredPerSecond: number;
  /** User and system time of the whole Sluice process, its store thread included. */
  readonly cpuMicrosPerMessage: number;
}

/** The cheapest server that takes mail, a process of its own. */
const SINK = fileURLToPath(new URL('./deliver/bench/sink.ts', import.meta.resolve('@sluice/mta/main')));
const CONNECTIONS = 8;
/** Delivered before, in the same way: what V8 spends on compiling is not what a message costs. */
const WARM_MESSAGES = 20_000;

/**
 * A queue full of mail, one sink, and nobody who hands in more: what delivering costs, with queue, limits, outcomes in the store and metrics.
 * The mail waits because the only source is Draining; the figures run from the moment it is Active until the queue is empty.
 */
export async function benchDelivery(
  peerOffers: DeliveryWay,
  sizeBytes: number,
  messages: number,
  runs: number,
  nodeOptions: readonly string[] = [],
): Promise<DeliveryFigures> {
  const results: { readonly perSecond: number; readonly micros: number }[] = [];
  for (let run = 0; run < runs; run++)
    results.push(await deliverOnce(peerOffers, sizeBytes, messages, run, nodeOptions));
  return {
    bench: 'delivery',
    peerOffers,
    sizeBytes,
    messages,
    runs,
    deliveredPerSecond: Math.round(median(results.map(({ perSecond }) => perSecond))),
    cpuMicrosPerMessage: Math.round(median(results.map(({ micros }) => micros))),
  };
}

async function deliverOnce(
  way: DeliveryWay,
  sizeBytes: number,
  messages: number,
  run: number,
  nodeOptions: readonly string[],
) {
  const sink = await startSink(way);
  const sluice = await startSluice({
    nodeOptions,
    spec: { routes: [routeTo('bench.example', { address: '127.0.0.1', port: sink.port })] },
    resources: {
      'pool.yaml': pool('Active'),
      // Shaping is on, and wide enough not to be the figure.
      'policy.yaml': onePolicy({
        session: { messagesPerConnection: 1000 },
        limits: [
          {
            name: 'source-site',
            per: ['Source', 'Site'],
            connections: CONNECTIONS,
            recipientRate: '100000/s',
          },
          { name: 'tenant', per: ['Tenant'], messageRate: '100000/s' },
        ],
      }),
    },
  });
  try {
    const warmRounds = Math.ceil(WARM_MESSAGES / messages);
    for (let round = 0; round < warmRounds; round++) {
      await fillQueue(sluice, `warm${run}.${round}`, messages, sizeBytes);
      await setSource(sluice, 'Active');
      await emptyQueue(sluice);
    }
    await fillQueue(sluice, `b${run}`, messages, sizeBytes);
    await setSource(sluice, 'Active');
    // What reading the resources costs is not what delivering costs, and neither is what answering about the queue does: the sink is asked.
    const cpuBefore = cpuSeconds(sluice.pid);
    const startMs = performance.now();
    const left = (warmRounds + 1) * messages - (await sink.taken());
    await until(
      'the sink has everything',
      () => sink.taken(),
      (taken) => taken === (warmRounds + 1) * messages,
      120_000,
    );
    const seconds = (performance.now() - startMs) / 1000;
    await emptyQueue(sluice);
    return {
      perSecond: left / seconds,
      micros: ((cpuSeconds(sluice.pid) - cpuBefore) / left) * 1e6,
    };
  } finally {
    await sluice.close();
    await sink.close();
  }
}

function pool(state: 'Active' | 'Draining'): readonly unknown[] {
  const sources = loopbackSources(['127.0.7.1']).map((source) => ({ ...Object(source), state }));
  return [resource('EgressPool', 'main', { match: [{ name: 'everything' }], sources })];
}

/** Resolves when it is in force. */
async function setSource(sluice: SluiceProcess, state: 'Active' | 'Draining'): Promise<void> {
  const inForce = () => sluice.log.filter((line) => line.includes('a configuration is in force')).length;
  const before = inForce();
  sluice.writeResources('pool.yaml', pool(state));
  await until(`the source is ${state}`, inForce, (lines) => lines > before, 10_000);
}

/** Hands in mail that waits, because the source is Draining. */
async function fillQueue(
  sluice: SluiceProcess,
  run: string,
  messages: number,
  sizeBytes: number,
): Promise<void> {
  await setSource(sluice, 'Draining');
  const plan = plainPlan(run, messages, ['bench.example'], sizeBytes);
  const { accepted, lastRefusal } = await blast({ target: sluice.smtp, sessions: 20, plan });
  if (accepted !== messages) throw new Error(`only ${accepted} of ${messages} were accepted: ${lastRefusal}`);
  await until(
    'everything is queued',
    () => queued(sluice),
    (entries) => entries === messages,
    60_000,
  );
}

async function queued(sluice: SluiceProcess): Promise<number> {
  return (await readQueue(sluice.admin)).entries;
}

function emptyQueue(sluice: SluiceProcess): Promise<unknown> {
  return until(
    'the queue is empty',
    () => queued(sluice),
    (entries) => entries === 0,
    120_000,
  );
}

interface CheapSink {
  readonly port: number;
  /** Messages so far. */
  taken(): Promise<number>;
  close(): Promise<void>;
}

async function startSink(way: DeliveryWay): Promise<CheapSink> {
  const child = spawn(process.execPath, [SINK, ...DELIVERY_WAYS[way]], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const number = async (): Promise<number> => Number((await lines.next()).value);
  return {
    port: await number(),
    taken: () => {
      child.stdin.write('\n');
      return number();
    },
    close: async () => {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}
