import { Bucket, ROUNDING } from './bucket.ts';
import type { TransactionCost } from './contract.ts';
import type { AllocatorEffect, LeasePart } from './effect.ts';
import { Heap } from './heap.ts';
import type { HeldKey } from './held-key.ts';
import type { HeldView } from './key-view.ts';
import type { RateName } from './limit-key.ts';
import type { Registration } from './registration.ts';
import { goesBefore } from './turn-order.ts';

/** What this pod holds of one rate, and who waits for it here. */
export class HeldRate {
  readonly key: HeldKey;
  readonly name: RateName;
  /** Place in the order in which waiters with several rates collect their tokens: slowest first. */
  intervalMs: number;
  readonly bucket = new Bucket(0, 0, 0, 0);
  readonly line = new Heap<Registration>(goesBefore);
  /** Units that those in line want. */
  lineUnits = 0;
  /** Units kept for waiters that were woken or have waited long. */
  reserved = 0;
  /** The one who may keep tokens here while it waits elsewhere. */
  keeper: Registration | undefined;
  /** The allocator knows that this pod wants some. */
  demandedAtMs: number | undefined;
  /** When the next single turn may come, as far as the allocator has told. */
  turnAtMs: number | undefined;
  spentUnits = 0;
  /** What the allocator wants back down to and has not got yet. */
  recall: { readonly ratePerMs: number; readonly capacity: number } | undefined;
  serveAtMs = Number.POSITIVE_INFINITY;
  #burst = Number.POSITIVE_INFINITY;
  #largestCost = 0;
  #once = false;
  #calm = false;

  constructor(key: HeldKey, name: RateName, intervalMs: number) {
    this.key = key;
    this.name = name;
    this.intervalMs = intervalMs;
  }

  /** Units of this rate that one MAIL costs. */
  unitsOf(cost: TransactionCost): number {
    if (this.name === 'recipientRate') return cost.recipients;
    return this.name === 'byteRate' ? cost.sizeBytes : 1;
  }

  get holding(): boolean {
    return this.bucket.capacity > 0;
  }

  get once(): boolean {
    return this.#once;
  }

  get whole(): boolean {
    return this.bucket.capacity >= this.#burst - ROUNDING;
  }

  get quiet(): boolean {
    return this.line.size === 0 && this.reserved <= ROUNDING;
  }

  /** The common case, first: nobody waits and the tokens are here. */
  hasAtOnce(units: number, nowMs: number): boolean {
    return this.#calm && this.bucket.refresh(nowMs) + ROUNDING >= units;
  }

  /** Whether a cost may be spent from what is held, now or after a while. */
  covers(units: number): boolean {
    if (!this.holding) return false;
    return units <= this.bucket.capacity + ROUNDING || (this.whole && units <= this.#largestCost + ROUNDING);
  }

  /** Tokens that must be there before `units` may be spent: a cost above the capacity needs a full bucket. */
  needed(units: number): number {
    return Math.min(units, this.bucket.capacity);
  }

  /** Tokens that are nobody's but this waiter's. */
  availableTo(registration: Registration | undefined, nowMs: number): number {
    const own = registration === undefined ? 0 : (registration.reserved.get(this) ?? 0);
    return this.bucket.refresh(nowMs) - Math.max(0, this.reserved - own);
  }

  spend(units: number): void {
    this.bucket.level -= units;
    this.spentUnits += units;
  }

  add(lease: AllocatorEffect & { readonly type: 'lease' }, nowMs: number): void {
    const { bucket } = this;
    bucket.refresh(nowMs);
    bucket.atMs = Math.max(bucket.atMs, nowMs);
    bucket.ratePerMs += lease.ratePerMs;
    bucket.capacity += lease.capacity;
    bucket.level += lease.level;
    this.#burst = lease.burst;
    this.#largestCost = lease.largestCost;
    this.#once = lease.once;
    this.recall = undefined;
    this.settle();
  }

  /**
   * Cuts what is held down to a target; returns what comes off, or `undefined` if nothing does. Tokens that are kept for a waiter stay until
   * it has spent or left them: else several pods could take them from each other's waiters in turn.
   */
  cut(toRatePerMs: number, toCapacity: number, nowMs: number): LeasePart | undefined {
    const level = this.bucket.refresh(nowMs);
    const capacity = Math.max(toCapacity, Math.min(this.reserved, this.bucket.capacity));
    return this.#cut(toRatePerMs, capacity, Math.min(level, this.reserved));
  }

  /** Everything comes off, whoever waits. */
  cutAll(nowMs: number): LeasePart | undefined {
    this.bucket.refresh(nowMs);
    return this.#cut(0, 0, 0);
  }

  #cut(toRatePerMs: number, toCapacity: number, leastLevel: number): LeasePart | undefined {
    const { bucket } = this;
    const ratePerMs = Math.max(0, bucket.ratePerMs - toRatePerMs);
    const capacity = Math.max(0, bucket.capacity - toCapacity);
    if (ratePerMs === 0 && capacity === 0) return undefined;
    let level = 0;
    if (toCapacity <= 0) level = bucket.level;
    else if (capacity > 0)
      level = bucket.level - Math.max((bucket.level * toCapacity) / bucket.capacity, leastLevel);
    bucket.ratePerMs -= ratePerMs;
    bucket.capacity -= capacity;
    bucket.level -= level;
    this.settle();
    return { ratePerMs, capacity, level };
  }

  setBurst(burst: number): void {
    this.#burst = burst;
  }

  view(nowMs: number): HeldView['rates'][number] {
    const level = this.bucket.refresh(nowMs);
    const { ratePerMs, capacity } = this.bucket;
    const turnInMs = Math.max(0, (this.turnAtMs ?? Number.POSITIVE_INFINITY) - nowMs);
    const turn = turnInMs === Number.POSITIVE_INFINITY ? {} : { turnInMs };
    return { rate: this.name, ratePerMs, capacity, level, waiting: this.lineUnits, ...turn };
  }

  /** After any change of line, reservations or lease. */
  settle(): void {
    this.#calm = this.holding && !this.#once && this.quiet;
  }
}
