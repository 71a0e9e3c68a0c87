import type { Deferral, Entry, LaneId } from '../queue/mod.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { HEALTHY } from './site-health.ts';

/** Pause of mail that no pool matches before the pools are asked again, milliseconds. */
export const ORPHAN_PAUSE_MS = 60_000;

export interface OrphanHost {
  readonly context: DispatchContext;
  schedulePump(lane: OrphanLane): void;
  /** Gives the entry the pool that matches now; `false` = none does. */
  repool(entry: Entry): Promise<boolean>;
}

/** Queued mail whose pool is not in the configuration any more: each message chooses again among the pools there are. */
export class OrphanLane {
  readonly lane: LaneId;
  readonly #host: OrphanHost;
  #busy = false;
  #closed = false;
  readonly health = HEALTHY;
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
  }

  get #stopped(): boolean {
    return this.#closed || this.#host.context.draining();
  }

  async #repoolReady(): Promise<void> {
    const { queue, clock } = this.#host.context;
    while (!this.#stopped) {
      const entry = queue.take(this.lane, undefined, clock.nowMs(), () => 'take');
      if (entry === undefined) return;
      let placed = false;
      try {
        placed = await this.#host.repool(entry);
      } finally {
        if (!placed) queue.defer(entry, this.#later(entry));
      }
    }
  }

  #later(entry: Entry): Deferral {
    const { queue, clock } = this.#host.context;
    return {
      dueAtMs: clock.nowMs() + ORPHAN_PAUSE_MS,
      attempts: queue.attempts(entry),
      preferredSource: '',
    };
  }
}
