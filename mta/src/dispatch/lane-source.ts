import type { SourceConfig } from '@sluice/crds';
import type { Waiter } from '../shape/mod.ts';

/** One source of a lane: what it waits for. */
export class LaneSource {
  readonly source: SourceConfig;
  /** A slot or connection rate is missing; cleared by the shaper's wake-up. */
  connectionBlocked = false;
  /** A rate that touches the whole lane is missing; cleared by the shaper's wake-up. */
  tokensBlocked = false;
  /** Its own address cannot be used for now. */
  broken = false;
  /** Open sessions and connections under way. */
  connections = 0;
  readonly connectionWaiter: Waiter;
  readonly tokenWaiter: Waiter;

  constructor(source: SourceConfig, oldestSinceMs: () => number, pump: () => void) {
    this.source = source;
    const waiter = (unblock: () => void): Waiter => ({
      priority: 0,
      get since() {
        return oldestSinceMs();
      },
      wake: () => {
        unblock();
        pump();
      },
    });
    this.connectionWaiter = waiter(() => {
      this.connectionBlocked = false;
    });
    this.tokenWaiter = waiter(() => {
      this.tokensBlocked = false;
    });
  }
}
