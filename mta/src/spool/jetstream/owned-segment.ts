import { JetStreamApiError } from '@nats-io/jetstream';
import { errors, headers } from '@nats-io/transport-node';
import type { Envelope, MessageBody } from '../envelope.ts';
import { type GroupState, recipientGroups } from '../recipient-group.ts';
import { decodeBatch, encodeBatch, type JournalRecord } from '../segment/journal-record.ts';
import { placeNumber, placeOf } from '../segment/place.ts';
import type { AppendRefusal, Outcome, Reference, StoredMessage } from '../spool.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { JournalWriter, type LastBatch } from './journal-writer.ts';
import { LiveMessages } from './live-messages.ts';
import { storedForm } from './message-form.ts';
import type { PublishResult } from './publisher.ts';
import { WRONG_LAST_SEQUENCE, WRONG_LAST_SEQUENCE_CONSTANT } from './refusal.ts';
import { SegmentAppender } from './segment-appender.ts';
import { readOutcomes } from './segment-outcomes.ts';
import { walkStream } from './stream-walk.ts';

/** What is over is purged this often, at most. */
export const PURGE_EVERY_MS = 1_000;
/** Times that a fence is tried while others write the same journal. */
const FENCE_ATTEMPTS = 5;

/** A segment that this process owns: its journal, what of it is alive, and what comes new. */
export class OwnedSegment {
  readonly segment: number;
  readonly #context: SpoolContext;
  readonly #stream: string;
  readonly #filter: string;
  readonly #live: LiveMessages;
  readonly #journal: JournalWriter;
  readonly #appender: SegmentAppender;
  #lost = false;
  #purgedTo = 0;
  #purging = false;
  #purgedAtMs = 0;

  /** Fences the segment off from whoever had it, and reads what is in it. Rejects when NATS does not answer. */
  static async adopt(context: SpoolContext, segment: number): Promise<OwnedSegment> {
    const { layout } = context;
    const fence = await fenceOff(context, segment);
    const epoch = fence.sequence;
    const subject = layout.messageSubject(segment, 'spool', epoch);
    const marker = await published(context, subject, new Uint8Array(), undefined);
    if (marker.kind !== 'stored') throw failure(segment, marker);
    const outcomes = await readOutcomes(context, segment, epoch);
    const live = new LiveMessages();
    const range = {
      stream: layout.streamOf(segment, 'spool'),
      filter: layout.messageFilter(segment, 'spool'),
      from: 1,
      to: marker.sequence,
      headersOnly: true,
    };
    for await (const message of walkStream(context, range)) {
      const stored = await wholeForm(
        context,
        segment,
        message.seq,
        storedForm(message.headers, message.data),
      );
      if (stored.kind !== 'message') continue;
      const { envelope, parts } = stored;
      const groups = recipientGroups(envelope).length;
      const known = outcomes.get(message.seq);
      const isKnown = known?.id === envelope.id;
      if (isKnown && (known.over || known.done.size >= groups)) continue;
      const done = isKnown && known.done.size > 0 ? known.done : undefined;
      live.add(message.seq, envelope.id, groups, parts[0] ?? message.seq, done);
    }
    return new OwnedSegment(context, segment, fence, marker.sequence, live);
  }

  private constructor(
    context: SpoolContext,
    segment: number,
    fence: LastBatch,
    markerSequence: number,
    live: LiveMessages,
  ) {
    const { layout, publisher, session } = context;
    this.segment = segment;
    this.#context = context;
    this.#stream = layout.streamOf(segment, 'spool');
    this.#filter = layout.messageFilter(segment, 'spool');
    this.#live = live;
    this.#journal = new JournalWriter({
      publisher,
      subject: layout.journalSubject(segment),
      session,
      epoch: fence.sequence,
      lastSequence: fence.sequence,
      lastNumber: fence.number,
      intervalMs: context.journalIntervalMs,
      readLast: () => lastBatch(context, segment),
      onDurable: (_, records) => this.#durable(records),
      onLost: () => {
        this.#lost = true;
        context.onNotice('another pod took a segment over: its mail is not ours any more', { segment });
      },
    });
    this.#appender = new SegmentAppender({
      publisher,
      segment,
      subject: layout.messageSubject(segment, 'spool', fence.sequence),
      maxPayloadBytes: context.maxPayloadBytes,
      afterSequence: markerSequence,
      onStored: (sequence, envelope, firstSequence) =>
        this.#live.add(sequence, envelope.id, recipientGroups(envelope).length, firstSequence),
      onUnwanted: (sequence, id) => this.#withdraw(sequence, id),
    });
  }

  /** Another process owns it: nothing of it may be sent or recorded any more. */
  get lost(): boolean {
    return this.#lost;
  }

  get messages(): number {
    return this.#live.size;
  }

  get idle(): boolean {
    return this.#lost || (this.#appender.idle && this.#journal.idle);
  }

  append(
    envelope: Envelope,
    body: MessageBody,
    bytes: number,
    sinceMs: number,
  ): Promise<Reference | AppendRefusal> {
    return this.#appender.append(envelope, body, bytes, sinceMs);
  }

  holds(sequence: number, id: string): boolean {
    return this.#live.holds(sequence, id);
  }

  /** Resolves with the number of outcomes that match nothing, once the others are durable. */
  async record(outcomes: readonly Outcome[]): Promise<number> {
    const records: JournalRecord[] = [];
    let mismatched = 0;
    for (const outcome of outcomes) {
      const { group, reference } = outcome;
      const { sequence } = placeOf(reference.sequence);
      const fit = this.#live.fit(sequence, reference.id, group);
      if (fit === 'mismatch') mismatched++;
      if (fit !== 'live') continue;
      const place = { store: 'spool', sequence, id: reference.id } as const;
      records.push(
        outcome.kind === 'done'
          ? { kind: 'done', place, group }
          : { kind: 'deferred', place, group, state: outcome.state },
      );
    }
    if (records.length > 0) await this.#journal.write(records);
    return mismatched;
  }

  /** What is alive, in the order of sequences; only what was stored when it began. */
  async *replay(): AsyncGenerator<StoredMessage> {
    const to = this.#appender.lastSequence;
    const outcomes = await readOutcomes(this.#context, this.segment, this.#journal.lastSequence);
    const marker = await this.#lastStored(to);
    if (marker === undefined) return;
    const range = { stream: this.#stream, filter: this.#filter, from: 1, to: marker, headersOnly: true };
    for await (const message of walkStream(this.#context, range)) {
      if (!this.#live.holds(message.seq, '')) continue;
      const form = storedForm(message.headers, message.data);
      const stored = await wholeForm(this.#context, this.segment, message.seq, form);
      if (stored.kind !== 'message') continue;
      const { envelope } = stored;
      const known = outcomes.get(message.seq);
      const live = new Map<number, GroupState | undefined>();
      for (const { group } of recipientGroups(envelope)) {
        if (known?.id === envelope.id && known.done.has(group)) continue;
        live.set(group, known?.id === envelope.id ? known.states.get(group) : undefined);
      }
      const sequence = placeNumber(this.segment, 'spool', message.seq);
      yield { reference: { sequence, id: envelope.id }, envelope, live };
    }
  }

  refuseLate(sinceMs: number, refusal: AppendRefusal): void {
    this.#appender.refuseLate(sinceMs, refusal);
  }

  tick(nowMs: number): void {
    if (this.#lost || this.#purging || nowMs - this.#purgedAtMs < PURGE_EVERY_MS) return;
    this.#purgedAtMs = nowMs;
    const below = Math.min(this.#live.lowest ?? Number.POSITIVE_INFINITY, this.#appender.settledBelow);
    if (below <= this.#purgedTo) return;
    this.#purging = true;
    this.#context.manager.streams
      .purge(this.#stream, { filter: this.#filter, seq: below })
      .then(() => {
        this.#purgedTo = below;
      })
      // It is tried again at the next tick: what is over stays over.
      .catch(() => undefined)
      .finally(() => {
        this.#purging = false;
      });
  }

  /** The connection stands again: what was refused for want of an answer may be stored. */
  reconnected(): void {
    if (this.#lost || this.#appender.unknown.size === 0) return;
    this.#findUnknown().catch(() => undefined);
  }

  end(reason: string): void {
    this.#journal.end(reason);
  }

  async #findUnknown(): Promise<void> {
    const from = Math.min(...this.#appender.unknown.values()) + 1;
    const last = await this.#context.manager.streams.getMessage(this.#stream, { last_by_subj: this.#filter });
    if (last === null || last.seq < from) return;
    const range = { stream: this.#stream, filter: this.#filter, from, to: last.seq, headersOnly: true };
    for await (const message of walkStream(this.#context, range)) {
      const form = storedForm(message.headers, message.data);
      const stored = await wholeForm(this.#context, this.segment, message.seq, form);
      if (stored.kind !== 'message' || !this.#appender.unknown.has(stored.envelope.id)) continue;
      this.#appender.forget(stored.envelope.id);
      this.#withdraw(message.seq, stored.envelope.id);
    }
  }

  /** The last message of the segment at or below a sequence that an answer told; `undefined` = there is none. */
  async #lastStored(to: number): Promise<number | undefined> {
    const last = await this.#context.manager.streams.getMessage(this.#stream, { last_by_subj: this.#filter });
    return last === null ? undefined : Math.min(last.seq, to);
  }

  #withdraw(sequence: number, id: string): void {
    // Lost with the process it is delivered: the contract allows that, and nothing else can be done.
    this.#journal
      .write([{ kind: 'withdrawn', place: { store: 'spool', sequence, id } }])
      .catch(() => undefined);
  }

  #durable(records: readonly JournalRecord[]): void {
    for (const record of records) {
      if (record.kind === 'done') this.#live.done(record.place.sequence, record.group);
      else if (record.kind === 'withdrawn') this.#live.remove(record.place.sequence);
    }
  }
}

/** Appends a fence; its sequence is the epoch. */
async function fenceOff(context: SpoolContext, segment: number): Promise<LastBatch> {
  const { layout, session } = context;
  for (let attempt = 0; attempt < FENCE_ATTEMPTS; attempt++) {
    const last = await lastBatch(context, segment);
    const number = 1;
    const { bytes } = encodeBatch({ session, epoch: 0, number, records: [{ kind: 'fence' }] });
    const result = await published(context, layout.journalSubject(segment), bytes, last?.sequence ?? 0);
    if (result.kind === 'stored') return { sequence: result.sequence, session, number };
    const again = await lastBatch(context, segment);
    if (again?.session === session) return again;
    const { errorCode } = result.kind === 'refused' ? result.error : { errorCode: 0 };
    if (
      errorCode !== WRONG_LAST_SEQUENCE &&
      errorCode !== WRONG_LAST_SEQUENCE_CONSTANT &&
      result.kind === 'refused'
    ) {
      throw failure(segment, result);
    }
  }
  throw new Error(`segment ${segment}: another pod takes it over again and again`);
}

/** The last batch of a segment's journal, from the leader of the stream. */
async function lastBatch({ manager, layout }: SpoolContext, segment: number): Promise<LastBatch | undefined> {
  const subject = layout.journalSubject(segment);
  const message = await manager.streams.getMessage(layout.journalStream, { last_by_subj: subject });
  if (message === null) return undefined;
  const batch = decodeBatch(message.data);
  if ('unreadable' in batch) throw new Error(`${subject} at ${message.seq}: ${batch.reason}`);
  return { sequence: message.seq, session: batch.session, number: batch.number };
}

function published(
  { publisher }: SpoolContext,
  subject: string,
  payload: Uint8Array,
  expectedLast: number | undefined,
): Promise<PublishResult> {
  const set = headers();
  if (expectedLast !== undefined) set.set('Nats-Expected-Last-Subject-Sequence', String(expectedLast));
  return new Promise((resolve) => publisher.publish(subject, payload, set, resolve));
}

/** Why a segment cannot be taken over; without an answer it may be tried again. */
function failure(segment: number, result: Exclude<PublishResult, { kind: 'stored' }>): Error {
  if (result.kind === 'unknown') return new errors.TimeoutError();
  const { code, errorCode, description } = result.error;
  const cause = new JetStreamApiError({ code, err_code: errorCode, description });
  return new Error(`segment ${segment}: ${description}`, { cause });
}

/** A long envelope is read with the payload. */
async function wholeForm(
  { manager, layout }: SpoolContext,
  segment: number,
  sequence: number,
  form: ReturnType<typeof storedForm>,
): Promise<ReturnType<typeof storedForm>> {
  if (form.kind !== 'long-envelope') return form;
  const message = await manager.streams.getMessage(layout.streamOf(segment, 'spool'), { seq: sequence });
  return message === null ? { kind: 'other' } : storedForm(message.header, message.data);
}
