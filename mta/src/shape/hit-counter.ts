/** Keys that are counted at once; beyond it the one that was hit longest ago is forgotten. */
export const MAX_COUNTED_KEYS = 10_000;

/** Times that are kept per key: up to this count every hit is dated exactly. */
const MAX_DATES = 64;

/** So many hits within so much time. */
export interface HitTrigger {
  readonly count: number;
  readonly withinMs: number;
}

export interface HitCounterOptions {
  /** Default {@link MAX_COUNTED_KEYS}. */
  readonly maxKeys?: number;
  /** Hits this long after a trigger went off are not counted: they speak of what was on its way before it was obeyed. Default 0. */
  readonly settleMs?: number;
}

/** Hits that share one date, in the order of time. */
interface DatedHits {
  readonly atMs: number;
  hits: number;
}

interface Window {
  readonly dates: DatedHits[];
  quietUntilMs: number;
}

/**
 * Counts hits of reactions within a sliding time. Pure: the time is passed in. Memory is bounded: {@link MAX_DATES} dates for each of
 * at most `maxKeys` keys. Above that count hits that come within a 64th of the time share the date of the first of them, so some leave
 * the window up to that much early.
 */
export class HitCounter {
  readonly #maxKeys: number;
  readonly #settleMs: number;
  /** In the order of the last hit. */
  readonly #windows = new Map<string, Window>();

  constructor({ maxKeys = MAX_COUNTED_KEYS, settleMs = 0 }: HitCounterOptions = {}) {
    this.#maxKeys = maxKeys;
    this.#settleMs = settleMs;
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#windows.size;
  }

  /**
   * Counts one hit and says whether the trigger goes off. Then it begins anew.
   *
   * Example: with `{ count: 2, withinMs: 3_600_000 }` hits at 0, 10 and 20 minutes → `false`, `true`, `false`
   *
   * @param key reaction and the values of the trigger's `per`
   * @param atMs when it came; pods report late and in any order
   */
  hit(key: string, { count, withinMs }: HitTrigger, atMs: number): boolean {
    const window = this.#windows.get(key) ?? { dates: [], quietUntilMs: Number.NEGATIVE_INFINITY };
    const { dates } = window;
    this.#windows.delete(key);
    if (atMs >= window.quietUntilMs) {
      addHit(dates, atMs, count > MAX_DATES ? withinMs / MAX_DATES : 0);
      const newestMs = dates.at(-1)?.atMs ?? atMs;
      const firstValid = dates.findIndex((each) => each.atMs > newestMs - withinMs);
      dates.splice(0, firstValid);
      if (dates.reduce((sum, { hits }) => sum + hits, 0) >= count) {
        if (this.#settleMs > 0) this.#keep(key, { dates: [], quietUntilMs: atMs + this.#settleMs });
        return true;
      }
    }
    this.#keep(key, window);
    return false;
  }

  #keep(key: string, window: Window): void {
    this.#windows.set(key, window);
    if (this.#windows.size <= this.#maxKeys) return;
    for (const oldest of this.#windows.keys()) {
      this.#windows.delete(oldest);
      return;
    }
  }
}

function addHit(dates: DatedHits[], atMs: number, sharedMs: number): void {
  const last = dates.at(-1);
  if (sharedMs > 0 && last !== undefined && atMs - last.atMs < sharedMs) {
    last.hits++;
    return;
  }
  let index = dates.length;
  while (index > 0 && (dates[index - 1]?.atMs ?? 0) > atMs) index--;
  dates.splice(index, 0, { atMs, hits: 1 });
}
