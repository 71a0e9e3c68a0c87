import { type Clocks, OwnSession, SessionWatch } from '../../spool/mod.ts';
import type { PodSessions } from './pod-sessions.ts';

/** A renewal that was not answered for this long is followed by another one. */
export const RENEWAL_TIMEOUT_MS = 2_000;

/** At most one renewal in this time, whoever asks for one. */
const LEAST_RENEWAL_GAP_MS = 200;

/** What is stored for a session, under its id. */
export interface Renewal {
  readonly session: string;
  readonly renewals: number;
}

export interface SessionKeeperOptions {
  /** Unique for ever. */
  readonly newId: () => string;
  /** The monotonic one is the clock of the shaper. */
  readonly clocks: () => Clocks;
}

/**
 * The session of this pod, and what it knows of those of others. Pure: it says what to store, and is told what was stored.
 *
 * Example: `const renewal = keeper.due(nowMs); if (renewal) put(renewal).then(() => keeper.acknowledged(renewal))`
 */
export class SessionKeeper implements PodSessions {
  readonly #options: SessionKeeperOptions;
  readonly #watch = new SessionWatch();
  readonly #past = new Set<string>();
  #id: string;
  #own: OwnSession | undefined;
  #living: readonly string[] | undefined;
  changes = 0;
  #renewals = 0;
  /** When renewals were sent that have not come back through the watch. */
  readonly #sent = new Map<number, Clocks>();
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #answered = true;
  #soon = true;
  #readUntilMs = Number.NEGATIVE_INFINITY;
  #beganAtMs = Number.POSITIVE_INFINITY;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
    this.#id = options.newId();
  }

  get id(): string {
    return this.#id;
  }

  validUntilMs(): number {
    const own = this.#own;
    if (own === undefined) return Number.NEGATIVE_INFINITY;
    const now = this.#options.clocks();
    return own.standing(now) === 'valid' ? own.nextChangeAtMs(now) : Number.NEGATIVE_INFINITY;
  }

  /** Everything that this session has open must be closed now; then {@link replace} begins another one. */
  isOver(): boolean {
    return this.#own?.standing(this.#options.clocks()) === 'over';
  }

  /** When the standing changes if nothing is acknowledged any more; Infinity = there is none yet. */
  standingChangesAtMs(): number {
    return this.#own?.nextChangeAtMs(this.#options.clocks()) ?? Number.POSITIVE_INFINITY;
  }

  /** Others may count this session out after this time, at the earliest two seconds later. */
  overAtMs(): number {
    return this.#own === undefined ? Number.NEGATIVE_INFINITY : this.#own.overAtMs;
  }

  /** A new session, after everything of the old one is closed. */
  replace(): void {
    this.#past.add(this.#id);
    this.#id = this.#options.newId();
    this.#own = undefined;
    this.#renewals = 0;
    this.#sent.clear();
    this.#soon = true;
    this.#livingChanged();
  }

  living(): readonly string[] {
    if (this.#living !== undefined) return this.#living;
    const others = this.#watch.living().filter((session) => session !== this.#id && !this.#past.has(session));
    this.#living = [...others, this.#id];
    return this.#living;
  }

  isLiving(session: string): boolean {
    return session === this.#id || (!this.#past.has(session) && this.#watch.isLiving(session));
  }

  isDead(session: string): boolean {
    return this.#past.has(session) || (session !== this.#id && this.#watch.isDead(session));
  }

  expect(session: string, nowMs: number): void {
    if (session !== this.#id && !this.#past.has(session)) this.#watch.expect(session, nowMs);
  }

  readUntilMs(): number {
    return this.#readUntilMs;
  }

  renewSoon(): void {
    this.#soon = true;
  }

  nextAtMs(nowMs: number): number {
    if (!this.#answered) return this.#sentAtMs + RENEWAL_TIMEOUT_MS;
    if (this.#soon) return this.#sentAtMs + LEAST_RENEWAL_GAP_MS;
    return this.#sentAtMs + this.#watch.renewEveryMs(nowMs);
  }

  /** What to store now. */
  due(nowMs: number): Renewal | undefined {
    if (nowMs < this.nextAtMs(nowMs) || this.isOver()) return undefined;
    this.#soon = false;
    this.#answered = false;
    this.#sentAtMs = nowMs;
    const renewals = ++this.#renewals;
    this.#sent.set(renewals, this.#options.clocks());
    return { session: this.#id, renewals };
  }

  /** It is stored. */
  acknowledged({ session, renewals }: Renewal): void {
    if (session !== this.#id) return;
    if (renewals === this.#renewals) this.#answered = true;
    const sentAt = this.#sent.get(renewals);
    if (sentAt === undefined) return;
    this.#own ??= new OwnSession(sentAt);
    this.#own.renewed(sentAt, this.#options.clocks());
  }

  /** The watch of the store began, also after an interruption, and has given every session as it stands. */
  began(nowMs: number): void {
    this.#beganAtMs = nowMs;
    this.#watch.began(nowMs);
  }

  /** The watch was interrupted: nothing is proven until it {@link began} again. */
  interrupted(): void {
    this.#beganAtMs = Number.POSITIVE_INFINITY;
    this.#watch.interrupted();
  }

  /** The watch of the store has told. Returns sessions that are dead since. */
  observed({ session, renewals }: Renewal, nowMs: number): readonly string[] {
    if (session !== this.#id) {
      if (this.#watch.revision({ session, renewals }, nowMs)) this.#livingChanged();
      return [];
    }
    // The watch may be faster than the answer.
    this.acknowledged({ session, renewals });
    const sentAt = this.#sent.get(renewals);
    if (sentAt === undefined) return [];
    for (const each of this.#sent.keys()) if (each <= renewals) this.#sent.delete(each);
    if (sentAt.monotonicMs >= this.#beganAtMs)
      this.#readUntilMs = Math.max(this.#readUntilMs, sentAt.monotonicMs);
    const died = this.#watch.echo(sentAt.monotonicMs, nowMs);
    if (died.length > 0) this.#livingChanged();
    return died;
  }

  /** A session said that it is at its end: it has nothing open any more. */
  ended(session: string, nowMs: number): void {
    this.#watch.ended(session, nowMs);
    this.#livingChanged();
  }

  #livingChanged(): void {
    this.#living = undefined;
    this.changes++;
  }
}
