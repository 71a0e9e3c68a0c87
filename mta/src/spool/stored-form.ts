import type { Envelope, MessageBody } from './envelope.ts';
import type { GroupState } from './recipient-group.ts';
import type { Outcome, StoredMessage } from './spool.ts';
import type { BatchOutcome, StoredBytes, StoredRow } from './sqlite-batch.ts';

/** Between the contract's values and what the tables hold: envelopes and states are JSON there. */

export function readMessage(
  stored: StoredBytes | undefined,
): { readonly envelope: Envelope; readonly body: MessageBody } | undefined {
  if (stored === undefined) return undefined;
  const body = stored.pieces.map(({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length));
  return { envelope: JSON.parse(stored.envelope), body };
}

export function storedMessage({ sequence, id, groups, envelope, done, states }: StoredRow): StoredMessage {
  const live = new Map<number, GroupState | undefined>();
  for (let group = 0; group < groups; group++) live.set(group, undefined);
  for (const { group, state } of states) live.set(group, JSON.parse(state));
  for (const group of done) live.delete(group);
  return { reference: { sequence, id }, envelope: JSON.parse(envelope), live };
}

export function batchOutcome(outcome: Outcome): BatchOutcome {
  const { reference, group } = outcome;
  const state = outcome.kind === 'done' ? undefined : JSON.stringify(outcome.state);
  return { sequence: reference.sequence, id: reference.id, group, state };
}
