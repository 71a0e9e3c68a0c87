import type { TestContext } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, RATE_BUCKET_MS, type Sink, type SourceRecord, startSink } from '@sluice/mta/sink';
import { type AllowedRate, limitViolations } from '../judge/limit-check.ts';
import { jetStreamSpool } from './jetstream-spec.ts';
import { closeAfter } from './last-first.ts';
import { NatsLink } from './nats-link.ts';
import { type NatsServer, startNats } from './nats-server.ts';
import { plainPlan } from './plans.ts';
import { onePool, routeTo } from './resources.ts';
import { resource, type SluiceProcess, startSluice } from './sluice-process.ts';

/** Every pod sends from this one address: what a sink sees of it is what all pods do together. */
const SOURCE = '127.0.4.1';

/** A destination with a limit of its own, for all pods together. */
export interface LimitedHost {
  /** Of its domain and its destination: `ten` → `ten.example`. */
  readonly name: string;
  /** Bounds as a ShapingPolicy has them. */
  readonly limit: Readonly<Record<string, unknown>>;
  /** How long it takes for the final dot. */
  readonly finalDotMs?: number;
}

/** What a host saw, and what became of the mail that was to go there. */
export interface LimitedSink {
  readonly name: string;
  readonly domain: string;
  readonly sink: Sink;
  delivered(): number;
  /** What it saw of {@link SOURCE}. */
  readonly record: SourceRecord | undefined;
  /** Times at which recipients were offered, to {@link RATE_BUCKET_MS}, in seconds since the cluster began. */
  offeredAtSeconds(): readonly number[];
  violations(allowed: AllowedRate): readonly string[];
}

export interface LimitPod extends SluiceProcess {
  /** Its way to NATS. */
  readonly link: NatsLink;
}

/** Pods that share limits on one NATS, and hosts that count. */
export interface LimitCluster {
  readonly nats: NatsServer;
  readonly hosts: ReadonlyMap<string, LimitedSink>;
  host(name: string): LimitedSink;
  /** `Own` = its mail stays its own, `Shared` = others send it when it ends. */
  pod(store?: 'Own' | 'Shared'): Promise<LimitPod>;
  pods(count: number, store?: 'Own' | 'Shared'): Promise<readonly LimitPod[]>;
  /** Hands mail for a host to a pod; throws when not all of it was taken. */
  mail(pod: SluiceProcess, host: string, run: string, messages: number): Promise<void>;
}

/** Example: `const cluster = await startLimitCluster(context, [{ name: 'ten', limit: { recipientRate: '10/s' } }])` */
export async function startLimitCluster(
  context: TestContext,
  limited: readonly LimitedHost[],
): Promise<LimitCluster> {
  const nats = await startNats();
  closeAfter(context, () => nats.close());
  const hosts = new Map<string, LimitedSink>();
  for (const [index, each] of limited.entries()) {
    const sink = await startSink({
      behaviour: { ...PROVIDERS.plain(`mx.${each.name}.example`), finalDotMs: each.finalDotMs ?? 0 },
      address: `127.0.5.${index + 1}`,
      port: 0,
    });
    closeAfter(context, () => sink.close());
    hosts.set(each.name, limitedSink(each.name, sink));
  }
  const policy = resource('ShapingPolicy', 'default', {
    default: { retry: { delays: ['1s'], expireAfter: '1h' } },
    destinations: limited.map(({ name, limit }) => ({
      name,
      match: { domains: [`${name}.example`] },
      limits: [{ name: 'shared', per: ['Source', 'Site'], ...limit }],
    })),
  });
  let started = 0;
  const host = (name: string): LimitedSink => {
    const found = hosts.get(name);
    if (found === undefined) throw new Error(`no host ${name}`);
    return found;
  };
  const pod: LimitCluster['pod'] = async (store = 'Own') => {
    const link = await NatsLink.open(nats.url);
    closeAfter(context, () => link.close());
    const prefix = store === 'Own' ? `pod${started++}` : 'sluice';
    const sluice = await startSluice({
      spec: {
        routes: [...hosts.values()].map(({ domain, sink }) => routeTo(domain, sink)),
        spool: jetStreamSpool([link.url], { credentials: undefined, prefix, limitsPrefix: 'sluice' }),
      },
      resources: { 'pool.yaml': onePool([SOURCE]), 'policy.yaml': [policy] },
    });
    closeAfter(context, () => sluice.close());
    return { ...sluice, link };
  };
  return {
    nats,
    hosts,
    host,
    pod,
    pods: (count, store) => Promise.all(Array.from({ length: count }, () => pod(store))),
    async mail(to, name, run, messages) {
      if (messages === 0) return;
      const plan = plainPlan(run, messages, [host(name).domain]);
      const { accepted } = await blast({ target: to.smtp, sessions: 4, plan });
      if (accepted !== messages) throw new Error(`${accepted} of ${messages} were accepted`);
    },
  };
}

function limitedSink(name: string, sink: Sink): LimitedSink {
  const domain = `${name}.example`;
  const record = (): SourceRecord | undefined => sink.ledger.sources()[0];
  return {
    name,
    domain,
    sink,
    delivered: () => sink.ledger.totals.delivered,
    get record() {
      return record();
    },
    offeredAtSeconds: () =>
      (record()?.buckets ?? []).flatMap((count, bucket) =>
        new Array<number>(count).fill((bucket * RATE_BUCKET_MS) / 1_000),
      ),
    violations: (allowed) =>
      limitViolations({ name, domain, messages: 0, sources: sink.ledger.sources() }, allowed).map(
        ({ what }) => `${name}: ${what}`,
      ),
  };
}
