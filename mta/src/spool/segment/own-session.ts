/** A session is renewed this often, milliseconds. */
export const RENEW_EVERY_MS = 4_000;
/** While another session is suspected to be dead: each renewal that comes back proves that the watch is not behind. */
export const RENEW_WHILE_SUSPECTING_MS = 1_000;
/** So long after the last renewal that was acknowledged was sent, nothing new is started … */
export const START_NOTHING_AFTER_MS = 15_000;
/** … and so long after it all sockets are destroyed: the session is over for good. */
export const DESTROY_SOCKETS_AFTER_MS = 18_000;
/** The clock on the wall and the monotonic one may drift apart by so much between two renewals: a machine that slept shows more. */
export const MAX_CLOCK_DIVERGENCE_MS = 3_000;

/** What a session may do. `over` is final: the process takes a new session and owns nothing. */
export type SessionStanding = 'valid' | 'paused' | 'over';

/** Both clocks of a machine, milliseconds. */
export interface Clocks {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/**
 * The own session: how long this process may believe that the others see it alive. It counts from the moment at which the last
 * acknowledged renewal was *sent*, so it always ends before anybody can have seen it silent for 20 s. Pure.
 *
 * Example: `session.renewed(sentAt); if (session.standing(now) === 'valid') start();`
 */
export class OwnSession {
  #last: Clocks;
  #over = false;

  constructor(now: Clocks) {
    this.#last = now;
  }

  /** A renewal was acknowledged. `sentAt`: the clocks before it was sent. */
  renewed(sentAt: Clocks, now: Clocks): void {
    // Too late is too late: others may have counted it out meanwhile.
    if (this.standing(now) === 'over') return;
    if (sentAt.monotonicMs > this.#last.monotonicMs) this.#last = sentAt;
  }

  standing(now: Clocks): SessionStanding {
    if (this.#over) return 'over';
    const sinceMs = now.monotonicMs - this.#last.monotonicMs;
    const divergenceMs = now.wallMs - this.#last.wallMs - sinceMs;
    if (sinceMs >= DESTROY_SOCKETS_AFTER_MS || Math.abs(divergenceMs) > MAX_CLOCK_DIVERGENCE_MS) {
      this.#over = true;
      return 'over';
    }
    return sinceMs >= START_NOTHING_AFTER_MS ? 'paused' : 'valid';
  }

  /** When it is over if no renewal is acknowledged any more, by the monotonic clock. */
  get overAtMs(): number {
    return this.#last.monotonicMs + DESTROY_SOCKETS_AFTER_MS;
  }

  /** When the standing changes next if no renewal is acknowledged, by the monotonic clock. */
  nextChangeAtMs(now: Clocks): number {
    const changes = [START_NOTHING_AFTER_MS, DESTROY_SOCKETS_AFTER_MS];
    const next = changes.find((afterMs) => this.#last.monotonicMs + afterMs > now.monotonicMs);
    return this.#last.monotonicMs + (next ?? DESTROY_SOCKETS_AFTER_MS);
  }
}
