import type { Envelope, MessageBody } from '../envelope.ts';
import { recipientGroups } from '../recipient-group.ts';
import { placeNumber } from '../segment/place.ts';
import type { SegmentOwner } from '../segment/segment-owner.ts';
import type { AppendRefusal, Reference } from '../spool.ts';
import { messageForm, partHeaders } from './message-form.ts';
import type { Publisher, PublishResult } from './publisher.ts';
import { refusalOf } from './refusal.ts';

/** Bodies up to this size go in one message (DESIGN §5); a larger one would hold up what shares the connection. */
export const MAX_INLINE_BYTES = 4 * 1024 * 1024;
/** Bytes of one part of a larger body. */
export const PART_BYTES = 1024 * 1024;
/** Room for headers beside the payload, of the server's `max_payload`. */
export const HEADER_ROOM_BYTES = 64 * 1024;
/** Parts of one message that are published and not acked. */
const PARTS_IN_FLIGHT = 8;

export interface AppenderOptions {
  readonly publisher: Publisher;
  readonly segment: number;
  /** Subject of the current epoch. */
  readonly subject: () => string;
  /** `max_payload` of the server. */
  readonly maxPayloadBytes: number;
  /** Told of everything that may end up in the store. */
  readonly owner: Pick<SegmentOwner, 'publishing' | 'published' | 'publishFailed'>;
  /** The message that is stored there has its body in parts: their sequences. */
  readonly onParts: (sequence: number, parts: readonly number[]) => void;
}

interface Append {
  readonly envelope: Envelope;
  readonly body: MessageBody;
  readonly bytes: number;
  /** Monotonic, milliseconds. */
  readonly sinceMs: number;
  /** `undefined` once the caller was answered. */
  resolve: ((result: Reference | AppendRefusal) => void) | undefined;
}

/** A message in parts that is being published. */
interface Large {
  readonly append: Append;
  failure: Exclude<PublishResult, { kind: 'stored' }> | undefined;
}

/**
 * Puts messages into one segment, in the order of the calls; a large one holds up those behind it until its last part is stored, so that
 * sequences rise in that order. The segment's owner is told of every message before it is sent and of what became of it, whether its
 * client still waits or not.
 */
export class SegmentAppender {
  readonly #options: AppenderOptions;
  readonly #inlineBytes: number;
  readonly #partBytes: number;
  #underWay = 0;
  #held: Append[] = [];
  #large: Large | undefined;

  constructor(options: AppenderOptions) {
    this.#options = options;
    const room = options.maxPayloadBytes - HEADER_ROOM_BYTES;
    this.#inlineBytes = Math.min(MAX_INLINE_BYTES, room);
    this.#partBytes = Math.min(PART_BYTES, room);
  }

  get idle(): boolean {
    return this.#underWay === 0 && this.#large === undefined && this.#held.length === 0;
  }

  append(
    envelope: Envelope,
    body: MessageBody,
    bytes: number,
    sinceMs: number,
  ): Promise<Reference | AppendRefusal> {
    return new Promise((resolve) => {
      const append: Append = { envelope, body, bytes, sinceMs, resolve };
      if (this.#large === undefined) this.#start(append);
      else this.#held.push(append);
    });
  }

  /** Refuses what has waited since `sinceMs` or longer: a large message, and what waits behind it. */
  refuseLate(sinceMs: number, refusal: AppendRefusal): void {
    const large = this.#large;
    if (large !== undefined && large.append.sinceMs <= sinceMs && large.append.resolve !== undefined) {
      large.failure ??= { kind: 'unknown', reason: refusal.reason };
      // Its envelope may be under way already.
      this.#options.owner.publishFailed(large.append.envelope.id, false);
      answer(large.append, refusal);
    }
    while (this.#held[0] !== undefined && this.#held[0].sinceMs <= sinceMs) {
      const late = this.#held.shift();
      if (late !== undefined) answer(late, refusal);
    }
  }

  #start(append: Append): void {
    this.#options.owner.publishing(append.envelope.id, performance.now());
    if (append.bytes > this.#inlineBytes) void this.#appendLarge(append);
    else this.#publishEnvelope(append, []);
  }

  #publishEnvelope(append: Append, parts: readonly number[]): void {
    const { envelope, body } = append;
    const form = messageForm(envelope, parts);
    const pieces = parts.length > 0 ? [] : body;
    const payload = form.prefix === undefined ? pieces : [form.prefix, ...pieces];
    let answered = false;
    this.#underWay++;
    this.#options.publisher.publish(this.#options.subject(), payload, form.headers, (result) => {
      if (result.kind === 'stored') this.#stored(append, result.sequence, parts);
      else this.#failed(append, result);
      // After a time-out it comes a second time, should the message be stored all the same.
      if (answered) return;
      answered = true;
      this.#underWay--;
      if (parts.length > 0) this.#largeEnded();
    });
  }

  #stored(append: Append, sequence: number, parts: readonly number[]): void {
    const { envelope } = append;
    if (parts.length > 0) this.#options.onParts(sequence, parts);
    const place = { store: 'spool', sequence, id: envelope.id } as const;
    this.#options.owner.published(place, recipientGroups(envelope).length);
    answer(append, { sequence: placeNumber(this.#options.segment, 'spool', sequence), id: envelope.id });
  }

  #failed(append: Append, result: Exclude<PublishResult, { kind: 'stored' }>): void {
    this.#options.owner.publishFailed(append.envelope.id, result.kind === 'refused');
    answer(append, refusalFor(result));
  }

  async #appendLarge(append: Append): Promise<void> {
    const large: Large = { append, failure: undefined };
    this.#large = large;
    const sequences: number[] = [];
    let underWay = 0;
    let wake = (): void => {};
    const oneAnswered = (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
      });
    let part = 0;
    for (const payload of partsOf(append.body, this.#partBytes)) {
      while (underWay >= PARTS_IN_FLIGHT) await oneAnswered();
      if (large.failure !== undefined) break;
      underWay++;
      const number = part++;
      let answered = false;
      // A part that is stored and not named by an envelope is garbage; nobody asks for it.
      const headers = partHeaders(append.envelope.id, number);
      this.#options.publisher.publish(this.#options.subject(), payload, headers, (result) => {
        if (result.kind === 'stored') sequences[number] = result.sequence;
        else large.failure ??= result;
        if (answered) return;
        answered = true;
        underWay--;
        wake();
      });
    }
    while (underWay > 0) await oneAnswered();
    if (large.failure === undefined) return this.#publishEnvelope(append, sequences);
    // Without its envelope no part is a message.
    this.#options.owner.publishFailed(append.envelope.id, true);
    answer(append, refusalFor(large.failure));
    this.#largeEnded();
  }

  #largeEnded(): void {
    this.#large = undefined;
    while (this.#large === undefined) {
      const next = this.#held.shift();
      if (next === undefined) return;
      this.#start(next);
    }
  }
}

function answer(append: Append, result: Reference | AppendRefusal): void {
  const { resolve } = append;
  append.resolve = undefined;
  resolve?.(result);
}

function refusalFor(result: Exclude<PublishResult, { kind: 'stored' }>): AppendRefusal {
  return result.kind === 'refused'
    ? refusalOf(result.error)
    : { refused: 'unavailable', reason: result.reason };
}

/** The body in parts of equal size, the last one shorter. */
function* partsOf(body: MessageBody, partBytes: number): Generator<readonly Buffer[]> {
  let pieces: Buffer[] = [];
  let length = 0;
  for (const piece of body) {
    let from = 0;
    while (length + piece.length - from >= partBytes) {
      const end = from + partBytes - length;
      pieces.push(piece.subarray(from, end));
      yield pieces;
      pieces = [];
      length = 0;
      from = end;
    }
    if (from < piece.length) {
      pieces.push(piece.subarray(from));
      length += piece.length - from;
    }
  }
  if (length > 0) yield pieces;
}
