import type { ReactionTrigger } from '@sluice/crds';

/** Keys that are counted at once; beyond it the one that was hit longest ago is forgotten. */
export const MAX_COUNTED_KEYS = 10_000;

/** Times that are kept per key: up to this count every hit is dated exactly. */
const MAX_DATES = 64;

export interface HitCounterOptions {
  /** Default {@link MAX_COUNTED_KEYS}. */
  readonly maxKeys?: number;
}

/** Hits that share one date, in the order of time. */
interface DatedHits {
  readonly atMs: number;
  hits: number;
}

/**
 * Counts hits of reactions within a sliding time. Pure: the time is passed in. Memory is bounded: {@link MAX_DATES} dates for each of
 * at most `maxKeys` keys. Above that count hits that come within a 64th of the time share the date of the first of them, so some leave
 * the window up to that much early.
 */
export class HitCounter {
  readonly #maxKeys: number;
  /** In the order of the last hit. */
  readonly #windows = new Map<string, DatedHits[]>();

  constructor({ maxKeys = MAX_COUNTED_KEYS }: HitCounterOptions = {}) {
    this.#maxKeys = maxKeys;
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#windows.size;
  }

  /**
   * Counts one hit and says whether the trigger goes off. Then it begins anew: the replies to what was already on its way when a
   * rate was cut must not cut it again and again.
   *
   * Example: with `{ count: 2, withinMs: 3_600_000 }` hits at 0, 10 and 20 minutes → `false`, `true`, `false`
   *
   * @param key reaction and the values of the trigger's `per`
   * @param nowMs never less than before
   */
  hit(key: string, trigger: Pick<ReactionTrigger, 'count' | 'withinMs'>, nowMs: number): boolean {
    const { count, withinMs } = trigger;
    const window = this.#windows.get(key) ?? [];
    this.#windows.delete(key);
    const firstValid = window.findIndex(({ atMs }) => atMs > nowMs - withinMs);
    window.splice(0, firstValid < 0 ? window.length : firstValid);
    addHit(window, nowMs, count > MAX_DATES ? withinMs / MAX_DATES : 0);
    if (window.reduce((sum, { hits }) => sum + hits, 0) >= count) return true;
    this.#windows.set(key, window);
    this.#forgetOldest();
    return false;
  }

  #forgetOldest(): void {
    if (this.#windows.size <= this.#maxKeys) return;
    for (const key of this.#windows.keys()) {
      this.#windows.delete(key);
      return;
    }
  }
}

function addHit(window: DatedHits[], nowMs: number, sharedMs: number): void {
  const last = window.at(-1);
  if (last !== undefined && nowMs - last.atMs < sharedMs) last.hits++;
  else window.push({ atMs: nowMs, hits: 1 });
}
