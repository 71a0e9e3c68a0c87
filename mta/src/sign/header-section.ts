import type { MessageBytes } from './message-bytes.ts';

/** One field of a header section; positions are characters of {@link HeaderSection.text}. */
export interface HeaderField {
  /** Lower case, without the blanks that RFC 5322 §4.5.8 lets stand before the colon. */
  readonly name: string;
  readonly start: number;
  readonly colon: number;
  /** Behind its CRLF. */
  readonly end: number;
}

/** The header section of a message and where its body begins. */
export interface HeaderSection {
  /** One character an octet (latin1); ends with the CRLF of the last field. */
  readonly text: string;
  /** In their order, the topmost first. */
  readonly fields: readonly HeaderField[];
  /** Octets in front of the body; the size of the message when it has none. */
  readonly bodyStart: number;
}

/** Most header sections fit; larger ones cost a second look. */
const FIRST_WINDOW = 4096;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * Reads the header section (RFC 5322 §2.2): it ends at the empty line, or with the message. A line that is no field, which
 * intake does not let through, is no field here either: it is never signed.
 *
 * Example: `readHeader([Buffer.from('From: a@b.example\r\n\r\nHi\r\n')]).fields[0]?.name` → `from`
 */
export function readHeader(message: MessageBytes): HeaderSection {
  const { text, bodyStart } = headerText(message);
  const fields: HeaderField[] = [];
  let start = 0;
  while (start < text.length) {
    const end = fieldEnd(text, start);
    const colon = text.indexOf(':', start);
    if (colon > start && colon < end) {
      let nameEnd = colon;
      while (nameEnd > start && isBlank(text.charCodeAt(nameEnd - 1))) nameEnd--;
      fields.push({ name: text.slice(start, nameEnd).toLowerCase(), start, colon, end });
    }
    start = end;
  }
  return { text, fields, bodyStart };
}

function headerText(message: MessageBytes): { readonly text: string; readonly bodyStart: number } {
  for (let window = FIRST_WINDOW; ; window *= 4) {
    let text = '';
    let whole = true;
    for (const piece of message) {
      const room = window - text.length;
      if (room <= 0) {
        whole = false;
        break;
      }
      text += piece.toString('latin1', 0, Math.min(piece.length, room));
      if (piece.length > room) whole = false;
    }
    if (text.startsWith('\r\n')) return { text: '', bodyStart: 2 };
    const end = text.indexOf('\r\n\r\n');
    if (end !== -1) return { text: text.slice(0, end + 2), bodyStart: end + 4 };
    if (whole) return { text, bodyStart: text.length };
  }
}

/** Behind the first CRLF that no blank follows. */
function fieldEnd(text: string, from: number): number {
  for (
    let lineEnd = text.indexOf('\r\n', from);
    lineEnd !== -1;
    lineEnd = text.indexOf('\r\n', lineEnd + 2)
  ) {
    if (!isBlank(text.charCodeAt(lineEnd + 2))) return lineEnd + 2;
  }
  return text.length;
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}
