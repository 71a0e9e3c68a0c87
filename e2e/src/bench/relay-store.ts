import { type NatsServer, startNats, startNatsCluster } from '../harness/nats-server.ts';
import { cpuSeconds } from '../harness/process-usage.ts';

/** Where the spool of a benchmark lives; `jetstream` = one nats-server (R1), `jetstream-r3` = three on this machine. */
export const RELAY_STORES = ['sqlite', 'jetstream', 'jetstream-r3'] as const;
export type RelayStore = (typeof RELAY_STORES)[number];

/** As the figures name it. */
export const STORE_LABELS: Readonly<Record<RelayStore, string>> = {
  sqlite: 'sqlite',
  jetstream: 'jetstream-r1',
  'jetstream-r3': 'jetstream-r3',
};

/** A store that runs beside Sluice. */
export interface RunningStore {
  /** `spec.spool` of sluice.yaml; absent = the embedded one. */
  readonly spool?: unknown;
  /** CPU seconds that its servers have used; `undefined` = it has none. */
  cpuSeconds(): number | undefined;
  close(): Promise<void>;
}

const EMBEDDED: RunningStore = { cpuSeconds: () => undefined, close: async () => {} };

export async function startStore(store: RelayStore): Promise<RunningStore> {
  if (store === 'sqlite') return EMBEDDED;
  const nodes: readonly NatsServer[] = store === 'jetstream' ? [await startNats()] : await startNatsCluster();
  return {
    spool: {
      type: 'JetStream',
      jetstream: {
        servers: nodes.map(({ url }) => url),
        durability: store === 'jetstream' ? 'Single' : 'Replicated',
        maxBytes: '2Gi',
        maxDeferredBytes: '1Gi',
        journalBytes: '1Gi',
      },
    },
    cpuSeconds: () => nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0),
    close: async () => {
      await Promise.all(nodes.map((node) => node.close()));
    },
  };
}
