/** Resolution of the index's times, milliseconds: an entry is due up to this much late, never early. */
export const TICK_MS = 50;

/** Ticks are kept in 31 bits, which are small integers to the engine: 3.4 years. */
export const LAST_TICK = 2 ** 31 - 1;

/** Times that the index can tell apart before the first one it was given: older acceptance is rounded up to this, milliseconds. */
const REACH_BACK_MS = 100 * 86_400_000;

/** Wall time ↔ ticks since a start that the first call fixes; so a time costs an entry four bytes. */
export class Ticks {
  #startMs: number | undefined;

  /** The last tick at or before `ms`. */
  floor(ms: number): number {
    return clamp(Math.floor((ms - this.#start(ms)) / TICK_MS));
  }

  /** The first tick at or after `ms`. */
  ceil(ms: number): number {
    return clamp(Math.ceil((ms - this.#start(ms)) / TICK_MS));
  }

  toMs(tick: number): number {
    return this.#start(0) + tick * TICK_MS;
  }

  #start(ms: number): number {
    this.#startMs ??= Math.floor(ms) - REACH_BACK_MS;
    return this.#startMs;
  }
}

function clamp(tick: number): number {
  if (tick < 0) return 0;
  return Math.min(tick, LAST_TICK);
}
