import type { TestContext } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { Ledger, PROVIDERS, type Sink, startSink } from '@sluice/mta/sink';
import { type Receipts, receipts } from '../judge/receipts.ts';
import { jetStreamSpool, POD_USER } from './jetstream-spec.ts';
import { closeAfter } from './last-first.ts';
import { type NatsServer, startNats } from './nats-server.ts';
import { plainPlan } from './plans.ts';
import { onePolicy, onePool, routeTo } from './resources.ts';
import { type SluiceProcess, startSluice } from './sluice-process.ts';
import { until } from './until.ts';

/** Every message of a test cluster goes there. */
export const FAR_DOMAIN = 'far.example';
/** Sessions of each pod to its host. */
export const POD_CONNECTIONS = 20;

/** Pods on one NATS, each of which sends to a host of its own choice; one ledger for all hosts. */
export interface TestCluster {
  readonly nats: NatsServer;
  readonly ledger: Ledger;
  /** A host that answers the final dot after so long; its receipts are counted with those of all hosts. */
  host(finalDotMs: number): Promise<Sink>;
  /** A pod whose mail goes to that host. */
  pod(host: Sink, spec?: Readonly<Record<string, unknown>>): Promise<SluiceProcess>;
  /** Sends mail to a pod, so many a second; resolves with which messages got their 250. */
  fill(pod: SluiceProcess, run: string, messages: number, ratePerSecond?: number): Promise<Uint8Array>;
  judged(run: string, accepted: Uint8Array): Receipts;
  /** Waits until everything that was accepted has arrived; returns how long it took, milliseconds. */
  allArrived(accepted: ReadonlyMap<string, Uint8Array>, timeoutMs: number): Promise<number>;
}

/** Example: `const cluster = await startCluster(context); const pod = await cluster.pod(await cluster.host(0));` */
export async function startCluster(
  context: TestContext,
  { connections = POD_CONNECTIONS }: { readonly connections?: number } = {},
): Promise<TestCluster> {
  const nats = await startNats({ users: [POD_USER] });
  closeAfter(context, () => nats.close());
  const ledger = new Ledger();
  const policy = onePolicy({
    retry: { delays: ['1s'], expireAfter: '1h' },
    limits: [{ name: 'source-site', per: ['Source', 'Site'], connections }],
  });
  let pods = 0;
  const judged = (run: string, accepted: Uint8Array): Receipts =>
    receipts(run, accepted, ledger.runs.get(run) ?? new Uint8Array(), new Set());
  return {
    nats,
    ledger,
    judged,
    async host(finalDotMs) {
      const behaviour = { ...PROVIDERS.plain('mx.far.example'), finalDotMs };
      const sink = await startSink({ behaviour, address: '127.0.0.1', port: 0, ledger });
      closeAfter(context, () => sink.close());
      return sink;
    },
    async pod(host, spec = {}) {
      const sluice = await startSluice({
        // Each on a machine of its own: what has the same name on one kernel is seen to end by the kernel.
        spec: {
          hostname: `pod-${++pods}.example`,
          routes: [routeTo(FAR_DOMAIN, host)],
          spool: jetStreamSpool([nats.url]),
          ...spec,
        },
        resources: { 'pool.yaml': onePool([`127.0.4.${pods}`]), 'policy.yaml': policy },
      });
      closeAfter(context, () => sluice.close());
      return sluice;
    },
    async fill(pod, run, messages, ratePerSecond) {
      const accepted = new Uint8Array(messages);
      await blast({
        target: pod.smtp,
        sessions: 20,
        ...(ratePerSecond !== undefined && { ratePerSecond }),
        plan: plainPlan(run, messages, [FAR_DOMAIN]),
        onAnswer: (message, answer) => {
          if (answer.code === 250) accepted[message.firstRecipient] = 1;
        },
      });
      return accepted;
    },
    async allArrived(accepted, timeoutMs) {
      const startMs = performance.now();
      await until(
        'everything that was accepted has arrived',
        () => [...accepted].reduce((open, [run, got]) => open + judged(run, got).open, 0),
        (open) => open === 0,
        timeoutMs,
      );
      return performance.now() - startMs;
    },
  };
}
