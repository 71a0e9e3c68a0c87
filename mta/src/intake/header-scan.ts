import type { MessageBody } from '../spool/mod.ts';

/** Bytes that the header section of a message may have. */
export const MAX_HEADER_BYTES = 256 * 1024;
/** Fields that the header section may have. */
export const MAX_HEADER_FIELDS = 1000;
/** RFC 5321 §6.3: more Received fields than this mean that the message runs in a circle. */
export const MAX_RECEIVED_FIELDS = 100;

/** Names of the header fields that carry queueing facts; `undefined` = not mapped. Case does not matter. */
export interface MappedHeaders {
  readonly tenant?: string;
  readonly campaign?: string;
  readonly class?: string;
}

/** Mapped names in lower case, by field name: made once for a listener. */
export type HeaderMap = ReadonlyMap<string, keyof MappedHeaders>;

export function headerMap(headers: MappedHeaders): HeaderMap {
  const map = new Map<string, keyof MappedHeaders>();
  for (const fact of ['tenant', 'campaign', 'class'] as const) {
    const name = headers[fact];
    if (name !== undefined) map.set(name.toLowerCase(), fact);
  }
  return map;
}

/** What one pass over the header section of a message found. All positions are octets from the start of the message. */
export interface HeaderScan {
  readonly receivedFields: number;
  readonly hasMessageId: boolean;
  readonly hasDate: boolean;
  /** Some octet of the header section is above 127. */
  readonly eightBit: boolean;
  /** The body begins without the empty line that RFC 5322 §2.1 asks for: it must be added. */
  readonly lacksEmptyLine: boolean;
  /** `[start, end, start, end, …]`: fields that are not stored (Return-Path and mapped ones), ascending. */
  readonly removals: readonly number[];
  /** Values of mapped fields, unfolded and trimmed; the first one of a name counts. */
  readonly mapped: MappedHeaders;
}

export type HeaderFlaw = 'headerTooLarge' | 'tooManyFields';

const FIRST_WINDOW = 4096;
const NOTHING: MappedHeaders = {};
const NO_REMOVALS: readonly number[] = [];

/**
 * Reads the header section (RFC 5322 §2.2) of a message whose lines are known to end in CRLF.
 *
 * The header ends at the empty line, or in front of the first line that is no field: then the message had no header to
 * speak of, and `lacksEmptyLine` says that one must be put between our own fields and the text.
 */
export function scanHeader(pieces: MessageBody, mappedNames: HeaderMap): HeaderScan | HeaderFlaw {
  const text = headerText(pieces);
  if (text === undefined) return 'headerTooLarge';
  let receivedFields = 0;
  let hasMessageId = false;
  let hasDate = false;
  let lacksEmptyLine = false;
  let removals: number[] | undefined;
  let mapped: MappedHeaders | undefined;
  let fields = 0;
  let position = 0;
  while (position < text.length) {
    const colon = text.indexOf(':', position);
    const nameEnd = colon === -1 ? -1 : fieldNameEnd(text, position, colon);
    if (nameEnd === -1) {
      lacksEmptyLine = true;
      break;
    }
    if (++fields > MAX_HEADER_FIELDS) return 'tooManyFields';
    const end = fieldEnd(text, colon);
    const nameLength = nameEnd - position;
    let remove = false;
    if (nameLength === 4) hasDate ||= isNamed(text, position, 'date');
    else if (nameLength === 8 && isNamed(text, position, 'received')) receivedFields++;
    else if (nameLength === 10) hasMessageId ||= isNamed(text, position, 'message-id');
    else if (nameLength === 11) remove = isNamed(text, position, 'return-path');
    if (mappedNames.size > 0) {
      const fact = mappedNames.get(text.slice(position, nameEnd).toLowerCase());
      if (fact !== undefined) {
        remove = true;
        if (mapped?.[fact] === undefined) mapped = { ...mapped, [fact]: fieldValue(text, colon + 1, end) };
      }
    }
    if (remove) {
      removals ??= [];
      removals.push(position, end);
    }
    position = end;
  }
  return {
    receivedFields,
    hasMessageId,
    hasDate,
    eightBit: hasHighOctet(text, position),
    lacksEmptyLine,
    removals: removals ?? NO_REMOVALS,
    mapped: mapped ?? NOTHING,
  };
}

/** The header section with the CRLF of its last field, one character an octet; `undefined` = too large. */
function headerText(pieces: MessageBody): string | undefined {
  for (let window = FIRST_WINDOW; ; window *= 4) {
    let text = '';
    let whole = true;
    for (const piece of pieces) {
      const room = window - text.length;
      if (room <= 0) {
        whole = false;
        break;
      }
      text += piece.toString('latin1', 0, Math.min(piece.length, room));
      if (piece.length > room) whole = false;
    }
    if (text.startsWith('\r\n')) return '';
    const end = text.indexOf('\r\n\r\n');
    if (end !== -1) return text.slice(0, end + 2);
    if (whole) return text;
    if (window >= MAX_HEADER_BYTES) return undefined;
  }
}

/** End of the name in front of a colon, or -1 when what stands there is no field name (RFC 5322 §3.6.8, obsolete blanks of §4.5.8 allowed). */
function fieldNameEnd(text: string, start: number, colon: number): number {
  let end = colon;
  while (end > start && (text.charCodeAt(end - 1) === 0x20 || text.charCodeAt(end - 1) === 0x09)) end--;
  if (end === start) return -1;
  for (let index = start; index < end; index++) {
    const code = text.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f) return -1;
  }
  return end;
}

/** Start of the field that follows: behind the first CRLF with no blank after it. */
function fieldEnd(text: string, from: number): number {
  for (
    let lineEnd = text.indexOf('\r\n', from);
    lineEnd !== -1;
    lineEnd = text.indexOf('\r\n', lineEnd + 2)
  ) {
    const next = text.charCodeAt(lineEnd + 2);
    if (next !== 0x20 && next !== 0x09) return lineEnd + 2;
  }
  return text.length;
}

function isNamed(text: string, start: number, lowerName: string): boolean {
  for (let index = 0; index < lowerName.length; index++) {
    const code = text.charCodeAt(start + index);
    const lower = code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
    if (lower !== lowerName.charCodeAt(index)) return false;
  }
  return true;
}

function fieldValue(text: string, start: number, end: number): string {
  const value = text
    .slice(start, end)
    .replace(/\r\n[ \t]*/g, ' ')
    .trim();
  return hasHighOctet(value, value.length) ? Buffer.from(value, 'latin1').toString('utf8') : value;
}

function hasHighOctet(text: string, end: number): boolean {
  for (let index = 0; index < end; index++) if (text.charCodeAt(index) > 0x7f) return true;
  return false;
}
