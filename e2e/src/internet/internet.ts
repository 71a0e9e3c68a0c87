import { type DeliveryObserver, Ledger, type Sink, type SourceRecord, startSink } from '@sluice/mta/sink';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import { type ZoneRecord, zoneOfRecords } from './dns-zone.ts';
import { type InternetShape, type Provider, providers } from './providers.ts';

export interface InternetOptions {
  readonly shape: InternetShape;
  /** One SMTP port for all hosts, each on its own loopback address; 0 = a free one. */
  readonly smtpPort: number;
  /** First two octets of the hosts' addresses; default 127.20. Others only in a network namespace of a test's own. */
  readonly network?: readonly [number, number];
  /** Where the DNS server listens; default 127.0.0.1. */
  readonly dnsAddress?: string;
  /** Told of every delivery; only where the internet runs in this process. */
  readonly onDelivered?: DeliveryObserver;
}

/** What the hosts that share one limit saw; counted on the wire. */
export interface ProviderRecord {
  readonly name: string;
  /** The provider's first domain: tells small hosts apart, each of which has limits of its own. */
  readonly domain: string;
  readonly messages: number;
  readonly sources: readonly SourceRecord[];
}

/** A running fake internet: a DNS server and a sink for each host, all in 127.0.0.0/8. */
export interface Internet {
  readonly dns: { readonly address: string; readonly port: number };
  readonly smtpPort: number;
  readonly providers: readonly Provider[];
  /** One for each provider that limits its senders as a whole: Microsoft 365 tenants together, small hosts one by one. */
  records(): readonly ProviderRecord[];
  /** Per recipient number of a blast run: times delivered, over all hosts. */
  delivered(run: string): Uint8Array;
  /** Local parts that were refused for good, over all hosts. */
  refused(): ReadonlySet<string>;
  close(): Promise<void>;
}

/** Hosts live at 127.20.0.2 and up. */
const HOST_NETWORK = [127, 20] as const;

function hostAddress(number: number, [first, second]: readonly [number, number]): string {
  const last = 1 + number;
  return `${first}.${second}.${Math.floor(last / 250)}.${(last % 250) + 1}`;
}

/**
 * Starts the fake internet.
 *
 * Example: `const internet = await startInternet({ shape: DEMO_SHAPE, smtpPort: 0 });`
 */
export async function startInternet(options: InternetOptions): Promise<Internet> {
  const all = providers(options.shape);
  const ledgers = new Map<string, Ledger>();
  const names = new Map<string, { readonly name: string; readonly domain: string }>();
  const sinks: Sink[] = [];
  const records: Record<string, readonly ZoneRecord[]> = {};
  let hosts = 0;
  let smtpPort = options.smtpPort;
  for (const provider of all) {
    const key = provider.name === 'small' ? `small ${provider.domains[0]}` : provider.name;
    const ledger = ledgers.get(key) ?? new Ledger(undefined, options.onDelivered);
    ledgers.set(key, ledger);
    names.set(key, { name: provider.name, domain: provider.domains[0] ?? '' });
    for (const { name, behaviour } of provider.hosts) {
      const address = hostAddress(hosts++, options.network ?? HOST_NETWORK);
      const sink = await startSink({ behaviour, address, port: smtpPort, ledger });
      smtpPort = sink.port;
      sinks.push(sink);
      records[name] = [{ type: 'A', address }];
    }
    const mx = provider.hosts.map(({ name, preference }) => ({
      type: 'MX' as const,
      preference,
      exchange: name,
    }));
    for (const domain of provider.domains) records[domain] = mx;
  }
  const dns: DnsServer = await startDnsServer({
    zone: zoneOfRecords(records),
    ...(options.dnsAddress !== undefined && { address: options.dnsAddress }),
  });
  return {
    dns: { address: dns.address, port: dns.port },
    smtpPort,
    providers: all,
    records: () =>
      [...ledgers].map(([key, ledger]) => {
        const sources = ledger.sources();
        const { name, domain } = names.get(key) ?? { name: key, domain: '' };
        return { name, domain, messages: sources.reduce((sum, source) => sum + source.messages, 0), sources };
      }),
    delivered: (run) =>
      sumRuns([...ledgers.values()].map((ledger) => ledger.runs.get(run) ?? new Uint8Array())),
    refused: () => new Set([...ledgers.values()].flatMap((ledger) => [...ledger.refusedRecipients])),
    close: async () => {
      await Promise.all([dns.close(), ...sinks.map((sink) => sink.close())]);
    },
  };
}

function sumRuns(runs: readonly Uint8Array[]): Uint8Array {
  const total = new Uint8Array(Math.max(0, ...runs.map((run) => run.length)));
  for (const run of runs) {
    for (let number = 0; number < run.length; number++)
      total[number] = Math.min(255, (total[number] ?? 0) + (run[number] ?? 0));
  }
  return total;
}
