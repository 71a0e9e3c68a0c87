import type { Bounds } from '@sluice/crds';
import type { KeySet, LimitKey } from '../../limit-key.ts';
import { Agenda } from '../agenda.ts';
import { LimitWatch } from '../limit-watch.ts';
import { type BrokenRule, type BusMessage, ShardedPod, type StoreValue, type World } from './sharded-pod.ts';
import { SimulatedBus } from './simulated-bus.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { SimulatedStore } from './simulated-store.ts';

export interface ClusterOptions {
  readonly startMs: number;
  readonly random: () => number;
  /** Of the store, and of each message. */
  readonly delayMs: () => number;
  /** What a watch of the store tells is later by this. */
  readonly watchLagMs: () => number;
  readonly loss: number;
  readonly doubling: number;
  /** Clocks are off by any time and run wrong by at most this part. */
  readonly drift: number;
  readonly latenessMs: () => number;
  readonly broken?: BrokenRule | undefined;
}

/** Faster clocks spend faster: what the watch allows for, on both sides of a rate. */
const DRIFT_ALLOWANCE = 2.5;

/** Pods, NATS as they see it, and the limits that are watched from outside by the true time. */
export class ShardedCluster {
  readonly agenda: Agenda;
  readonly pods = new Map<string, ShardedPod>();
  readonly watches = new Map<string, LimitWatch>();
  readonly bus: SimulatedBus<BusMessage>;
  readonly #store: SimulatedStore<StoreValue>;
  readonly #options: ClusterOptions;
  /** Reach neither store nor other pods; reach the store alone. */
  readonly #cut = new Set<string>();
  readonly #cutFromPods = new Set<string>();
  #names = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { startMs, delayMs, watchLagMs, random, loss, doubling } = options;
    this.agenda = new Agenda(startMs);
    this.#store = new SimulatedStore(
      this.agenda,
      delayMs,
      () => delayMs() + watchLagMs(),
      ({ name }) => this.#cut.has(name),
    );
    this.bus = new SimulatedBus(this.agenda, {
      loss,
      doubling,
      delayMs,
      random,
      isCut: (from, to) =>
        [from, to].some(({ name }) => this.#cut.has(name) || (from !== to && this.#cutFromPods.has(name))),
    });
  }

  addLimit(id: string, bounds: Bounds, shard: string): LimitKey {
    const key: LimitKey = { id, limitName: id, scope: 'Cluster', bounds, shard };
    this.watches.set(id, new LimitWatch(id, widened(bounds, this.#options.drift), this.agenda.nowMs));
    return key;
  }

  addPod(): ShardedPod {
    const { random, drift, latenessMs, broken } = this.#options;
    const name = `pod-${++this.#names}`;
    const process = new SimulatedProcess(name, this.agenda, random() * 1e9, (2 * random() - 1) * drift);
    const world: World = {
      store: this.#store,
      bus: this.bus,
      serverMs: () => this.agenda.nowMs,
      latenessMs,
      random,
      broken,
    };
    const pod = new ShardedPod(process, world);
    this.pods.set(name, pod);
    return pod;
  }

  keySet(keys: readonly LimitKey[]): KeySet {
    return { keys };
  }

  /** Uses are noted by the true time, whatever clock the pod has. */
  watchesOf(keys: readonly LimitKey[]): Pick<LimitWatch, 'connect' | 'disconnect' | 'spend'>[] {
    return keys.flatMap(({ id }) => {
      const watch = this.watches.get(id);
      if (watch === undefined) return [];
      return [
        {
          connect: () => watch.connect(this.agenda.nowMs),
          disconnect: () => watch.disconnect(),
          spend: (name, units) => watch.spend(name, units, this.agenda.nowMs),
        },
      ];
    });
  }

  /** Never to be seen again. Its sockets count for as long as if it were only cut off. */
  kill(killed: ShardedPod): void {
    const { process, pod } = killed;
    this.agenda.at(this.#fenceAtMs(killed), () => pod.destroySockets());
    process.alive = false;
    this.pods.delete(process.name);
    pod.die();
  }

  /** Stops the process. Sockets that a stopped process cannot close are not counted (DESIGN §6 says so to the user). */
  pause(paused: ShardedPod, forMs: number): void {
    const { process, pod } = paused;
    const { keeper } = paused;
    const { id } = keeper;
    process.stopped = true;
    this.agenda.at(this.#fenceAtMs(paused), () => {
      if (process.stopped && keeper.id === id) pod.destroySockets();
    });
    this.agenda.at(this.agenda.nowMs + forMs, () => process.continue());
  }

  /** Nothing goes to or from it. */
  cut({ process: { name } }: ShardedPod, forMs: number): void {
    this.#cut.add(name);
    this.agenda.at(this.agenda.nowMs + forMs, () => this.#cut.delete(name));
  }

  /** It reaches the store and no other pod: leaders are unreachable while its session is valid. */
  cutFromPods({ process: { name } }: ShardedPod, forMs: number): void {
    this.#cutFromPods.add(name);
    this.agenda.at(this.agenda.nowMs + forMs, () => this.#cutFromPods.delete(name));
  }

  /** When its session is over if it renews no more, by the true time. */
  #fenceAtMs({ process, keeper }: ShardedPod): number {
    return this.agenda.nowMs + Math.max(0, process.trueSpanMs(keeper.overAtMs() - process.nowMs));
  }

  violations(): string[] {
    return [...this.watches.values()].flatMap((watch) => watch.violations);
  }
}

/** The same bounds for clocks that may be wrong by `drift`. */
function widened(bounds: Bounds, drift: number): Bounds {
  const factor = 1 + DRIFT_ALLOWANCE * drift;
  const wide = (name: 'connectionRate' | 'recipientRate' | 'messageRate' | 'byteRate'): Bounds => {
    const rate = bounds[name];
    return rate === undefined ? {} : { [name]: { count: rate.count * factor, periodMs: rate.periodMs } };
  };
  return {
    ...bounds,
    ...wide('connectionRate'),
    ...wide('recipientRate'),
    ...wide('messageRate'),
    ...wide('byteRate'),
  };
}
