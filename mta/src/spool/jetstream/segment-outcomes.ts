import type { GroupState } from '../recipient-group.ts';
import { decodeBatch, type JournalRecord } from '../segment/journal-record.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { walkStream } from './stream-walk.ts';

/** What a journal says of one message. */
export interface KnownOutcomes {
  readonly id: string;
  readonly done: Set<number>;
  readonly states: Map<number, GroupState>;
  over: boolean;
}

/**
 * Reads the journal of a segment up to a batch that is known to be there.
 *
 * @returns by sequence of the message
 */
export async function readOutcomes(
  context: SpoolContext,
  segment: number,
  to: number,
): Promise<Map<number, KnownOutcomes>> {
  const { layout } = context;
  const outcomes = new Map<number, KnownOutcomes>();
  const range = {
    stream: layout.journalStream,
    filter: layout.journalSubject(segment),
    from: 1,
    to,
    headersOnly: false,
  };
  for await (const message of walkStream(context, range)) {
    const batch = decodeBatch(message.data);
    if ('unreadable' in batch)
      throw new Error(`${layout.journalSubject(segment)} at ${message.seq}: ${batch.reason}`);
    for (const record of batch.records) apply(outcomes, record);
  }
  return outcomes;
}

function apply(outcomes: Map<number, KnownOutcomes>, record: JournalRecord): void {
  if (!('place' in record) || record.place.store !== 'spool') return;
  const { sequence, id } = record.place;
  let known = outcomes.get(sequence);
  if (known === undefined || known.id !== id) {
    known = { id, done: new Set(), states: new Map(), over: false };
    outcomes.set(sequence, known);
  }
  if (record.kind === 'done') known.done.add(record.group);
  else if (record.kind === 'deferred') known.states.set(record.group, record.state);
  else if (record.kind === 'withdrawn') known.over = true;
}
