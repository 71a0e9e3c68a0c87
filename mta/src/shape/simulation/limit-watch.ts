import type { Bounds, Rate } from '@sluice/crds';
import { burstOf, ratePerMs } from '../burst.ts';
import { RATE_NAMES, type RateName } from '../limit-key.ts';

/** Rounding that is no violation. */
const TOLERANCE = 1e-3;

interface WatchedRate {
  readonly perMs: number;
  readonly burst: number;
  /** Level of the one bucket that all pods together must fit in. */
  level: number;
  atMs: number;
  largestCost: number;
}

/**
 * Watches what all pods together do under one key. A rate holds in every window (`used ≤ rate × window + max(burst, largest cost)`)
 * exactly if one token bucket with that capacity never runs dry; so each use is checked against all windows that end with it.
 */
export class LimitWatch {
  readonly id: string;
  readonly bounds: Bounds;
  readonly violations: string[] = [];
  connections = 0;
  used = 0;
  readonly #rates = new Map<RateName, WatchedRate>();

  constructor(id: string, bounds: Bounds, nowMs: number) {
    this.id = id;
    this.bounds = bounds;
    for (const name of RATE_NAMES) {
      const rate: Rate | undefined = bounds[name];
      if (rate === undefined) continue;
      const burst = burstOf(bounds, name);
      this.#rates.set(name, { perMs: ratePerMs(rate), burst, level: burst, atMs: nowMs, largestCost: burst });
    }
  }

  connect(nowMs: number): void {
    this.connections++;
    const { connections: bound = Number.POSITIVE_INFINITY } = this.bounds;
    if (this.connections > bound)
      this.violations.push(`${this.id}: ${this.connections} of ${bound} connections at ${nowMs}`);
    this.spend('connectionRate', 1, nowMs);
  }

  disconnect(): void {
    this.connections--;
  }

  spend(name: RateName, units: number, nowMs: number): void {
    const rate = this.#rates.get(name);
    if (rate === undefined) return;
    if (units > rate.largestCost) {
      // The allowance of a window grows with the largest cost that falls in it.
      rate.level += units - rate.largestCost;
      rate.largestCost = units;
    }
    rate.level = Math.min(rate.largestCost, rate.level + (nowMs - rate.atMs) * rate.perMs) - units;
    rate.atMs = nowMs;
    if (name !== 'connectionRate') this.used += units;
    if (rate.level < -TOLERANCE)
      this.violations.push(`${this.id}: ${name} exceeded by ${-rate.level} at ${nowMs}`);
  }
}
