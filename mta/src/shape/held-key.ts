import type { Bounds } from '@sluice/crds';
import type { RoutedKey } from './allocation-port.ts';
import { ratePerMs } from './burst.ts';
import { HeldRate } from './held-rate.ts';
import type { HeldView } from './key-view.ts';
import { boundsInForce, type LimitKey, RATE_NAMES, type RateName } from './limit-key.ts';

/** What this pod holds of one key. */
export class HeldKey implements RoutedKey {
  readonly id: string;
  readonly broad: boolean;
  readonly shard: string;
  readonly podOnly: boolean;
  bounds: Bounds;
  generation: number | undefined;
  /** As it was presented last, with the bounds in force: what refusals name. */
  limit: LimitKey;
  connections = 0;
  slotWaiters = 0;
  usedAtMs: number;
  readonly rates: Partial<Record<RateName, HeldRate>> = {};

  /** `id` is the allocator's name for it. */
  constructor(id: string, limit: LimitKey, nowMs: number) {
    this.id = id;
    this.broad = limit.shard === '';
    this.shard = limit.shard;
    this.podOnly = limit.scope === 'Pod';
    this.limit = limit;
    this.bounds = limit.bounds;
    this.generation = limit.generation;
    this.usedAtMs = nowMs;
    this.#setRates();
  }

  /** Another form of the same key is shown. `undefined` = nothing changed; else the rates that are limits no longer. */
  present(limit: LimitKey): HeldRate[] | undefined {
    const current = { bounds: this.bounds, generation: this.generation };
    const inForce = boundsInForce(current, { bounds: limit.bounds, generation: limit.generation });
    if (inForce === current) return undefined;
    this.bounds = inForce.bounds;
    this.generation = inForce.generation;
    this.limit = limit;
    return this.#setRates();
  }

  /** Other bounds, whatever generation they come from. Returns the rates that are limits no longer. */
  replaceBounds(bounds: Bounds): HeldRate[] {
    this.bounds = bounds;
    this.limit = { ...this.limit, bounds };
    return this.#setRates();
  }

  view(nowMs: number): HeldView {
    const rates = RATE_NAMES.map((name) => this.rates[name]?.view(nowMs)).filter(
      (rate) => rate !== undefined,
    );
    return { connections: this.connections, waiting: this.slotWaiters, rates };
  }

  waiting(): number {
    let waiting = this.slotWaiters;
    for (const name of RATE_NAMES) waiting += this.rates[name]?.line.size ?? 0;
    return waiting;
  }

  /** Nobody waits and no connection holds it. */
  get quiet(): boolean {
    return (
      this.connections === 0 &&
      this.slotWaiters === 0 &&
      RATE_NAMES.every((name) => this.rates[name]?.quiet ?? true)
    );
  }

  lastUsedMs(): number {
    let last = this.usedAtMs;
    for (const name of RATE_NAMES) last = Math.max(last, this.rates[name]?.bucket.atMs ?? 0);
    return last;
  }

  #setRates(): HeldRate[] {
    const dropped: HeldRate[] = [];
    for (const name of RATE_NAMES) {
      const rate = this.bounds[name];
      const held = this.rates[name];
      if (rate === undefined) {
        if (held !== undefined) dropped.push(held);
        delete this.rates[name];
      } else if (held === undefined) {
        this.rates[name] = new HeldRate(this, name, 1 / ratePerMs(rate));
      } else {
        held.intervalMs = 1 / ratePerMs(rate);
      }
    }
    return dropped;
  }
}
