import type { Entry, UnitCounts } from './contract.ts';
import { eachEntry } from './entry-list.ts';
import type { EntryTable } from './entry-table.ts';
import type { Unit } from './unit.ts';

/** Walks the unit's lists and adds up what its entries say; `toMs` turns a tick into wall time. */
export function countUnit(table: EntryTable, unit: Unit, toMs: (tick: number) => number): UnitCounts {
  const { ready, waiting, taken, asleep } = unit;
  let oldestTick = Number.POSITIVE_INFINITY;
  let soonestTick = Number.POSITIVE_INFINITY;
  let recipients = 0;
  const visit = (entry: Entry): void => {
    oldestTick = Math.min(oldestTick, table.acceptedTick(entry));
    recipients += table.recipients(entry);
  };
  eachEntry(table, unit.readyHead, visit);
  eachEntry(table, unit.takenHead, visit);
  eachEntry(table, unit.waitingHead, (entry) => {
    visit(entry);
    soonestTick = Math.min(soonestTick, table.dueTick(entry));
  });
  return {
    ready: asleep ? 0 : ready,
    asleep: asleep ? ready : 0,
    waiting,
    taken,
    recipients,
    oldestAcceptedAtMs: oldestTick === Number.POSITIVE_INFINITY ? 0 : toMs(oldestTick),
    nextDueAtMs: soonestTick === Number.POSITIVE_INFINITY ? 0 : toMs(soonestTick),
  };
}
