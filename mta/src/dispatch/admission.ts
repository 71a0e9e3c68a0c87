import type { Entry } from '../queue/mod.ts';
import type { Refusal } from '../shape/mod.ts';
import type { CarriedUnit } from './carried-unit.ts';
import type { CarryingSession } from './carrying-session.ts';
import type { DispatchContext } from './dispatch-context.ts';

/** A limit said no. `laneWide` = to everything that the source could carry in this lane, not to one unit alone. */
export interface Withheld {
  readonly refusal: Refusal;
  readonly laneWide: boolean;
}

/**
 * Takes what the limits ask for one message on an open session: the slots of its unit, then the tokens of its transaction.
 * `undefined` = it may go. Otherwise nothing was spent, and the unit or the source is in line for what is missing.
 */
export function withheld(
  context: DispatchContext,
  session: CarryingSession,
  unit: CarriedUnit,
  entry: Entry,
  nowMs: number,
): Withheld | undefined {
  const { queue, shaper } = context;
  const { laneSource } = session;
  const keys = unit.keys(laneSource.source, session.target.host.name);
  unit.since = queue.acceptedAtMs(entry);
  const needed = session.needs(keys);
  if (!session.carries(needed)) {
    session.carry(undefined, shaper, nowMs);
    if (needed.keys.length > 0) {
      const slots = shaper.takeConnection(needed, unit, nowMs);
      if (!slots.granted) return { refusal: slots, laneWide: false };
      session.carry(slots, shaper, nowMs);
    }
  }
  if (keys.transaction.keys.length === 0) return undefined;
  const cost = costOf(context, unit, entry);
  const tokens = shaper.takeTransaction(keys.transaction, cost, laneSource.tokenWaiter, nowMs);
  if (tokens.granted) return undefined;
  if (keys.laneWide.has(tokens.key.id)) return { refusal: tokens, laneWide: true };
  shaper.cancel(laneSource.tokenWaiter);
  const unitTokens = shaper.takeTransaction(keys.transaction, cost, unit, nowMs);
  return unitTokens.granted ? undefined : { refusal: unitTokens, laneWide: false };
}

/** Of the next transaction: of a large group, or of one that is partly delivered, it carries a part. */
function costOf({ queue, partial }: DispatchContext, unit: CarriedUnit, entry: Entry) {
  const waiting =
    partial.untried(queue.sequence(entry), queue.group(entry))?.length ?? queue.recipients(entry);
  return {
    recipients: Math.min(waiting, unit.destination.policy.session.recipientsPerTransaction),
    sizeBytes: queue.sizeBytes(entry),
  };
}
