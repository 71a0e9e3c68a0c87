import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { ParsedResource } from '@sluice/crds';
import { Feedback, type NatsAccess, NO_FEEDBACK } from './feedback/mod.ts';
import { startHealthServer } from './health-server.ts';
import { ApiClient, type ClusterAccess, Election, type Logger } from './kube/mod.ts';
import { OperatorMetrics } from './operator-metrics.ts';
import { NamespaceReconcilers, Reconciler } from './reconcile/mod.ts';

/** A watch of which nothing was heard for so long is not alive: twice its watchdog would have opened another one. Milliseconds. */
const WATCH_DEAD_MS = 150_000;

export interface OperatorOptions {
  readonly access: ClusterAccess;
  /** Of the Lease, and of the resources where `scope` is `Namespace`. */
  readonly namespace: string;
  readonly scope: 'Namespace' | 'AllNamespaces';
  /** First part of the names of the ConfigMaps and of the Lease. */
  readonly release: string;
  readonly library: readonly ParsedResource[];
  /** Of the pods; absent = they cannot report. */
  readonly nats?: NatsAccess;
  readonly health: { readonly host: string; readonly port: number };
  readonly logger: Logger;
}

export interface Operator {
  readonly healthPort: number;
  /** Finishes what is being written, then releases the lease. */
  stop(): Promise<void>;
}

/**
 * Starts an operator: it watches at once, and writes while it holds the lease.
 *
 * @throws {SluiceError} `SLUICE_LISTEN_FAILED`
 *
 * Example: `const operator = await startOperator({ access: await inClusterAccess(process.env), namespace: 'mail', … }); … await operator.stop()`
 */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const { access, namespace, scope, release, library, logger } = options;
  const client = new ApiClient(access);
  const metrics = new OperatorMetrics();
  const identity = `${hostname()}_${randomBytes(4).toString('hex')}`;
  const clocks = { nowMs: () => performance.now(), wallMs: () => Date.now() };
  const feedback =
    options.nats === undefined
      ? NO_FEEDBACK
      : new Feedback({ access: options.nats, logger, nowMs: clocks.nowMs });
  const common = {
    client,
    release,
    identity,
    library,
    isLeader: () => election.isLeader,
    feedback,
    logger,
    random: Math.random,
    ...clocks,
  };
  const reconciler: Reconciler | NamespaceReconcilers =
    scope === 'Namespace'
      ? new Reconciler({ ...common, namespace, observer: metrics })
      : new NamespaceReconcilers({
          ...common,
          home: namespace,
          observe: (each) => metrics.of(each),
          forget: (each) => metrics.forget(each),
        });
  const election: Election = new Election({
    client,
    namespace,
    name: `${release}-operator`,
    identity,
    onElected: () => reconciler.lead(),
    onLost: () => void reconciler.follow(),
    logger,
    ...clocks,
  });
  metrics.watch({
    isLeader: () => election.isLeader,
    feedback: () => feedback.state.type === 'Known',
    silentMs: () => reconciler.watches,
    queued: () => reconciler.queued,
    requests: () => client.sent,
  });
  const health = await startHealthServer({
    ...options.health,
    troubles: () => troublesOf(reconciler.watches),
    metrics: metrics.registry,
  });
  feedback.start();
  reconciler.start();
  election.start();
  logger.info({ namespace, scope, release, identity, health: health.port }, 'watching');
  return {
    healthPort: health.port,
    async stop() {
      await reconciler.stop();
      await election.stop();
      await feedback.stop();
      await health.close();
      client.close();
      logger.info({ identity }, 'stopped');
    },
  };
}

function troublesOf(watches: Readonly<Record<string, number | undefined>>): readonly string[] {
  return Object.entries(watches).flatMap(([name, silentMs]) => {
    if (silentMs === undefined) return [`${name}: not yet listed`];
    return silentMs > WATCH_DEAD_MS ? [`${name}: nothing heard for ${Math.round(silentMs / 1_000)} s`] : [];
  });
}
