import { headers, type MsgHdrs } from '@nats-io/transport-node';
import type { Envelope } from '../envelope.ts';

/** The envelope as JSON: all that recovery needs, so it reads headers only. */
const ENVELOPE = 'Sluice-Envelope';
/** Of an envelope too long for a header: its bytes, which come before the body. */
const ENVELOPE_BYTES = 'Sluice-Envelope-Bytes';
/** Id of the message that this is a part of: `<id> <number>`. */
const PART = 'Sluice-Part';
/** Sequences of the parts of the body, each as the distance from the one before. */
const PARTS = 'Sluice-Parts';

/** Session of the owner that published a marker. */
const MARKER = 'Sluice-Marker';

/** NATS takes 64 KiB of headers, all of them together. */
export const MAX_ENVELOPE_HEADER_BYTES = 32 * 1024;

/** How a message is published: headers, and what stands before the body in the payload. */
export interface MessageForm {
  readonly headers: MsgHdrs;
  readonly prefix: Buffer | undefined;
}

/** Headers of a message whose body follows, or lies in the parts with these sequences. */
export function messageForm(envelope: Envelope, parts: readonly number[]): MessageForm {
  const text = JSON.stringify(envelope);
  const set = headers();
  let prefix: Buffer | undefined;
  // A character takes up to three bytes.
  if (text.length * 3 <= MAX_ENVELOPE_HEADER_BYTES || Buffer.byteLength(text) <= MAX_ENVELOPE_HEADER_BYTES) {
    set.set(ENVELOPE, text);
  } else {
    prefix = Buffer.from(text);
    set.set(ENVELOPE_BYTES, String(prefix.length));
  }
  if (parts.length > 0) set.set(PARTS, distances(parts));
  return { headers: set, prefix };
}

/** Headers of one part of a large body. */
export function partHeaders(id: string, part: number): MsgHdrs {
  const set = headers();
  set.set(PART, `${id} ${part}`);
  return set;
}

/** Headers of an owner's marker: what comes after it in its segment is new. */
export function markerHeaders(session: string): MsgHdrs {
  const set = headers();
  set.set(MARKER, session);
  return set;
}

/** What lies under a sequence of a SPOOL or DEFER stream. */
export type Stored =
  | {
      readonly kind: 'message';
      readonly envelope: Envelope;
      readonly parts: readonly number[];
      readonly bodyFrom: number;
    }
  /** The envelope is in the payload, which was not read. */
  | { readonly kind: 'long-envelope' }
  | { readonly kind: 'part'; readonly id: string; readonly part: number }
  | { readonly kind: 'marker'; readonly session: string }
  /** Not ours. */
  | { readonly kind: 'other' };

/** Reads headers, and the payload where there is one. */
export function storedForm(set: MsgHdrs | undefined, payload: Uint8Array): Stored {
  if (set === undefined) return { kind: 'other' };
  const part = set.get(PART);
  if (part !== '') {
    const [id = '', number = ''] = part.split(' ');
    return { kind: 'part', id, part: Number(number) };
  }
  const session = set.get(MARKER);
  if (session !== '') return { kind: 'marker', session };
  const parts = sequences(set.get(PARTS));
  const text = set.get(ENVELOPE);
  if (text !== '') return { kind: 'message', envelope: JSON.parse(text), parts, bodyFrom: 0 };
  const bytes = Number(set.get(ENVELOPE_BYTES));
  if (bytes === 0) return { kind: 'other' };
  if (payload.length < bytes) return { kind: 'long-envelope' };
  const envelope = Buffer.from(payload.buffer, payload.byteOffset, bytes).toString('utf8');
  return { kind: 'message', envelope: JSON.parse(envelope), parts, bodyFrom: bytes };
}

function distances(parts: readonly number[]): string {
  let before = 0;
  return parts
    .map((sequence) => {
      const distance = sequence - before;
      before = sequence;
      return distance;
    })
    .join(' ');
}

function sequences(text: string): readonly number[] {
  if (text === '') return [];
  let sequence = 0;
  return text.split(' ').map((distance) => {
    sequence += Number(distance);
    return sequence;
  });
}
