import type { Bounds } from '@sluice/crds';
import { Allocator } from '../allocator.ts';
import type { KeySet, LimitKey } from '../limit-key.ts';
import { createShaper } from '../shaper.ts';
import { Agenda } from './agenda.ts';
import { DelayedAllocation } from './delayed-allocation.ts';
import { LimitWatch } from './limit-watch.ts';
import { SimulatedPod } from './simulated-pod.ts';

/** Pods, the allocator behind a network, and the limits that are watched. */
export class SimulatedCluster {
  readonly agenda: Agenda;
  readonly allocator = new Allocator();
  readonly allocation: DelayedAllocation;
  readonly pods = new Map<string, SimulatedPod>();
  readonly watches = new Map<string, LimitWatch>();
  readonly #keys = new Map<string, LimitKey>();
  readonly #latenessMs: () => number;

  constructor(startMs: number, delayMs: () => number, latenessMs: () => number) {
    this.agenda = new Agenda(startMs);
    this.#latenessMs = latenessMs;
    this.allocation = new DelayedAllocation(this.allocator, this.agenda, delayMs, (client) =>
      this.pods.get(client)?.arm(),
    );
  }

  addLimit(id: string, bounds: Bounds, broad = false): void {
    this.#keys.set(id, { id, limitName: id, scope: 'Cluster', bounds, shard: broad ? '' : 'site' });
    this.watches.set(id, new LimitWatch(id, bounds, this.agenda.nowMs));
  }

  addPod(name: string): SimulatedPod {
    const shaper = createShaper({ client: name, allocation: this.allocation });
    const pod = new SimulatedPod(shaper, this.agenda, this.#latenessMs);
    this.pods.set(name, pod);
    return pod;
  }

  kill(name: string, fenceMs: number): void {
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    pod.die();
    this.allocation.kill(name, fenceMs, () => pod.fenced());
  }

  keySet(ids: readonly string[]): KeySet {
    return { keys: ids.map((id) => this.#keys.get(id)).filter((key) => key !== undefined) };
  }

  watchesOf(ids: readonly string[]): LimitWatch[] {
    return ids.map((id) => this.watches.get(id)).filter((watch) => watch !== undefined);
  }

  violations(): string[] {
    return [...this.watches.values()].flatMap((watch) => watch.violations);
  }
}
