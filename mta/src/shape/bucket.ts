/** Tokens by which rounding may be off; far below one recipient, far above the error of doubles. */
export const ROUNDING = 1e-6;

/**
 * A token bucket: the schedule of the generic cell rate algorithm (GCRA, ITU-T I.371) with a tolerance of `capacity` units.
 *
 * GCRA keeps one time, the theoretical arrival of the next unit. We keep the level and the time at which it was right, because a bucket here is
 * a share of a rate that moves between clients: what moves is (rate, capacity, level), and as long as levels are moved and never made, the
 * sum over all clients stays one bucket. Nothing ticks: the level is brought up to date when it is looked at. Times are float milliseconds.
 */
export class Bucket {
  ratePerMs: number;
  capacity: number;
  /** Tokens at `atMs`; below zero after a cost larger than the capacity. */
  level: number;
  atMs: number;

  constructor(ratePerMs: number, capacity: number, level: number, nowMs: number) {
    this.ratePerMs = ratePerMs;
    this.capacity = capacity;
    this.level = level;
    this.atMs = nowMs;
  }

  /** Brings the level up to date and returns it. A clock that went back adds nothing. */
  refresh(nowMs: number): number {
    if (nowMs > this.atMs) {
      const level = this.level + (nowMs - this.atMs) * this.ratePerMs;
      this.level = Math.min(level, this.capacity);
      this.atMs = nowMs;
    }
    return this.level;
  }

  /** Milliseconds until the level is `units`, counted from the last `refresh`; Infinity = never. */
  waitMs(units: number): number {
    const missing = units - this.level;
    if (missing <= ROUNDING) return 0;
    if (units > this.capacity + ROUNDING || this.ratePerMs <= 0) return Number.POSITIVE_INFINITY;
    return missing / this.ratePerMs;
  }

  get full(): boolean {
    return this.level >= this.capacity - ROUNDING;
  }
}
