import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { encodeBatch, type JournalBatch } from '../segment/journal-record.ts';
import type { OwnerCommand, OwnerEvent, StoredItem } from '../segment/owner-command.ts';
import type { Place, Store } from '../segment/place.ts';
import { copyMessage } from './deferred-copy.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { readJournal, readOldest } from './journal-entries.ts';
import { storedForm } from './message-form.ts';
import type { OwnedSegment } from './owned-segment.ts';
import type { PublishResult } from './publisher.ts';
import { type ApiError, WRONG_LAST_SEQUENCE, WRONG_LAST_SEQUENCE_CONSTANT } from './refusal.ts';
import { seenMessage, storedItem } from './store-items.ts';
import { storedMessage } from './stored-message.ts';
import { walkStream } from './stream-walk.ts';

/** Pause after an append that the store refused for its own reasons: it would refuse the next one too. */
const REFUSED_PAUSE_MS = 250;

/** Carries out on NATS what the owner of a segment wants, and tells it what came of it. What gets no answer the owner asks again. */
export function carryOut(shell: OwnedSegment, command: OwnerCommand): void {
  const { segment, context } = shell;
  const { layout, manager } = context;
  /** A failure is no answer, except that the journal cannot be understood. */
  const tell = (answer: Promise<OwnerEvent | undefined>): void => {
    answer.then(
      (event) => {
        if (event !== undefined) shell.handle(event);
      },
      (error: unknown) => {
        if (error instanceof Error && error.name === 'SluiceError') shell.fail(error);
      },
    );
  };
  switch (command.kind) {
    case 'read-journal': {
      let { after } = command;
      const read = readJournal(context, layout.journalSubject(segment), after, (entries) => {
        shell.handle({ kind: 'journal', after, entries, isPart: true });
        after = entries.at(-1)?.sequence ?? after;
      });
      return tell(read.then((entries) => ({ kind: 'journal', after, entries })));
    }
    case 'append':
      return tell(appended(shell, command.batch, command.expected));
    case 'publish-marker':
      return void shell.marking.mark(command.store, command.epoch);
    case 'read-store': {
      const { store, after } = command;
      return tell(shell.pagers[store].page(after).then((items) => ({ kind: 'read', store, after, items })));
    }
    case 'sweep':
      return tell(swept(shell, command.after));
    case 'check-tail': {
      const { place } = command;
      return tell(isThere(shell, place).then((intact) => ({ kind: 'tail', store: place.store, intact })));
    }
    case 'copy':
      return tell(copied(shell, command.place, command.epoch));
    case 'purge':
      return tell(purged(shell, command.store, command.upTo, command.guard));
    case 'read-oldest': {
      const { from, atMost } = command;
      const read = readOldest(context, layout.journalSubject(segment), from, atMost);
      return tell(read.then((entries) => ({ kind: 'oldest', from, entries })));
    }
    case 'purge-journal': {
      const { upTo } = command;
      const options = { filter: layout.journalSubject(segment), seq: upTo + 1 };
      return tell(
        manager.streams.purge(layout.journalStream, options).then(() => ({ kind: 'journal-purged', upTo })),
      );
    }
    case 'read-handover': {
      const { epoch, after } = command;
      const read = readJournal(context, layout.handoverSubject(segment, epoch), after);
      return tell(read.then((entries) => ({ kind: 'handover', epoch, after, entries })));
    }
    case 'append-handover':
      return tell(handedOver(shell, command.batch, command.expected));
    // What the queue is told of.
    case 'held':
    case 'offer':
    case 'started':
    case 'declined':
    case 'released':
    case 'live':
    case 'drop':
    case 'recorded':
      return;
  }
}

function published(
  { context }: OwnedSegment,
  subject: string,
  payload: Uint8Array,
  set: MsgHdrs,
): Promise<PublishResult> {
  return new Promise((resolve) => context.publisher.publish(subject, [payload], set, resolve));
}

function publishedBatch(
  shell: OwnedSegment,
  subject: string,
  batch: JournalBatch,
  expected: number,
): Promise<PublishResult> {
  const set = headers();
  set.set('Nats-Expected-Last-Subject-Sequence', String(expected));
  return published(shell, subject, encodeBatch(batch).bytes, set);
}

async function appended(shell: OwnedSegment, batch: JournalBatch, expected: number): Promise<OwnerEvent> {
  const { number } = batch;
  const subject = shell.context.layout.journalSubject(shell.segment);
  const result = await publishedBatch(shell, subject, batch, expected);
  if (result.kind === 'stored') return { kind: 'appended', number, sequence: result.sequence };
  if (result.kind === 'refused' && !isExpectation(result)) {
    await new Promise((resolve) => setTimeout(resolve, REFUSED_PAUSE_MS));
  }
  const lastSequence = result.kind === 'refused' ? lastSequenceOf(result.error) : undefined;
  return {
    kind: 'append-failed',
    number,
    timedOut: result.kind === 'unknown',
    ...(lastSequence !== undefined && { lastSequence }),
  };
}

/** `wrong last sequence: 57` */
function lastSequenceOf({ errorCode, description }: ApiError): number | undefined {
  const found = errorCode === WRONG_LAST_SEQUENCE ? /: (\d+)$/.exec(description)?.[1] : undefined;
  return found === undefined ? undefined : Number(found);
}

async function handedOver(shell: OwnedSegment, batch: JournalBatch, expected: number): Promise<OwnerEvent> {
  const { number } = batch;
  const subject = shell.context.layout.handoverSubject(shell.segment, batch.epoch);
  const result = await publishedBatch(shell, subject, batch, expected);
  if (result.kind === 'stored') return { kind: 'handover-appended', number, sequence: result.sequence };
  const entries = await readJournal(shell.context, subject, expected);
  return { kind: 'handover-failed', number, entries };
}

function isExpectation({ error }: Extract<PublishResult, { kind: 'refused' }>): boolean {
  return error.errorCode === WRONG_LAST_SEQUENCE || error.errorCode === WRONG_LAST_SEQUENCE_CONSTANT;
}

/** Whether the leader of the stream still has this message or marker at its place. */
async function isThere({ context, segment }: OwnedSegment, { store, sequence, id }: Place): Promise<boolean> {
  const { layout } = context;
  const found = await storedMessage(context, layout.streamOf(segment, store), { seq: sequence });
  if (found === null || !found.subject.startsWith(layout.messageFilter(segment, store).slice(0, -1)))
    return false;
  const form = storedForm(found.header, found.data);
  return form.kind === 'message' ? form.envelope.id === id : form.kind === 'marker' && form.session === id;
}

async function purged(
  shell: OwnedSegment,
  store: Store,
  wantedTo: number,
  guard: Place,
): Promise<OwnerEvent> {
  const { context, segment, owner } = shell;
  const parts = shell.parts[store];
  let upTo = wantedTo;
  for (const [sequence, { first }] of parts) {
    const known = owner.known(store, sequence);
    const current = known === undefined ? undefined : owner.current(known);
    // Over, or moved away.
    if (current?.store !== store || current.sequence !== sequence) parts.delete(sequence);
    else upTo = Math.min(upTo, first - 1);
  }
  if (upTo < 1) return { kind: 'purged', store, upTo: 0 };
  if (!(await isThere(shell, guard))) return { kind: 'tail', store, intact: false };
  const filter = context.layout.messageFilter(segment, store);
  await context.manager.streams.purge(context.layout.streamOf(segment, store), { filter, seq: upTo + 1 });
  return { kind: 'purged', store, upTo };
}

/**
 * Late publishes of former owners, and of this one if it refused some: looked for only where the leader has something new, so that a segment
 * without any costs one question.
 */
async function swept(shell: OwnedSegment, after: number): Promise<OwnerEvent> {
  const { context, segment, owner } = shell;
  const { layout, manager } = context;
  const stream = layout.streamOf(segment, 'spool');
  const filter = layout.messageFilter(segment, 'spool');
  const info = await manager.streams.info(stream, { subjects_filter: filter });
  const own = layout.messageSubject(segment, 'spool', owner.epoch);
  const items: StoredItem[] = [];
  for (const subject of Object.keys(info.state.subjects ?? {})) {
    if (subject === own && !owner.hasRefused) continue;
    const last = await manager.streams.getMessage(stream, { last_by_subj: subject });
    if (last === null || last.seq <= after) continue;
    const range = { stream, filter: subject, from: after + 1, to: last.seq, headersOnly: true };
    for await (const message of walkStream(context, range)) {
      const seen = await seenMessage(context, stream, message);
      const item = storedItem(seen);
      if (item === undefined) continue;
      shell.noteSeen('spool', seen);
      items.push(item);
    }
  }
  items.sort((a, b) => a.sequence - b.sequence);
  const upTo = info.state.last_seq;
  return { kind: 'swept', after, upTo, items: items.filter(({ sequence }) => sequence <= upTo) };
}

async function copied(shell: OwnedSegment, place: Place, epoch: number): Promise<OwnerEvent> {
  const { context, segment } = shell;
  const { layout } = context;
  const subject = layout.messageSubject(segment, 'defer', epoch);
  const publish = async (to: string, payload: Uint8Array, set: MsgHdrs): Promise<number | undefined> => {
    const result = await published(shell, to, payload, set);
    return result.kind === 'stored' ? result.sequence : undefined;
  };
  try {
    const copy = await copyMessage(context, publish, layout.streamOf(segment, place.store), place, subject);
    if (copy === undefined) return { kind: 'copy-failed', place };
    const [first] = copy.parts;
    if (first !== undefined) shell.parts.defer.set(copy.sequence, { first, count: copy.parts.length });
    return { kind: 'copied', place, toSequence: copy.sequence };
  } catch {
    return { kind: 'copy-failed', place };
  } finally {
    context.copyRoom.giveBack();
  }
}

/** What a segment has in a store, parts and markers too; rejects when NATS does not answer. */
export async function itemsOf(
  { layout, manager }: SpoolContext,
  segment: number,
  store: Store,
): Promise<number> {
  const filter = layout.messageFilter(segment, store);
  const info = await manager.streams.info(layout.streamOf(segment, store), { subjects_filter: filter });
  return Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}
