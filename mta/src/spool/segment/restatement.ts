import type { JournalBatch, JournalRecord } from './journal-record.ts';
import type { Place } from './place.ts';
import type { SegmentState } from './segment-state.ts';

/**
 * What of an old batch still holds and must be said again before the batch is purged; `undefined` = it must stay for now, because it
 * retires a message of SPOOL that is not purged. The result must go into the next batch *before* newer records.
 */
export function restatement(
  state: SegmentState,
  sequence: number,
  batch: JournalBatch,
  spoolPurgedTo: number,
): readonly JournalRecord[] | undefined {
  const restated: JournalRecord[] = [];
  for (const record of batch.records) {
    if (retires(record) && record.place.store === 'spool' && record.place.sequence > spoolPurgedTo) return;
    // Said again, a deferral would end the wait for the former owner's outcome.
    if (record.kind === 'deferred' && state.facts(record)?.awaited === true) return;
    if (record.kind === 'released') restateHandover(state, batch.epoch, batch.session, restated);
    else if (record.kind === 'handover') restateHandover(state, record.epoch, record.session, restated);
    else if (record.kind === 'moved') restateMove(state, record, restated);
    else if ('group' in record) restateGroup(state, record, sequence, restated);
  }
  return restated;
}

function restateHandover(
  state: SegmentState,
  epoch: number,
  session: string,
  restated: JournalRecord[],
): void {
  const inflight = state.awaited(epoch).map(({ place, group }) => ({
    place: state.current(place) ?? place,
    group,
  }));
  if (inflight.length > 0) restated.push({ kind: 'handover', epoch, session, inflight });
}

function restateMove(
  state: SegmentState,
  record: Extract<JournalRecord, { kind: 'moved' }>,
  restated: JournalRecord[],
): void {
  const place: Place = { store: 'defer', sequence: record.toSequence, id: record.place.id };
  // Its former place is of no interest any more: a copy that names itself.
  if (state.isThere(place)) restated.push(state.completed({ ...record, place }));
}

function restateGroup(
  state: SegmentState,
  record: Extract<JournalRecord, { group: number }>,
  sequence: number,
  restated: JournalRecord[],
): void {
  const { group } = record;
  const place = state.current(record.place);
  const facts = state.facts(record);
  if (place === undefined || facts === undefined) return;
  if (record.kind === 'done') {
    if (facts.done) restated.push({ ...record, place });
    return;
  }
  if (record.kind === 'deferred') {
    if (facts.stateAt !== sequence >>> 0 || facts.done) return;
    restated.push({ ...record, place });
  }
  // A deferral said again ends an attempt: that a later one began is said after it.
  const { uncleanEnds } = facts;
  if (facts.inflight && !facts.awaited) restated.push({ kind: 'inflight', place, group, uncleanEnds });
  else if (uncleanEnds > 0) restated.push({ kind: 'suspected', place, group, uncleanEnds });
}

/** The record ends the need for the message at its place. */
function retires(
  record: JournalRecord,
): record is Extract<JournalRecord, { kind: 'done' | 'moved' | 'withdrawn' }> {
  return record.kind === 'done' || record.kind === 'moved' || record.kind === 'withdrawn';
}
