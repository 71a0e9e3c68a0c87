/** Status writes that may come together when pods come, go or find something: one for each resource of a large namespace. */
const BURST = 3_000;
/** And then so many a second: a pod that comes and goes all day costs the API server no more. */
const PER_SECOND = 5;

/**
 * How many statuses may be written because of what pods do; what users do has no such bound. Pure.
 *
 * Example: `if (budget.take(nowMs)) write(key)`
 */
export class WriteBudget {
  #left = BURST;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Takes one; `false` = there is none now. */
  take(nowMs: number): boolean {
    this.#left = Math.min(BURST, this.#left + ((nowMs - this.#atMs) / 1_000) * PER_SECOND);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
