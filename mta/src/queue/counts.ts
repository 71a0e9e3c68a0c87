import type { EntryCounts } from './contract.ts';

/** Running counts of a lane, a tenant or the whole queue. */
export class Counts implements EntryCounts {
  ready = 0;
  asleep = 0;
  waiting = 0;
  taken = 0;

  get total(): number {
    return this.ready + this.asleep + this.waiting + this.taken;
  }

  /** Adds what `other` counts, `times` over: 1 to add, -1 to take off. */
  add(other: EntryCounts, times: 1 | -1): void {
    this.ready += times * other.ready;
    this.asleep += times * other.asleep;
    this.waiting += times * other.waiting;
    this.taken += times * other.taken;
  }
}
