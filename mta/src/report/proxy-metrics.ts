import { Counter, Gauge, Registry } from 'prom-client';
import type { MetricDefinition } from './metric-table.ts';

/** Source addresses come from clients; more than this many are counted under `other`. */
const MAX_SOURCES = 1_000;

/** Every metric of `sluice proxy`; docs/reference/metrics.md is generated from it. */
export const PROXY_METRICS = {
  clients: {
    name: 'sluice_proxy_client_connections',
    type: 'gauge',
    help: 'Open connections of clients of the proxy, in handshake or relaying.',
    labels: [],
  },
  clientsOpened: {
    name: 'sluice_proxy_client_connections_opened_total',
    type: 'counter',
    help: 'Connections of clients of the proxy that were taken.',
    labels: [],
  },
  refusals: {
    name: 'sluice_proxy_refusals_total',
    type: 'counter',
    help: 'Clients that got no connection, by reason: client, connections, connections-per-client, tls, protocol, timeout, auth, source, target, port.',
    labels: ['reason'],
  },
  connects: {
    name: 'sluice_proxy_connects_total',
    type: 'counter',
    help: 'Connections to targets by result (ok, refused, unreachable, timeout, failed, gone = the client left meanwhile) and by the source address that the client named.',
    labels: ['result', 'source'],
  },
  bytes: {
    name: 'sluice_proxy_relayed_bytes_total',
    type: 'counter',
    help: 'Bytes moved to the target and to the client.',
    labels: ['direction'],
  },
  cpu: {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'User and system CPU time of the process.',
    labels: [],
  },
  residentMemory: {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the process.',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>;

/** What `sluice proxy` counts. */
export interface ProxyMetrics {
  clientOpened(): void;
  clientClosed(): void;
  refused(reason: string): void;
  connected(result: string, source: string): void;
  relayEnded(bytesToTarget: number, bytesToClient: number): void;
  /** Bytes of relays that are still open, asked at every scrape. */
  watch(openRelayBytes: () => { readonly toTarget: number; readonly toClient: number }): void;
  /** Text exposition format 0.0.4. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** Makes the registry of one proxy. */
export function createProxyMetrics(): ProxyMetrics {
  const registry = new Registry();
  const sources = new Set<string>();
  const ended = { toTarget: 0, toClient: 0 };
  let open = (): { readonly toTarget: number; readonly toClient: number } => ({ toTarget: 0, toClient: 0 });
  const counter = (definition: MetricDefinition): Counter => new Counter(formOf(definition, registry));
  const clients = new Gauge(formOf(PROXY_METRICS.clients, registry));
  const clientsOpened = counter(PROXY_METRICS.clientsOpened);
  const refusals = counter(PROXY_METRICS.refusals);
  const connects = counter(PROXY_METRICS.connects);
  const bytes: Counter = new Counter({
    ...formOf(PROXY_METRICS.bytes, registry),
    collect() {
      const moving = open();
      bytes.reset();
      bytes.inc({ direction: 'to-target' }, ended.toTarget + moving.toTarget);
      bytes.inc({ direction: 'to-client' }, ended.toClient + moving.toClient);
    },
  });
  const cpu: Counter = new Counter({
    ...formOf(PROXY_METRICS.cpu, registry),
    collect() {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });
  const resident: Gauge = new Gauge({
    ...formOf(PROXY_METRICS.residentMemory, registry),
    collect() {
      resident.set(process.memoryUsage.rss());
    },
  });
  return {
    clientOpened() {
      clients.inc();
      clientsOpened.inc();
    },
    clientClosed: () => clients.dec(),
    refused: (reason) => refusals.inc({ reason }),
    connected(result, source) {
      const label = sources.has(source) || sources.size < MAX_SOURCES ? source : 'other';
      sources.add(label);
      connects.inc({ result, source: label });
    },
    relayEnded(bytesToTarget, bytesToClient) {
      ended.toTarget += bytesToTarget;
      ended.toClient += bytesToClient;
    },
    watch(openRelayBytes) {
      open = openRelayBytes;
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function formOf({ name, help, labels }: MetricDefinition, registry: Registry) {
  return { name, help, labelNames: labels, registers: [registry] };
}
