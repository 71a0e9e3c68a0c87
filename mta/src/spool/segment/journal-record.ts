import type { GroupState, OwedReport } from '../recipient-group.ts';
import type { Reply } from '../reply.ts';
import type { Place, Store } from './place.ts';
import { MalformedBytes, RecordReader, RecordWriter } from './record-bytes.ts';

/** A recipient group that is in a transaction. */
export interface InFlight {
  readonly place: Place;
  readonly group: number;
}

/** One line of a segment's journal: what must be known about the segment besides the messages themselves (DESIGN §5). */
export type JournalRecord =
  /** From here on the session of the batch owns the segment; the sequence of the batch is the epoch. */
  | { readonly kind: 'fence' }
  /** A transaction began. `uncleanEnds` = how often its owner ended uncleanly while the group was in flight. */
  | {
      readonly kind: 'inflight';
      readonly place: Place;
      readonly group: number;
      readonly uncleanEnds: number;
    }
  /** Every recipient of the group has its final outcome. */
  | { readonly kind: 'done'; readonly place: Place; readonly group: number }
  /** The group waits for another attempt. */
  | { readonly kind: 'deferred'; readonly place: Place; readonly group: number; readonly state: GroupState }
  /** The message now lives in DEFER at `toSequence`; its former place is retired. */
  | {
      readonly kind: 'moved';
      readonly place: Place;
      readonly toSequence: number;
      /** Groups that were done before: said here too, because the batches that said so are purged before this one. */
      readonly doneGroups: readonly number[];
    }
  /** The whole message is over: its append was refused and became durable all the same. */
  | { readonly kind: 'withdrawn'; readonly place: Place }
  /** The group is in no transaction, but was at so many unclean ends in a row; 0 = somebody looked at a held group and wants it sent. */
  | {
      readonly kind: 'suspected';
      readonly place: Place;
      readonly group: number;
      readonly uncleanEnds: number;
    }
  /** The owner gave the segment up. What it still has in flight it settles on the hand-over subject of its epoch. */
  | { readonly kind: 'released'; readonly inflight: readonly InFlight[] }
  /** Restates what of a `released` is still open: said by a later owner before the former batch is purged. */
  | {
      readonly kind: 'handover';
      readonly epoch: number;
      readonly session: string;
      readonly inflight: readonly InFlight[];
    }
  /** Nothing of the hand-over of `epoch` is open any more: said there, or its session is dead. */
  | { readonly kind: 'settled'; readonly epoch: number };

/** What one NATS message of the JOURNAL stream carries. */
export interface JournalBatch {
  /** ULID of the process that wrote it. */
  readonly session: string;
  /** Under which epoch it was written; 0 in a batch that begins with `fence`. */
  readonly epoch: number;
  /** No two batches of a session have the same: tells a repeated append from a new one. */
  readonly number: number;
  readonly records: readonly JournalRecord[];
}

/** Why bytes are no batch of this version. `version`: written by a newer Sluice; `malformed`: damaged, or not ours. */
export interface UnreadableBatch {
  readonly unreadable: 'version' | 'malformed';
  readonly reason: string;
}

/** Format of a batch; a reader refuses every other. */
export const JOURNAL_VERSION = 1;
/** Bytes of a batch: well below the `max_payload` of 1 MB that NATS has by default. */
export const MAX_BATCH_BYTES = 512 * 1024;

const KINDS = [
  'fence',
  'inflight',
  'done',
  'deferred',
  'moved',
  'withdrawn',
  'suspected',
  'released',
  'handover',
  'settled',
] as const satisfies readonly JournalRecord['kind'][];
const CODES = new Map<JournalRecord['kind'], number>(KINDS.map((kind, code) => [kind, code]));
/** Added to the kind's code when the place is in DEFER. */
const IN_DEFER = 0x80;

/**
 * Bytes of a batch, and how many of its records went into them: those that did not fit go into the next one.
 *
 * @throws {RangeError} when one record alone is larger than a batch
 */
export function encodeBatch(
  batch: JournalBatch,
  maxBytes = MAX_BATCH_BYTES,
): { readonly bytes: Buffer; readonly taken: number } {
  const writer = new RecordWriter();
  writer.byte(JOURNAL_VERSION);
  writer.ulid(batch.session);
  writer.number(batch.epoch);
  writer.number(batch.number);
  let taken = 0;
  for (const record of batch.records) {
    const { length } = writer;
    writeRecord(writer, record);
    if (writer.length > maxBytes) {
      if (taken === 0) throw new RangeError(`a record of ${writer.length} bytes is larger than a batch`);
      writer.truncate(length);
      break;
    }
    taken++;
  }
  return { bytes: writer.taken(), taken };
}

/** The batch that the bytes are, or why they are none. */
export function decodeBatch(bytes: Uint8Array): JournalBatch | UnreadableBatch {
  try {
    const reader = new RecordReader(bytes);
    const version = reader.byte();
    if (version !== JOURNAL_VERSION) {
      const reason = `a journal batch has version ${version}, this Sluice reads version ${JOURNAL_VERSION}`;
      return { unreadable: 'version', reason };
    }
    const session = reader.ulid();
    const epoch = reader.number();
    const number = reader.number();
    const records: JournalRecord[] = [];
    while (!reader.ended) records.push(readRecord(reader));
    return { session, epoch, number, records };
  } catch (error) {
    if (error instanceof MalformedBytes) {
      return { unreadable: 'malformed', reason: `a journal batch ${error.message}` };
    }
    throw error;
  }
}

function writeRecord(writer: RecordWriter, record: JournalRecord): void {
  const place = 'place' in record ? record.place : undefined;
  writer.byte((CODES.get(record.kind) ?? 0) | (place?.store === 'defer' ? IN_DEFER : 0));
  if (place !== undefined) writePlace(writer, place);
  switch (record.kind) {
    case 'fence':
    case 'withdrawn':
      break;
    case 'inflight':
    case 'suspected':
      writer.number(record.group);
      writer.number(record.uncleanEnds);
      break;
    case 'done':
      writer.number(record.group);
      break;
    case 'deferred':
      writer.number(record.group);
      writeState(writer, record.state);
      break;
    case 'moved':
      writer.number(record.toSequence);
      writeRising(writer, record.doneGroups);
      break;
    case 'handover':
      writer.number(record.epoch);
      writer.ulid(record.session);
      writeInFlight(writer, record.inflight);
      break;
    case 'released':
      writeInFlight(writer, record.inflight);
      break;
    case 'settled':
      writer.number(record.epoch);
      break;
  }
}

function readRecord(reader: RecordReader): JournalRecord {
  const code = reader.byte();
  const kind = KINDS[code & ~IN_DEFER];
  const store: Store = (code & IN_DEFER) === 0 ? 'spool' : 'defer';
  switch (kind) {
    case 'fence':
      return { kind };
    case 'inflight':
    case 'suspected': {
      const place = readPlace(reader, store);
      return { kind, place, group: reader.number(), uncleanEnds: reader.number() };
    }
    case 'done':
      return { kind, place: readPlace(reader, store), group: reader.number() };
    case 'deferred':
      return { kind, place: readPlace(reader, store), group: reader.number(), state: readState(reader) };
    case 'moved':
      return {
        kind,
        place: readPlace(reader, store),
        toSequence: reader.number(),
        doneGroups: readRising(reader),
      };
    case 'withdrawn':
      return { kind, place: readPlace(reader, store) };
    case 'released':
      return { kind, inflight: readInFlight(reader) };
    case 'handover': {
      const epoch = reader.number();
      return { kind, epoch, session: reader.ulid(), inflight: readInFlight(reader) };
    }
    case 'settled':
      return { kind, epoch: reader.number() };
    default:
      throw new MalformedBytes(`has a record of the unknown kind ${code & ~IN_DEFER}`);
  }
}

function writeInFlight(writer: RecordWriter, inflight: readonly InFlight[]): void {
  writer.number(inflight.length);
  for (const { place, group } of inflight) {
    writer.byte(place.store === 'defer' ? 1 : 0);
    writePlace(writer, place);
    writer.number(group);
  }
}

function readInFlight(reader: RecordReader): readonly InFlight[] {
  const inflight: InFlight[] = [];
  for (let left = reader.number(); left > 0; left--) {
    const store: Store = reader.byte() === 1 ? 'defer' : 'spool';
    inflight.push({ place: readPlace(reader, store), group: reader.number() });
  }
  return inflight;
}

function writePlace(writer: RecordWriter, place: Place): void {
  writer.number(place.sequence);
  writer.ulid(place.id);
}

function readPlace(reader: RecordReader, store: Store): Place {
  return { store, sequence: reader.number(), id: reader.ulid() };
}

/** What a state has besides what every state has. */
const HAS_REPLY = 1;
const TOLD_OF_DELAY = 2;
const OWES_REPORTS = 4;

function writeState(writer: RecordWriter, state: GroupState): void {
  const { lastReply, owed, toldOfDelay } = state;
  writer.number(state.attempts);
  writer.number(Math.max(0, Math.round(state.nextAttemptAtMs)));
  writer.text(state.lastSource);
  writeRising(writer, state.pending);
  writer.number(
    (lastReply === undefined ? 0 : HAS_REPLY) |
      (toldOfDelay === true ? TOLD_OF_DELAY : 0) |
      (owed === undefined ? 0 : OWES_REPORTS),
  );
  if (lastReply !== undefined) writeReply(writer, lastReply);
  if (owed === undefined) return;
  writer.number(owed.length);
  for (const report of owed) writeReport(writer, report);
}

function readState(reader: RecordReader): GroupState {
  const attempts = reader.number();
  const nextAttemptAtMs = reader.number();
  const lastSource = reader.text();
  const pending = readRising(reader);
  const has = reader.number();
  return {
    pending,
    attempts,
    nextAttemptAtMs,
    lastSource,
    ...((has & HAS_REPLY) !== 0 && { lastReply: readReply(reader) }),
    ...((has & OWES_REPORTS) !== 0 && { owed: readReports(reader) }),
    ...((has & TOLD_OF_DELAY) !== 0 && { toldOfDelay: true as const }),
  };
}

const ACTIONS = ['failed', 'delayed', 'relayed'] as const satisfies readonly OwedReport['action'][];

function writeReport(writer: RecordWriter, report: OwedReport): void {
  writer.number(ACTIONS.indexOf(report.action));
  writeRising(writer, report.recipients);
  writeReply(writer, report.reply);
  writer.number(report.atMs);
  // A wall time is never 0.
  writer.number(report.untilMs ?? 0);
}

function readReports(reader: RecordReader): readonly OwedReport[] {
  const reports: OwedReport[] = [];
  for (let left = reader.number(); left > 0; left--) {
    const action = ACTIONS[reader.number()];
    if (action === undefined) throw new MalformedBytes('has a report of an unknown kind');
    const recipients = readRising(reader);
    const reply = readReply(reader);
    const atMs = reader.number();
    const untilMs = reader.number();
    reports.push({ action, recipients, reply, atMs, ...(untilMs !== 0 && { untilMs }) });
  }
  return reports;
}

function writeRising(writer: RecordWriter, numbers: readonly number[]): void {
  writer.number(numbers.length);
  let before = 0;
  for (const number of numbers) {
    writer.number(number - before);
    before = number;
  }
}

function readRising(reader: RecordReader): readonly number[] {
  const recipients: number[] = [];
  let recipient = 0;
  for (let left = reader.number(); left > 0; left--) {
    recipient += reader.number();
    recipients.push(recipient);
  }
  return recipients;
}

function writeReply(writer: RecordWriter, { code, enhanced, host, text }: Reply): void {
  writer.number(code);
  writer.text(enhanced);
  writer.text(host);
  writer.text(text);
}

function readReply(reader: RecordReader): Reply {
  const code = reader.number();
  const enhanced = reader.text();
  const host = reader.text();
  return { code, enhanced, host, text: reader.text() };
}
