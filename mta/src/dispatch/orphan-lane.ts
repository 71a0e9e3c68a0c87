import type { Entry, LaneId } from '../queue/mod.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { HEALTHY } from './site-health.ts';

/**
 * Pause of mail that no pool matches before the pools are asked again, milliseconds; a changed configuration asks at once. For
 * mail that becomes due meanwhile: the pools there are may match it.
 */
export const ORPHAN_PAUSE_MS = 60_000;

export interface OrphanHost {
  readonly context: DispatchContext;
  schedulePump(lane: OrphanLane): void;
  /** Moves the lane's units to where they belong now, and wakes them. */
  rerouteAll(lane: LaneId): void;
  /** Gives the entry the pool that matches now; `false` = none does. */
  repool(entry: Entry): Promise<boolean>;
}

/** Queued mail whose pool is not in the configuration any more: each message chooses again among the pools there are. */
export class OrphanLane {
  readonly lane: LaneId;
  readonly #host: OrphanHost;
  #busy = false;
  #closed = false;
  #pause: NodeJS.Timeout | undefined;
  readonly health = HEALTHY;
  /** The reply is Sluice's own and always true. */
  readonly lastReplyAtMs = 0;
  readonly lastReply = {
    code: 451,
    enhanced: '4.3.5',
    text: 'no egress pool matches this message',
    host: '',
  };

  constructor(lane: LaneId, host: OrphanHost) {
    this.lane = lane;
    this.#host = host;
  }

  get quiet(): boolean {
    return !this.#busy;
  }

  pump(): void {
    if (this.#busy || this.#stopped || this.#host.context.queue.readyCount(this.lane) === 0) return;
    this.#busy = true;
    this.#repoolReady()
      .catch((error) => this.#host.context.report.fault(error))
      .finally(() => {
        this.#busy = false;
        this.#host.schedulePump(this);
      });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
  }

  get #stopped(): boolean {
    return this.#closed || this.#host.context.draining();
  }

  async #repoolReady(): Promise<void> {
    const { context } = this.#host;
    const { queue, clock } = context;
    const asked = context.generation();
    const homeless: Entry[] = [];
    try {
      while (!this.#stopped) {
        const entry = queue.take(this.lane, undefined, clock.nowMs(), () => 'take');
        if (entry === undefined) break;
        let placed = false;
        try {
          placed = await this.#host.repool(entry);
        } finally {
          if (!placed) homeless.push(entry);
        }
      }
    } finally {
      // Ready, in units that sleep: their time runs on, and the next configuration wakes them, as it wakes all that sleeps.
      for (const entry of homeless) queue.defer(entry, { dueAtMs: 0, attempts: queue.attempts(entry) });
      if (!this.#stopped && context.generation() === asked) this.#sleep();
    }
  }

  #sleep(): void {
    const { queue, clock } = this.#host.context;
    queue.take(this.lane, undefined, clock.nowMs(), () => 'sleep');
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      if (!this.#stopped) this.#host.rerouteAll(this.lane);
    }, ORPHAN_PAUSE_MS);
    this.#pause.unref();
  }
}
