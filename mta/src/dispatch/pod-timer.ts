import type { DispatchContext } from './dispatch-context.ts';

/** The longest delay that `setTimeout` knows. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The pod's one timer: rings for the next thing that time alone makes happen, in the queue or in the limits. */
export class PodTimer {
  readonly #context: DispatchContext;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Number.POSITIVE_INFINITY;
  #armScheduled = false;

  constructor(context: DispatchContext) {
    this.#context = context;
  }

  /** Sets the timer earlier if need be. To be called after every change that makes something due at a time. */
  arm(): void {
    const { queue, shaper, clock, draining } = this.#context;
    if (draining()) return;
    const atMs = Math.min(
      queue.nextAtMs() ?? Number.POSITIVE_INFINITY,
      shaper.nextWakeAtMs() ?? Number.POSITIVE_INFINITY,
    );
    // A timer that rings too early costs one look.
    if (atMs === this.#atMs || (this.#timer !== undefined && atMs > this.#atMs)) return;
    this.stop();
    this.#atMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(0, Math.ceil(atMs - clock.nowMs())), MAX_DELAY_MS);
    this.#timer = setTimeout(() => this.#ring(), delayMs);
  }

  /** {@link arm}, once for all changes of this turn of the event loop. */
  armSoon(): void {
    if (this.#armScheduled) return;
    this.#armScheduled = true;
    queueMicrotask(() => {
      this.#armScheduled = false;
      this.arm();
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#atMs = Number.POSITIVE_INFINITY;
  }

  #ring(): void {
    this.stop();
    const { queue, shaper, clock } = this.#context;
    const nowMs = clock.nowMs();
    queue.advance(nowMs);
    shaper.advance(nowMs);
    this.arm();
  }
}
