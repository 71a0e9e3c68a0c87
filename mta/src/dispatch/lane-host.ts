import type { SessionFailure } from '../deliver/mod.ts';
import type { Entry, LaneId, UnitId } from '../queue/mod.ts';
import type { NoRoute } from '../route/mod.ts';
import type { Setback } from './attempts.ts';
import type { CarriedUnit } from './carried-unit.ts';
import type { CarryingSession } from './carrying-session.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { LaneDriver } from './lane-driver.ts';
import type { LaneSource } from './lane-source.ts';
import type { Consequence } from './reaction-desk.ts';

/** A failed connection that a message is to be charged with. */
export interface Blame {
  readonly source: LaneSource;
  readonly failure: SessionFailure | NoRoute;
  /** Only mail of this domain. */
  readonly domain: string | undefined;
  readonly consequence: Consequence | undefined;
}

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
   * The lane's first message, of the blamed domain if one is blamed, takes the blame for a failed connection. Resolves `false` when there was none.
   */
  failHead(lane: LaneId, blame: Blame): Promise<boolean>;
  schedulePump(lane: LaneDriver): void;
  /** Something was refused until a time, or waits for one: the timer must know. */
  armSoon(): void;
  /** Somebody waits for a slot of this key. */
  slotWanted(keyId: string): 'here' | 'elsewhere' | undefined;
  anySlotWanted(): boolean;
  /** Outcomes pile up: pump again when there is room. */
  waitForJournal(lane: LaneDriver): void;
}
