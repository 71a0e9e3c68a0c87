import { SluiceError } from '@sluice/crds';
import { decodeBatch, type JournalBatch } from '../segment/journal-record.ts';
import type { JournalEntry } from '../segment/owner-command.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { storedMessage } from './stored-message.ts';
import { walkStream } from './stream-walk.ts';

/** Batches that are given at a time where a long journal is read: decoded they take some ten times their bytes. */
const PART_ENTRIES = 32;

/**
 * All batches of a subject of the JOURNAL stream after a sequence, up to what its leader has now. A long journal comes in parts if `onPart` takes
 * them; what is left then is returned.
 */
export async function readJournal(
  context: SpoolContext,
  subject: string,
  after: number,
  onPart?: (entries: readonly JournalEntry[]) => void,
): Promise<readonly JournalEntry[]> {
  const stream = context.layout.journalStream;
  const last = await storedMessage(context, stream, { last_by_subj: subject });
  if (last === null || last.seq <= after) return [];
  if (last.seq === after + 1) return [{ sequence: last.seq, batch: batchOf(subject, last.seq, last.data) }];
  let entries: JournalEntry[] = [];
  const range = { stream, filter: subject, from: after + 1, to: last.seq, headersOnly: false };
  for await (const { seq, data } of walkStream(context, range)) {
    entries.push({ sequence: seq, batch: batchOf(subject, seq, data) });
    if (onPart === undefined || entries.length < PART_ENTRIES || seq === last.seq) continue;
    onPart(entries);
    entries = [];
  }
  return entries;
}

/** The first batches of a subject from a sequence on. */
export async function readOldest(
  { manager, layout }: SpoolContext,
  subject: string,
  from: number,
  atMost: number,
): Promise<readonly JournalEntry[]> {
  const entries: JournalEntry[] = [];
  const options = { seq: from, next_by_subj: subject, batch: atMost };
  for await (const { seq, data } of await manager.direct.getBatch(layout.journalStream, options))
    entries.push({ sequence: seq, batch: batchOf(subject, seq, data) });
  return entries;
}

/** A journal that cannot be read must not be written either: what it says would be lost. */
function batchOf(subject: string, sequence: number, bytes: Uint8Array): JournalBatch {
  const batch = decodeBatch(bytes);
  if (!('unreadable' in batch)) return batch;
  const reason = `${subject} at ${sequence}: ${batch.reason}`;
  const cure =
    batch.unreadable === 'version'
      ? 'Run the version of Sluice that wrote it, or a newer one.'
      : 'Look for who else writes to this subject; purge the subject only if its mail may be sent again.';
  throw new SluiceError('SLUICE_NATS_UNUSABLE', { reason, cure });
}
