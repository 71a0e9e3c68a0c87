import type { Clock } from './clock.ts';
import { HEALTHY, mayConnect, type SiteHealth, siteFailed } from './site-health.ts';

/** The health of a lane's site with the timer that ends its pause. */
export class SitePause {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #health: SiteHealth = HEALTHY;
  #answers = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  get health(): SiteHealth {
    return this.#health;
  }

  get paused(): boolean {
    return !mayConnect(this.#health, this.#clock.nowMs());
  }

  /** Connections may be opened for all that is ready; otherwise one at a time finds out whether the site takes mail. */
  get answers(): boolean {
    return this.#answers;
  }

  /** A host let a session open. After a failure that is not enough: some hosts greet and then refuse every message. */
  greeted(): void {
    if (this.#health === HEALTHY) this.#answers = true;
  }

  /** The site failed once more: a pause, each time longer. */
  failed(): void {
    this.#answers = false;
    this.#health = siteFailed(this.#health, this.#clock.nowMs());
    this.#arm();
  }

  /** The site works. */
  worked(): void {
    this.#answers = true;
    this.#health = HEALTHY;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** A timer may ring a moment before the clock says so; a lane that took this for "still paused" would wait for ever. */
  #arm(): void {
    clearTimeout(this.#timer);
    const leftMs = Math.ceil(this.#health.pausedUntilMs - this.#clock.nowMs());
    this.#timer = setTimeout(() => (this.paused ? this.#arm() : this.#onOver()), Math.max(1, leftMs));
    this.#timer.unref();
  }
}
