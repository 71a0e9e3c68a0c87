import type { SessionFailure } from '../deliver/mod.ts';
import type { Entry, LaneId, UnitId } from '../queue/mod.ts';
import type { NoRoute } from '../route/mod.ts';
import type { Setback } from './attempts.ts';
import type { CarriedUnit } from './carried-unit.ts';
import type { CarryingSession } from './carrying-session.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { LaneDriver } from './lane-driver.ts';
import type { LaneSource } from './lane-source.ts';

/** What a lane asks of the dispatcher. */
export interface LaneHost {
  readonly context: DispatchContext;
  /** The unit's destination and limits while its route is fresh and leads to this lane; otherwise the unit was put to sleep. */
  carriedUnit(unit: UnitId, lane: LaneId): CarriedUnit | undefined;
  /** Sends one entry; resolves when it is settled, with what went wrong, if something did. */
  attempt(session: CarryingSession, unit: CarriedUnit, entry: Entry): Promise<Setback | undefined>;
  /** The attempt ended in an exception, a bug: the entry is tried again later, never lost and never at once. */
  rescue(entry: Entry): void;
  /**
   * The lane's first message, of the given domain if one is given, takes the blame for a failed connection. Resolves `false` when there was none.
   */
  failHead(
    lane: LaneId,
    source: LaneSource,
    failure: SessionFailure | NoRoute,
    domain: string | undefined,
  ): Promise<boolean>;
  schedulePump(lane: LaneDriver): void;
  /** Something was refused until a time, or waits for one: the timer must know. */
  armSoon(): void;
  /** Somebody waits for a slot of this key. */
  slotWanted(keyId: string): boolean;
  anySlotWanted(): boolean;
  /** Outcomes pile up: pump again when there is room. */
  waitForJournal(lane: LaneDriver): void;
}
