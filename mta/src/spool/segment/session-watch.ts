import { RENEW_EVERY_MS, RENEW_WHILE_SUSPECTING_MS } from './own-session.ts';

/** A session that showed no new revision for so long is dead. Its process has destroyed its sockets two seconds before. */
export const DEAD_AFTER_MS = 20_000;
/** A session that is silent for so long is suspected: observers renew faster to know sooner. */
const SUSPECT_AFTER_MS = 8_000;
/** Every renewal goes to every observer: many pods renew no faster than this for each session that lives, so that one death floods nothing. */
const LEAST_GAP_PER_SESSION_MS = 10;
/** An own renewal that comes back later than this proves nothing: the bucket keeps {@link SESSION_HISTORY} revisions of a session, not all. */
const MAX_ECHO_DELAY_MS = 10_000;
/**
 * Revisions of each session that the bucket must keep, so that none is replaced before a watch that is behind has read it:
 * more than can be written in the longest delay, at one a second.
 */
export const SESSION_HISTORY = 64;
/** A dead session is remembered so long: what it wrote may name it later. */
const REMEMBER_DEAD_MS = 3_600_000;

/** What the watch tells of a session: the value of its key in the bucket of sessions. */
export interface SessionRevision {
  readonly session: string;
  /** Rises with every renewal of the session; a value seen before is no sign of life. */
  readonly renewals: number;
}

interface Observed {
  renewals: number;
  /** By the own clock, when this process read the last new revision. */
  seenAtMs: number;
  dead: boolean;
}

/**
 * Which sessions are dead, by observation alone: no clocks of two machines are compared, no server's time is trusted.
 *
 * What proves silence is the own renewal: when it comes back through the watch, everything stored before it was *sent* has been read.
 * So a session is dead when an own renewal, sent at least 20 s after the session's last revision was read, has come back. A watch that is
 * behind, a connection that is gone, a process that was stopped: none of them can make a living session look dead. A watch that begins
 * anew gives last values only, in no order that proves anything: renewals count that were sent after it gave them all. Pure.
 *
 * Example: `watch.revision({ session, renewals }, nowMs); watch.echo(sentAtMs, nowMs); if (watch.isDead(owner)) adopt();`
 */
export class SessionWatch {
  readonly #sessions = new Map<string, Observed>();
  #beganAtMs = Number.POSITIVE_INFINITY;
  /** All who live were seen since then; and the one who was silent for longest when it was looked last. */
  #seenSinceMs = Number.NEGATIVE_INFINITY;
  #quietest: Observed | undefined;

  /** The watch delivered a revision of another session. `true` = one that was not known to live. */
  revision({ session, renewals }: SessionRevision, nowMs: number): boolean {
    const observed = this.#sessions.get(session);
    if (observed === undefined) {
      this.#sessions.set(session, { renewals, seenAtMs: nowMs, dead: false });
      return true;
    }
    // Death is final: its segments may be taken already.
    if (observed.dead || renewals <= observed.renewals) return false;
    const expected = observed.renewals < 0;
    observed.renewals = renewals;
    observed.seenAtMs = nowMs;
    return expected;
  }

  /** A journal names a session: if it was never seen, it is watched from now on. */
  expect(session: string, nowMs: number): void {
    if (!this.#sessions.has(session))
      this.#sessions.set(session, { renewals: -1, seenAtMs: nowMs, dead: false });
  }

  /** The session said itself that it ends, or was this process's own: it has nothing open any more. It need not have been seen. */
  ended(session: string, nowMs: number): void {
    const observed = this.#sessions.get(session);
    if (observed !== undefined) observed.dead = true;
    else this.#sessions.set(session, { renewals: -1, seenAtMs: nowMs, dead: true });
  }

  /** The watch began, also after an interruption, and has given the last value of every session. */
  began(nowMs: number): void {
    this.#beganAtMs = nowMs;
  }

  /** The watch was interrupted: nothing is proven until it began again. */
  interrupted(): void {
    this.#beganAtMs = Number.POSITIVE_INFINITY;
  }

  /** An own renewal came back through the watch. Returns the sessions that are dead since. */
  echo(sentAtMs: number, nowMs: number): readonly string[] {
    if (sentAtMs < this.#beganAtMs || nowMs - sentAtMs > MAX_ECHO_DELAY_MS) return [];
    const died: string[] = [];
    for (const [session, observed] of this.#sessions) {
      const silentMs = sentAtMs - observed.seenAtMs;
      if (observed.dead && silentMs > REMEMBER_DEAD_MS) this.#sessions.delete(session);
      if (observed.dead || silentMs < DEAD_AFTER_MS) continue;
      observed.dead = true;
      died.push(session);
    }
    return died;
  }

  isDead(session: string): boolean {
    return this.#sessions.get(session)?.dead === true;
  }

  isLiving(session: string): boolean {
    const observed = this.#sessions.get(session);
    return observed !== undefined && !observed.dead && observed.renewals >= 0;
  }

  /** Sessions that live, as far as this process knows, without its own. */
  living(): readonly string[] {
    return [...this.#sessions]
      .filter(([, { dead, renewals }]) => !dead && renewals >= 0)
      .map(([session]) => session);
  }

  /** Somebody may be dead. */
  isSuspecting(nowMs: number): boolean {
    // Sessions are only ever seen later: all are looked at again when the quietest one may be suspected, and is not.
    if (nowMs - this.#seenSinceMs <= SUSPECT_AFTER_MS) return false;
    const quietest = this.#quietest;
    if (quietest !== undefined && !quietest.dead && nowMs - quietest.seenAtMs > SUSPECT_AFTER_MS) return true;
    this.#seenSinceMs = nowMs;
    this.#quietest = undefined;
    for (const observed of this.#sessions.values()) {
      if (observed.dead || observed.seenAtMs >= this.#seenSinceMs) continue;
      this.#seenSinceMs = observed.seenAtMs;
      this.#quietest = observed;
    }
    return nowMs - this.#seenSinceMs > SUSPECT_AFTER_MS;
  }

  /** The own session is renewed this often: faster while somebody may be dead, until it is certain. */
  renewEveryMs(nowMs: number): number {
    if (!this.isSuspecting(nowMs)) return RENEW_EVERY_MS;
    const gapMs = this.#sessions.size * LEAST_GAP_PER_SESSION_MS;
    return Math.min(RENEW_EVERY_MS, Math.max(RENEW_WHILE_SUSPECTING_MS, gapMs));
  }
}
