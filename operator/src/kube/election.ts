import type { ApiClient } from './api-client.ts';
import type { ApiResult } from './api-result.ts';
import {
  type LeaseObject,
  leaseObject,
  leaseStep,
  microTime,
  type ObservedLease,
  observe,
  RENEW_DEADLINE_MS,
  RETRY_PERIOD_MS,
  releasedLease,
} from './lease.ts';
import type { Logger } from './logger.ts';
import { pause } from './pause.ts';

/** A process that ends does not wait long for an API server that does not answer: the lease runs out by itself. Milliseconds. */
const RELEASE_TIMEOUT_MS = 3_000;

export interface ElectionOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  /** Name of the Lease. */
  readonly name: string;
  /** Of this process, another one for each start: `pod name_random`. */
  readonly identity: string;
  readonly onElected: () => void;
  /** Writing must end now; the election goes on, and may be won again. */
  readonly onLost: () => void;
  readonly logger: Logger;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
}

/**
 * Which of several operators writes: the one that holds a Lease. Nothing fences writes of an old leader at the API server, so a leader counts its own time
 * and stops `RENEW_DEADLINE_MS` after the send time of its last renewal, well before another one may take over.
 *
 * Example: `const election = new Election({ …, onElected: () => queue.start() }); election.start(); … await election.stop()`
 */
export class Election {
  readonly #options: ElectionOptions;
  readonly #path: string;
  readonly #stop = new AbortController();
  #observed: ObservedLease | undefined;
  /** Send time of the last renewal that was acknowledged; `undefined` = no leader. */
  #renewedAtMs: number | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  }

  /** Whether this process may write now. To be asked before each write. */
  get isLeader(): boolean {
    const { nowMs, renewDeadlineMs = RENEW_DEADLINE_MS } = this.#options;
    return this.#renewedAtMs !== undefined && nowMs() - this.#renewedAtMs < renewDeadlineMs;
  }

  start(): void {
    this.#ended = this.#run();
  }

  /** Ends the election and releases the lease, so that a standby takes over at its next look. Writing must have ended before. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    clearTimeout(this.#deadline);
    const led = this.#renewedAtMs !== undefined;
    this.#renewedAtMs = undefined;
    if (!led) return;
    const { client, identity, logger, name, wallMs } = this.#options;
    // Read once more: a renewal that was cut off may have arrived.
    const read = await client.json({
      method: 'GET',
      path: `${this.#path}/${name}`,
      timeoutMs: RELEASE_TIMEOUT_MS,
    });
    const lease = leaseObject.safeParse(read.ok ? read.body : undefined);
    if (!lease.success || lease.data.spec?.holderIdentity !== identity) return;
    const result = await this.#write('PUT', releasedLease(lease.data, microTime(wallMs())), undefined);
    if (result.ok) logger.info({ lease: name }, 'the lease is released');
    else logger.warn({ lease: name, reason: result.message }, 'the lease cannot be released');
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { retryPeriodMs = RETRY_PERIOD_MS, logger, name } = this.#options;
    while (!signal.aborted) {
      const failure = await this.#look();
      if (failure !== undefined && !signal.aborted)
        logger.warn({ lease: name, reason: failure }, 'the lease cannot be had');
      await pause(retryPeriodMs, signal);
    }
  }

  /** One look at the lease, and one write if it is ours to write; what went wrong. */
  async #look(): Promise<string | undefined> {
    const { client, identity, nowMs, wallMs, name } = this.#options;
    const { signal } = this.#stop;
    const read = await client.json({ method: 'GET', path: `${this.#path}/${name}`, signal });
    if (!read.ok && read.kind !== 'NotFound') return read.message;
    const lease = leaseObject.safeParse(read.ok ? read.body : { metadata: {}, spec: {} });
    if (!lease.success) return 'the lease has another form';
    this.#observed = observe(this.#observed, lease.data, nowMs());
    const step = leaseStep(this.#observed, identity, nowMs(), microTime(wallMs()));
    if (step.type === 'Wait') {
      this.#lost('another operator holds the lease');
      return undefined;
    }
    const sentAtMs = nowMs();
    const written = await this.#write(read.ok ? 'PUT' : 'POST', step.lease, signal);
    if (!written.ok) {
      // Another one was faster: seen at the next look.
      if (written.kind === 'Conflict' || written.kind === 'AlreadyExists') return undefined;
      return written.message;
    }
    this.#renewed(sentAtMs);
    return undefined;
  }

  #renewed(sentAtMs: number): void {
    const { onElected, logger, name, identity, nowMs, renewDeadlineMs = RENEW_DEADLINE_MS } = this.#options;
    const isNew = this.#renewedAtMs === undefined;
    this.#renewedAtMs = sentAtMs;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(
      () => this.#lost('the lease could not be renewed in time'),
      sentAtMs + renewDeadlineMs - nowMs(),
    );
    if (!isNew) return;
    logger.info({ lease: name, identity }, 'this operator leads');
    onElected();
  }

  #lost(reason: string): void {
    if (this.#renewedAtMs === undefined) return;
    const { onLost, logger, name } = this.#options;
    this.#renewedAtMs = undefined;
    clearTimeout(this.#deadline);
    logger.warn({ lease: name, reason }, 'this operator leads no more');
    onLost();
  }

  #write(
    method: 'POST' | 'PUT',
    lease: LeaseObject,
    signal: AbortSignal | undefined,
  ): Promise<ApiResult<unknown>> {
    const { client, name, namespace } = this.#options;
    const body = {
      ...lease,
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...lease.metadata, name, namespace },
    };
    const path = method === 'POST' ? this.#path : `${this.#path}/${name}`;
    return client.json({ method, path, body, ...(signal && { signal }) });
  }
}
