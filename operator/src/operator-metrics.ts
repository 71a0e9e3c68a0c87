import type { Compiled } from '@sluice/crds';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ReconcileObserver, WrittenObject } from './reconcile/mod.ts';

const COMPILE_BUCKETS_S = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

/** Metrics of the operator; listed in docs/reference/operator.md. */
export class OperatorMetrics implements ReconcileObserver {
  readonly registry = new Registry();
  readonly #compileSeconds = new Histogram({
    name: 'sluice_operator_compile_seconds',
    help: 'Time to compile and pack all resources.',
    buckets: COMPILE_BUCKETS_S,
    registers: [this.registry],
  });
  readonly #resources = new Gauge({
    name: 'sluice_operator_resources',
    help: 'Resources by kind and by whether they are in force as they stand.',
    labelNames: ['kind', 'accepted'],
    registers: [this.registry],
  });
  readonly #generation = new Gauge({
    name: 'sluice_operator_config_generation',
    help: 'Generation of the set of ConfigMaps that was published last.',
    registers: [this.registry],
  });
  readonly #shards = new Gauge({
    name: 'sluice_operator_config_shards',
    help: 'ConfigMaps of that set.',
    registers: [this.registry],
  });
  readonly #info = new Gauge({
    name: 'sluice_operator_config_info',
    help: 'Always 1; the label says which configuration is published, as sluice_config_info of pods does.',
    labelNames: ['hash'],
    registers: [this.registry],
  });
  readonly #writes = new Counter({
    name: 'sluice_operator_writes_total',
    help: 'Objects written: ConfigMap, Status, Event.',
    labelNames: ['object'],
    registers: [this.registry],
  });
  readonly #failures = new Counter({
    name: 'sluice_operator_write_failures_total',
    help: 'Writes that the API server did not take; each is tried again but for Events.',
    labelNames: ['object', 'failure'],
    registers: [this.registry],
  });

  compiled(durationMs: number, { statuses }: Compiled): void {
    this.#compileSeconds.observe(durationMs / 1_000);
    this.#resources.reset();
    for (const { kind, conditions } of statuses) {
      const accepted = conditions.find(({ type }) => type === 'Accepted')?.status ?? 'Unknown';
      this.#resources.inc({ kind, accepted });
    }
  }

  published(generation: number, hash: string, shards: number): void {
    this.#generation.set(generation);
    this.#shards.set(shards);
    this.#info.reset();
    this.#info.set({ hash }, 1);
  }

  wrote(object: WrittenObject): void {
    this.#writes.inc({ object });
  }

  failed(object: WrittenObject, { kind }: { readonly kind: string }): void {
    this.#failures.inc({ object, failure: kind });
  }

  /** What is read when somebody asks. */
  watch(read: {
    readonly isLeader: () => boolean;
    readonly silentMs: () => Readonly<Record<string, number | undefined>>;
    readonly queued: () => number;
    readonly requests: () => number;
  }): void {
    const registers = [this.registry];
    new Gauge({
      name: 'sluice_operator_leader',
      help: '1 = this operator holds the lease and writes.',
      registers,
      collect() {
        this.set(read.isLeader() ? 1 : 0);
      },
    });
    new Gauge({
      name: 'sluice_operator_watch_silence_seconds',
      help: 'Time since the API server last said anything about a collection; above 100 a new watch is opened.',
      labelNames: ['watch'],
      registers,
      collect() {
        for (const [watch, ms] of Object.entries(read.silentMs()))
          if (ms !== undefined) this.set({ watch }, ms / 1_000);
      },
    });
    new Gauge({
      name: 'sluice_operator_queue_depth',
      help: 'Work that waits, is under way, or is tried again later.',
      registers,
      collect() {
        this.set(read.queued());
      },
    });
    new Gauge({
      name: 'sluice_operator_api_requests',
      help: 'Requests to the API server so far.',
      registers,
      collect() {
        this.set(read.requests());
      },
    });
  }
}
