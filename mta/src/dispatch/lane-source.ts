import type { SourceConfig } from '@sluice/crds';
import type { Shaper, Waiter } from '../shape/mod.ts';

/** First rest of a source that a site refused, milliseconds; doubles up to {@link MAX_SOURCE_REST_MS}. Longer than a site's first pause: another source probes first. */
export const FIRST_SOURCE_REST_MS = 30_000;
export const MAX_SOURCE_REST_MS = 15 * 60_000;

/** What a source asks of its lane. */
export interface LaneSourceHost {
  readonly shaper: Shaper;
  /** Acceptance of the lane's oldest ready mail. */
  oldestSinceMs(): number;
  /** Something that blocked the source is over. */
  pump(): void;
  /** Wall time. */
  nowMs(): number;
  /** A directive says that nothing of this lane leaves from the source for now. */
  suspends(source: SourceConfig): boolean;
}

/** One source of a lane: what it waits for. */
export class LaneSource {
  readonly source: SourceConfig;
  /** A slot or connection rate is missing; cleared by the shaper's wake-up. */
  connectionBlocked = false;
  /** Key of the slot or rate that {@link connectionWaiter} waits for while {@link connectionBlocked}. */
  waitsFor = '';
  /** A rate that touches the whole lane is missing; cleared by the shaper's wake-up. */
  tokensBlocked = false;
  /** Opens no connection for now: it cannot, or the site does not want it. */
  resting = false;
  /** Wall time at which it may open connections again; in the past = it does not rest. */
  restsUntilMs = 0;
  /** Open sessions and connections under way. */
  connections = 0;
  readonly connectionWaiter: Waiter;
  readonly tokenWaiter: Waiter;
  readonly #host: LaneSourceHost;
  #refusals = 0;
  #restTimer: NodeJS.Timeout | undefined;
  /** Waiters for slots of single hosts: one for each connection that waits, because a waiter waits for one thing only. */
  readonly #hostWaiters = new Set<Waiter>();
  /** Those that were woken: something is kept for them, so they go first. */
  readonly #wokenHostWaiters: Waiter[] = [];
  /** Those in a line for which no connection is under way: the next one takes their place instead of standing behind them. */
  readonly #standingHostWaiters = new Set<Waiter>();

  constructor(source: SourceConfig, host: LaneSourceHost) {
    this.source = source;
    this.#host = host;
    this.connectionWaiter = this.#waiter(() => {
      this.connectionBlocked = false;
    });
    this.tokenWaiter = this.#waiter(() => {
      this.tokensBlocked = false;
    });
  }

  /** Carries mail of the lane, or could begin to now. */
  get usable(): boolean {
    if (this.source.state !== 'Active' || this.tokensBlocked || this.suspended) return false;
    return this.connections > 0 || !(this.connectionBlocked || this.resting);
  }

  get suspended(): boolean {
    return this.#host.suspends(this.source);
  }

  /** Opens no connection for so long. */
  rest(forMs: number): void {
    this.resting = true;
    this.restsUntilMs = this.#host.nowMs() + forMs;
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => {
      this.resting = false;
      this.#host.pump();
    }, forMs);
    this.#restTimer.unref();
  }

  /** The site refused this source once more: it rests, each time longer. */
  restLonger(): void {
    this.rest(Math.min(FIRST_SOURCE_REST_MS * 2 ** this.#refusals++, MAX_SOURCE_REST_MS));
  }

  /** The site took mail from it. */
  welcomed(): void {
    this.#refusals = 0;
  }

  /** For the slots of a host, which are asked for when the lane's are held already. */
  takeHostWaiter(): Waiter {
    const woken = this.#wokenHostWaiters.pop();
    if (woken !== undefined) return woken;
    const [standing] = this.#standingHostWaiters;
    if (standing !== undefined) {
      this.#standingHostWaiters.delete(standing);
      return standing;
    }
    const waiter = this.#waiter(() => {
      this.connectionBlocked = false;
      this.#standingHostWaiters.delete(waiter);
      this.#wokenHostWaiters.push(waiter);
    });
    this.#hostWaiters.add(waiter);
    return waiter;
  }

  /**
   * The connection that it was taken for is given up until a host has room. The source does not wait for the lane's slots meanwhile: it would be
   * given those that it gives back now, and come round to the same hosts for ever.
   */
  keepHostWaiter(waiter: Waiter | undefined): void {
    this.#host.shaper.cancel(this.connectionWaiter);
    if (waiter === undefined || !this.#hostWaiters.has(waiter)) return;
    if (!this.#wokenHostWaiters.includes(waiter)) this.#standingHostWaiters.add(waiter);
  }

  /** The connection that it was taken for waits no longer. */
  dropHostWaiter(waiter: Waiter): void {
    this.#host.shaper.cancel(waiter);
    this.#hostWaiters.delete(waiter);
    this.#standingHostWaiters.delete(waiter);
    this.connectionBlocked = false;
  }

  /** Nothing to send, or other limits: others shall have what this source waited for. */
  stopWaiting(): void {
    const { shaper } = this.#host;
    if (this.connectionBlocked) shaper.cancel(this.connectionWaiter);
    if (this.tokensBlocked) shaper.cancel(this.tokenWaiter);
    for (const waiter of this.#hostWaiters) shaper.cancel(waiter);
    this.#hostWaiters.clear();
    this.#wokenHostWaiters.length = 0;
    this.#standingHostWaiters.clear();
    this.connectionBlocked = false;
    this.tokensBlocked = false;
  }

  close(): void {
    this.stopWaiting();
    clearTimeout(this.#restTimer);
  }

  #waiter(unblock: () => void): Waiter {
    const host = this.#host;
    return {
      priority: 0,
      get since() {
        return host.oldestSinceMs();
      },
      wake: () => {
        unblock();
        host.pump();
      },
    };
  }
}
