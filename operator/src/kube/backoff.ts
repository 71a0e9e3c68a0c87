/** Grows from `minMs` to `maxMs`, doubling; jitter keeps many clients from coming back together. */
export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Delays between tries that fail one after the other.
 *
 * Example: `const backoff = new Backoff({ minMs: 800, maxMs: 30_000, random: Math.random }); backoff.next() // 800…1600`
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Failures since the last `reset`. */
  get failures(): number {
    return this.#failures;
  }

  /** The delay before the next try, milliseconds; between once and twice the step. */
  next(): number {
    const { minMs, maxMs, random } = this.#options;
    const step = Math.min(maxMs, minMs * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    return step * (1 + random());
  }

  reset(): void {
    this.#failures = 0;
  }
}
