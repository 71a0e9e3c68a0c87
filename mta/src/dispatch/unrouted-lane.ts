import type { LaneId } from '../queue/mod.ts';
import type { NoRoute, Route } from '../route/mod.ts';
import type { Reply } from '../spool/mod.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { HEALTHY, type SiteHealth, siteFailed } from './site-health.ts';

/** What an unrouted lane asks of the dispatcher. */
export interface UnroutedHost {
  readonly context: DispatchContext;
  schedulePump(lane: UnroutedLane): void;
  /** Moves the lane's units to where their route leads now. */
  rerouteAll(lane: LaneId): void;
  /** Settles the lane's head entry; resolves `false` when there was none. */
  failHeadUnrouted(lane: LaneId, failure: NoRoute): Promise<boolean>;
}

/**
 * Mail for one domain whose route is not known: the look-up is under way, failed, or says that there is none.
 * A transient failure pauses the lane and charges one message with the attempt; a permanent one fails them all.
 */
export class UnroutedLane {
  readonly lane: LaneId;
  readonly domain: string;
  readonly #host: UnroutedHost;
  #busy = false;
  #health: SiteHealth = HEALTHY;
  #timer: NodeJS.Timeout | undefined;
  lastReply: Reply | undefined;

  constructor(lane: LaneId, domain: string, host: UnroutedHost) {
    this.lane = lane;
    this.domain = domain;
    this.#host = host;
  }

  get health(): SiteHealth {
    return this.#health;
  }

  get quiet(): boolean {
    return !this.#busy;
  }

  pump(): void {
    const { context } = this.#host;
    if (this.#busy || context.draining() || context.clock.nowMs() < this.#health.pausedUntilMs) return;
    if (context.queue.readyCount(this.lane) === 0) return;
    this.#busy = true;
    void this.#resolve();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  async #resolve(): Promise<void> {
    const { context } = this.#host;
    const answer: Route | NoRoute = await context.router.resolve(this.domain);
    if (answer.kind === 'route') {
      this.#health = HEALTHY;
      this.#host.rerouteAll(this.lane);
    } else {
      this.lastReply = answer.reply;
      if (answer.kind === 'permanent') {
        while (await this.#host.failHeadUnrouted(this.lane, answer));
      } else {
        await this.#host.failHeadUnrouted(this.lane, answer);
        this.#pause(context.clock.nowMs());
      }
    }
    this.#busy = false;
    this.#host.schedulePump(this);
  }

  #pause(nowMs: number): void {
    this.#health = siteFailed(this.#health, nowMs);
    this.#timer = setTimeout(() => this.#host.schedulePump(this), this.#health.pausedUntilMs - nowMs);
    this.#timer.unref();
  }
}
