import type { LaneId } from '../queue/mod.ts';
import type { NoRoute, Route } from '../route/mod.ts';
import type { Reply } from '../spool/mod.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { SiteHealth } from './site-health.ts';
import { SitePause } from './site-pause.ts';

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
  readonly #pause: SitePause;
  #busy = false;
  #closed = false;
  lastReply: Reply | undefined;
  /** Wall time; 0 = there is none. */
  lastReplyAtMs = 0;

  constructor(lane: LaneId, domain: string, host: UnroutedHost) {
    this.lane = lane;
    this.domain = domain;
    this.#host = host;
    this.#pause = new SitePause(host.context.clock, () => host.schedulePump(this));
  }

  get health(): SiteHealth {
    return this.#pause.health;
  }

  get quiet(): boolean {
    return !this.#busy;
  }

  pump(): void {
    if (this.#busy || this.#stopped || this.#pause.paused) return;
    if (this.#host.context.queue.readyCount(this.lane) === 0) return;
    this.#busy = true;
    this.#resolve().catch((error) => {
      // A bug that the next look-up would meet at once.
      this.#pause.failed();
      this.#host.context.report.fault(error);
    });
  }

  close(): void {
    this.#closed = true;
    this.#pause.stop();
  }

  get #stopped(): boolean {
    return this.#closed || this.#host.context.draining();
  }

  async #resolve(): Promise<void> {
    try {
      const answer = await this.#host.context.router.resolve(this.domain);
      if (!this.#stopped) await this.#apply(answer);
    } finally {
      this.#busy = false;
      this.#host.schedulePump(this);
    }
  }

  async #apply(answer: Route | NoRoute): Promise<void> {
    if (answer.kind === 'route') {
      this.#pause.worked();
      this.#host.rerouteAll(this.lane);
      return;
    }
    this.lastReply = answer.reply;
    this.lastReplyAtMs = this.#host.context.clock.nowMs();
    const permanent = answer.kind === 'permanent';
    if (!permanent) this.#pause.failed();
    while ((await this.#host.failHeadUnrouted(this.lane, answer)) && permanent && !this.#stopped);
  }
}
