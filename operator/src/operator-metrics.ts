import type { Compiled } from '@sluice/crds';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { PodCounts, ReconcileObserver, WrittenObject } from './reconcile/mod.ts';

const COMPILE_BUCKETS_S = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

type Labels = Readonly<Record<string, string>>;
/** Empty in an operator of one namespace. */
type Place = { readonly namespace?: string };
interface Shown {
  readonly labels: Labels;
}

/** Metrics of the operator; listed in docs/reference/operator.md. */
export class OperatorMetrics implements ReconcileObserver {
  readonly registry = new Registry();
  /** Label values that are shown, by namespace. */
  readonly #shown = new Map<Gauge<string>, Map<string, Labels[]>>();
  readonly #compileSeconds = new Histogram({
    name: 'sluice_operator_compile_seconds',
    help: 'Time to compile and pack all resources.',
    buckets: COMPILE_BUCKETS_S,
    registers: [this.registry],
  });
  readonly #resources = new Gauge({
    name: 'sluice_operator_resources',
    help: 'Resources by kind and by whether they are in force as they stand.',
    labelNames: ['namespace', 'kind', 'accepted'],
    registers: [this.registry],
  });
  readonly #generation = new Gauge({
    name: 'sluice_operator_config_generation',
    help: 'Generation of the set of ConfigMaps that was published last.',
    labelNames: ['namespace'],
    registers: [this.registry],
  });
  readonly #shards = new Gauge({
    name: 'sluice_operator_config_shards',
    help: 'ConfigMaps of that set.',
    labelNames: ['namespace'],
    registers: [this.registry],
  });
  readonly #info = new Gauge({
    name: 'sluice_operator_config_info',
    help: 'Always 1; the label says which configuration is published, as sluice_config_info of pods does.',
    labelNames: ['namespace', 'hash'],
    registers: [this.registry],
  });
  readonly #pods = new Gauge({
    name: 'sluice_operator_pods',
    help: 'Pods that live, by whether they run the set of ConfigMaps that was published last; without NATS none is known.',
    labelNames: ['namespace', 'programmed'],
    registers: [this.registry],
  });
  readonly #unreachable = new Gauge({
    name: 'sluice_operator_unreachable_sources',
    help: 'Sources that some pod cannot connect from by their way out.',
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

  compiled(durationMs: number, compiled: Compiled): void {
    this.#compiled(durationMs, compiled, {});
  }

  published(generation: number, hash: string, shards: number): void {
    this.#published(generation, hash, shards, {});
  }

  /** The same for one of several namespaces. */
  of(namespace: string): ReconcileObserver {
    return {
      compiled: (durationMs, compiled) => this.#compiled(durationMs, compiled, { namespace }),
      published: (generation, hash, shards) => this.#published(generation, hash, shards, { namespace }),
      pods: (counts, unreachableSources) => this.#podsAre(counts, unreachableSources, { namespace }),
      wrote: (object) => this.wrote(object),
      failed: (object, failure) => this.failed(object, failure),
    };
  }

  /** A namespace has nothing of ours any more. */
  forget(namespace: string): void {
    this.#forget(this.#resources, { namespace });
    this.#forget(this.#info, { namespace });
    this.#forget(this.#pods, { namespace });
    for (const gauge of [this.#generation, this.#shards]) gauge.remove({ namespace });
  }

  #compiled(durationMs: number, { statuses }: Compiled, place: Place): void {
    this.#compileSeconds.observe(durationMs / 1_000);
    this.#forget(this.#resources, place);
    const counts = new Map<string, Shown & { readonly count: number }>();
    for (const { kind, conditions } of statuses) {
      const accepted = conditions.find(({ type }) => type === 'Accepted')?.status ?? 'Unknown';
      const key = `${kind} ${accepted}`;
      const labels = { ...place, kind, accepted };
      counts.set(key, { labels, count: (counts.get(key)?.count ?? 0) + 1 });
    }
    for (const { labels, count } of counts.values()) this.#show(this.#resources, place, labels, count);
  }

  #published(generation: number, hash: string, shards: number, place: Place): void {
    this.#generation.set(place, generation);
    this.#shards.set(place, shards);
    this.#forget(this.#info, place);
    this.#show(this.#info, place, { ...place, hash }, 1);
  }

  /** Shows a value until it is forgotten for its namespace. */
  #show(gauge: Gauge<string>, { namespace = '' }: Place, labels: Labels, value: number): void {
    gauge.set(labels, value);
    const shown = this.#shown.get(gauge) ?? new Map<string, Labels[]>();
    this.#shown.set(gauge, shown);
    const ofPlace = shown.get(namespace) ?? [];
    shown.set(namespace, ofPlace);
    ofPlace.push(labels);
  }

  #forget(gauge: Gauge<string>, { namespace = '' }: Place): void {
    const shown = this.#shown.get(gauge);
    for (const labels of shown?.get(namespace) ?? []) gauge.remove(labels);
    shown?.delete(namespace);
  }

  pods(counts: PodCounts, unreachableSources: number): void {
    this.#podsAre(counts, unreachableSources, {});
  }

  #podsAre({ programmed, total }: PodCounts, unreachableSources: number, place: Place): void {
    this.#forget(this.#pods, place);
    this.#show(this.#pods, place, { ...place, programmed: 'True' }, programmed);
    this.#show(this.#pods, place, { ...place, programmed: 'False' }, total - programmed);
    // One NATS for all namespaces.
    this.#unreachable.set(unreachableSources);
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
    readonly feedback: () => boolean;
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
      name: 'sluice_operator_feedback',
      help: '1 = it is known from NATS what pods run.',
      registers,
      collect() {
        this.set(read.feedback() ? 1 : 0);
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
