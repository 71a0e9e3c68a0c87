import type { GroupState } from './recipient-group.ts';
import type { Outcome, StoredMessage } from './spool.ts';
import type { BatchOutcomes, StoredRow } from './sqlite-batch.ts';

/** Between the contract's values and what the tables hold: envelopes and states are JSON there. */

export function storedMessage({ sequence, id, groups, envelope, done, states }: StoredRow): StoredMessage {
  const live = new Map<number, GroupState | undefined>();
  for (let group = 0; group < groups; group++) live.set(group, undefined);
  for (const { group, state } of states) live.set(group, JSON.parse(state));
  for (const group of done) live.delete(group);
  return { reference: { sequence, id }, envelope: JSON.parse(envelope), live };
}

export function batchOutcomes(records: readonly { readonly outcomes: readonly Outcome[] }[]): BatchOutcomes {
  const sequences: number[] = [];
  const ids: string[] = [];
  const groups: number[] = [];
  const states: string[] = [];
  for (const { outcomes } of records) {
    for (const outcome of outcomes) {
      sequences.push(outcome.reference.sequence);
      ids.push(outcome.reference.id);
      groups.push(outcome.group);
      states.push(outcome.kind === 'done' ? '' : JSON.stringify(outcome.state));
    }
  }
  return { sequences, ids, groups, states };
}
