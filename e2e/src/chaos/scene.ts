import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { askPods } from '@sluice/mta/control';
import { EventStreamLayout } from '@sluice/mta/report';
import { decodeBatch, Layout, openNats } from '@sluice/mta/spool';
import { jetStreamSpool, POD_USER, SPOOL_STREAMS } from '../harness/jetstream-spec.ts';
import { type NatsServer, startNatsCluster } from '../harness/nats-server.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { until } from '../harness/until.ts';
import { type Internet, startInternet } from '../internet/internet.ts';
import { ChaosPod } from './chaos-pod.ts';
import { EventBook } from './event-book.ts';
import { JournalBook } from './journal-book.ts';
import type { ChaosNetwork } from './network.ts';
import { type PoisonHost, startPoisonHost } from './poison-host.ts';
import { StreamReader } from './stream-reader.ts';
import type { Delivery } from './verdict.ts';

const PREFIX = 'sluice';
export const POISON_DOMAIN = 'poison.example';
const JUDGE = { user: 'judge', password: 'not a secret' } as const;
const SHAPE = { microsoftTenants: 6, smallHosts: 12 };
/** Room that a full stream has left. */
const LAST_ROOM_BYTES = 64 * 1024;
const NATS_PATIENCE_MS = 60_000;
/** How often pods are asked who they are. */
const OBSERVE_EVERY_MS = 500;
/** After a poison message killed a pod. */
const POISON_DOWN_MS = 2_000;
const ASK_TIMEOUT_MS = 3_000;

/** Everything that a run plays with, and the books that it keeps. */
export class Scene {
  readonly nodes: readonly NatsServer[];
  readonly pods: readonly ChaosPod[];
  readonly internet: Internet;
  readonly journal = new JournalBook();
  readonly events = new EventBook();
  readonly deliveries: readonly Delivery[];
  /** Pods that the poison message ended, one after the other. */
  readonly poisoned: readonly string[];
  readonly #network: ChaosNetwork;
  readonly #connection: NatsConnection;
  readonly #poison: PoisonHost;
  readonly #readers: readonly StreamReader[];
  readonly #observing: NodeJS.Timeout;
  readonly #layout = new Layout({ prefix: PREFIX, spoolStreams: SPOOL_STREAMS });

  private constructor(parts: {
    readonly nodes: readonly NatsServer[];
    readonly pods: readonly ChaosPod[];
    readonly internet: Internet;
    readonly deliveries: readonly Delivery[];
    readonly poisoned: readonly string[];
    readonly network: ChaosNetwork;
    readonly connection: NatsConnection;
    readonly poison: PoisonHost;
  }) {
    this.nodes = parts.nodes;
    this.pods = parts.pods;
    this.internet = parts.internet;
    this.deliveries = parts.deliveries;
    this.poisoned = parts.poisoned;
    this.#network = parts.network;
    this.#connection = parts.connection;
    this.#poison = parts.poison;
    this.#readers = [
      new StreamReader(this.#connection, this.#layout.journalStream, ({ subject, seq, time, data }) => {
        const batch = decodeBatch(data);
        if ('unreadable' in batch) throw new Error(batch.reason);
        this.journal.take({ subject, sequence: seq, atMs: time.getTime(), batch });
      }),
      new StreamReader(this.#connection, new EventStreamLayout(PREFIX).stream, (message) =>
        this.events.take(message.string()),
      ),
    ];
    this.#observing = setInterval(() => {
      for (const pod of this.pods) void pod.observe();
    }, OBSERVE_EVERY_MS);
  }

  /** Three nodes of NATS, the fake internet, and the pods; resolves when all are up. */
  static async start(network: ChaosNetwork, say: (line: string) => void): Promise<Scene> {
    const nodes = await startNatsCluster({ users: [POD_USER, { identity: JUDGE }], host: network.nats });
    const deliveries: Delivery[] = [];
    const internet = await startInternet({
      shape: SHAPE,
      smtpPort: 0,
      network: network.hosts,
      dnsAddress: network.dns,
      onDelivered: (recipient, source) => deliveries.push({ recipient, source, atMs: Date.now() }),
    });
    const pods: ChaosPod[] = [];
    const poisoned: string[] = [];
    const poison = await startPoisonHost(network.poisonHost, (source) => {
      const pod = pods.find(({ place }) => place.address === source);
      if (pod === undefined) return;
      poisoned.push(pod.name);
      say(`${pod.name} sends the poison message: kill -9`);
      void pod.shoot(POISON_DOWN_MS);
    });
    for (const [index, place] of network.places.entries()) {
      const name = `pod-${index}`;
      const urls = nodes.map(({ url }) => url.replace('127.0.0.1', place.nats));
      pods.push(
        new ChaosPod({
          name,
          place,
          say,
          setup: {
            prefix: place.prefix,
            spec: {
              hostname: `${name}.example`,
              listeners: {
                smtp: [{ name: 'smtp', address: `${place.address}:0`, relayNetworks: [network.allowed] }],
                admin: { address: `${place.address}:0` },
              },
              targets: { allow: [network.allowed] },
              dns: { servers: [`${internet.dns.address}:${internet.dns.port}`] },
              smtpPort: internet.smtpPort,
              routes: [routeTo(POISON_DOMAIN, poison)],
              spool: jetStreamSpool(urls, { durability: 'Replicated' }),
              events: { jetstream: { maxBytes: '512Mi' } },
            },
            resources: {
              'pool.yaml': onePool([place.address]),
              'policy.yaml': onePolicy({
                retry: { delays: ['1s', '2s', '4s'], expireAfter: '2h' },
                limits: [
                  { name: 'source-site', per: ['Source', 'Site'], connections: 5 },
                  { name: 'site', per: ['Site'], connections: 10 },
                ],
              }),
            },
          },
        }),
      );
    }
    await Promise.all(pods.map((pod) => pod.start()));
    const connection = await openNats({
      servers: nodes.map(({ url }) => url),
      credentials: { kind: 'password', ...JUDGE },
      inboxPrefix: 'judge.inbox',
      name: 'judge',
    });
    return new Scene({ nodes, pods, internet, deliveries, poisoned, network, connection, poison });
  }

  get domains(): readonly string[] {
    return this.internet.providers.flatMap(({ domains }) => domains);
  }

  /** The streams of new mail take no more than a little; resolves with how to give them their room back. */
  async fillSpool(): Promise<() => Promise<void>> {
    const before = new Map<string, number>();
    for (const stream of this.#layout.spoolStreamNames) {
      await this.#patiently(async () => {
        const manager = await jetstreamManager(this.#connection);
        const { config, state } = await manager.streams.info(stream);
        before.set(stream, before.get(stream) ?? config.max_bytes);
        await manager.streams.update(stream, { max_bytes: state.bytes + LAST_ROOM_BYTES });
      });
    }
    return async () => {
      for (const [stream, maxBytes] of before)
        await this.#patiently(async () => {
          const manager = await jetstreamManager(this.#connection);
          await manager.streams.update(stream, { max_bytes: maxBytes });
        });
    };
  }

  /** Recipients that are queued, by domain; `undefined` = not every pod answered. */
  async queued(): Promise<ReadonlyMap<string, number> | undefined> {
    const question = { ask: 'Listing', by: 'Domain', filter: {}, limit: 10_000 } as const;
    try {
      const { answers, silent } = await askPods(this.#connection, PREFIX, question, ASK_TIMEOUT_MS);
      if (silent.length > 0 || answers.length !== this.pods.length) return undefined;
      const queued = new Map<string, number>();
      for (const { rows } of answers)
        for (const { domain, recipients } of rows) queued.set(domain, (queued.get(domain) ?? 0) + recipients);
      return queued;
    } catch {
      return undefined;
    }
  }

  /** What each pod says of its queue, as JSON for people. */
  async queues(): Promise<readonly string[]> {
    return Promise.all(
      this.pods.map(async ({ name, admin }) => {
        const response =
          admin === undefined ? undefined : await fetch(`${admin}/queue`).catch(() => undefined);
        return `${name}: ${response === undefined ? 'no answer' : await response.text()}`;
      }),
    );
  }

  /** Resolves when the books have everything that the streams have now. */
  async readAll(): Promise<void> {
    const streams = [this.#layout.journalStream, new EventStreamLayout(PREFIX).stream];
    for (const [index, stream] of streams.entries()) {
      let last = 0;
      await this.#patiently(async () => {
        const manager = await jetstreamManager(this.#connection);
        last = (await manager.streams.info(stream)).state.last_seq;
      });
      await until(
        `${stream} is read`,
        () => this.#readers[index]?.last ?? 0,
        (read) => read >= last,
        NATS_PATIENCE_MS,
      );
    }
    await Promise.all(this.pods.map((pod) => pod.observe()));
  }

  async close(): Promise<void> {
    clearInterval(this.#observing);
    for (const reader of this.#readers) reader.close();
    await Promise.all(this.pods.map((pod) => pod.close()));
    await this.#connection.close();
    await this.#poison.close();
    await this.internet.close();
    await Promise.all(this.nodes.map((node) => node.close()));
    await this.#network.close();
  }

  async #patiently(attempt: () => Promise<void>): Promise<void> {
    await until(
      'NATS answers',
      () =>
        attempt().then(
          () => 'done',
          (error: unknown) => String(error),
        ),
      (answer) => answer === 'done',
      NATS_PATIENCE_MS,
    );
  }
}
