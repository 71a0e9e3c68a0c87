/** Buckets kept before neighbours are merged: the earliest time is known to about a fiftieth of the whole spread. */
export const MAX_BUCKETS = 64;
/** Times closer than this share a bucket, ticks (one second). */
const BUCKET_TICKS = 20;

const START = 0;
const END = 1;
const COUNT = 2;
const WIDTH = 3;

/**
 * Which times a changing set holds, kept coarse: tells the earliest at any moment without a sorted copy of the set.
 * Buckets of [first, last] ticks with a count, ascending, disjoint. A new time opens a bucket or falls into one; when there
 * are too many, the two neighbours that span least become one.
 */
export class TimeSpread {
  /** start, end, count of each bucket. */
  #buckets: number[] = [];

  /** At or before the earliest tick in the set; `undefined` = the set is empty. */
  get earliest(): number | undefined {
    return this.#buckets[START];
  }

  /** At most {@link MAX_BUCKETS}, however much is queued. */
  get bucketCount(): number {
    return this.#buckets.length / WIDTH;
  }

  add(tick: number): void {
    const buckets = this.#buckets;
    if (buckets.length === 0) {
      // A literal is as long as it must be; an array that grows from nothing has room for 17, and most lanes hold one message.
      this.#buckets = [tick, tick, 1];
      return;
    }
    const at = this.#lastStartingBy(tick);
    if (at >= 0 && tick <= Math.max(buckets[at + END]!, this.#reach(at))) {
      buckets[at + COUNT]!++;
      if (tick > buckets[at + END]!) buckets[at + END] = tick;
      return;
    }
    if (at === buckets.length - WIDTH) buckets.push(tick, tick, 1);
    else buckets.splice(at + WIDTH, 0, tick, tick, 1);
    if (buckets.length > MAX_BUCKETS * WIDTH) this.#mergeClosest();
  }

  /** Takes out a tick that was added before. */
  delete(tick: number): void {
    const buckets = this.#buckets;
    const at = this.#lastStartingBy(tick);
    if (--buckets[at + COUNT]! === 0) buckets.splice(at, WIDTH);
  }

  /** How far a bucket may grow to the right: its width, but not into its neighbour. */
  #reach(at: number): number {
    const widest = this.#buckets[at + START]! + BUCKET_TICKS - 1;
    const next = this.#buckets[at + WIDTH + START];
    return next === undefined ? widest : Math.min(widest, next - 1);
  }

  #lastStartingBy(tick: number): number {
    const buckets = this.#buckets;
    const last = buckets.length - WIDTH;
    if (last < 0 || buckets[last]! <= tick) return last;
    let low = 0;
    let high = last / WIDTH;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (buckets[middle * WIDTH]! <= tick) low = middle + 1;
      else high = middle;
    }
    return (low - 1) * WIDTH;
  }

  #mergeClosest(): void {
    const buckets = this.#buckets;
    let closest = 0;
    let span = Number.POSITIVE_INFINITY;
    for (let at = 0; at + WIDTH < buckets.length; at += WIDTH) {
      const together = buckets[at + WIDTH + END]! - buckets[at + START]!;
      if (together < span) {
        span = together;
        closest = at;
      }
    }
    buckets[closest + COUNT]! += buckets[closest + WIDTH + COUNT]!;
    buckets[closest + END] = buckets[closest + WIDTH + END]!;
    buckets.splice(closest + WIDTH, WIDTH);
  }
}
