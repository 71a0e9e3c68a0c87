/** A reply as it came over the wire; `lines` hold the text after the code, one character per octet (latin1). */
export interface WireReply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** Octets that one reply may have, all lines together. RFC 5321 §4.5.3.1.5 allows 512 a line; real ones are longer. */
export const MAX_REPLY_BYTES = 32 * 1024;

const MINUS = 0x2d;
const SPACE = 0x20;
const CR = 0x0d;

/**
 * Splits what a server sends into replies (RFC 5321 §4.2), however the octets are cut into pieces.
 *
 * Accepted beyond the grammar, because servers do it: a bare LF as line end, a code without text.
 * Not accepted: codes outside 200–599, lines of one reply whose codes differ (§4.2.1: they MUST be the same, and
 * which of them would count is anybody's guess), more than {@link MAX_REPLY_BYTES}. The first such thing sets
 * {@link violation}, after which nothing more is returned: where the next reply starts is not known.
 *
 * Example: `parser.push(Buffer.from('250-a\r\n250 b\r\n')); parser.next()` → `{ code: 250, lines: ['a', 'b'] }`
 */
export class ReplyParser {
  /** What was wrong, in words for the log. */
  violation: string | undefined;
  #pending = '';
  #at = 0;
  #code = 0;
  #lines: string[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    const text = chunk.toString('latin1');
    this.#pending = this.#at < this.#pending.length ? this.#pending.slice(this.#at) + text : text;
    this.#at = 0;
  }

  /** No octet of an unfinished reply, none of a further one is waiting. */
  get empty(): boolean {
    return this.#at === this.#pending.length && this.#lines.length === 0;
  }

  /** The next complete reply; `undefined` when more octets are needed or after a {@link violation}. */
  next(): WireReply | undefined {
    while (this.violation === undefined) {
      const end = this.#pending.indexOf('\n', this.#at);
      if (end === -1) {
        if (this.#bytes + this.#pending.length - this.#at > MAX_REPLY_BYTES) this.violation = TOO_LONG;
        return undefined;
      }
      const stop = end > this.#at && this.#pending.charCodeAt(end - 1) === CR ? end - 1 : end;
      const line = this.#pending.slice(this.#at, stop);
      this.#bytes += end + 1 - this.#at;
      this.#at = end + 1;
      const reply = this.#line(line);
      if (reply !== undefined) return reply;
    }
    return undefined;
  }

  #line(line: string): WireReply | undefined {
    const code = codeOf(line);
    const separator = line.length > 3 ? line.charCodeAt(3) : SPACE;
    if (code === 0 || (separator !== SPACE && separator !== MINUS)) {
      this.violation = `not an SMTP reply: "${line.slice(0, 80)}"`;
      return undefined;
    }
    if (this.#bytes > MAX_REPLY_BYTES) {
      this.violation = TOO_LONG;
      return undefined;
    }
    if (this.#lines.length > 0 && code !== this.#code) {
      this.violation = `codes ${this.#code} and ${code} in one reply`;
      return undefined;
    }
    const text = line.slice(4);
    if (separator === MINUS) {
      this.#code = code;
      this.#lines.push(text);
      return undefined;
    }
    const lines = this.#lines;
    this.#bytes = 0;
    if (lines.length === 0) return { code, lines: [text] };
    this.#lines = [];
    lines.push(text);
    return { code, lines };
  }
}

const TOO_LONG = `a reply of more than ${MAX_REPLY_BYTES} octets`;

/** The three digits, or 0 when there are none in the range 200–599. */
function codeOf(line: string): number {
  const hundreds = line.charCodeAt(0) - 48;
  const tens = line.charCodeAt(1) - 48;
  const ones = line.charCodeAt(2) - 48;
  if (!(hundreds >= 2 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9)) return 0;
  return hundreds * 100 + tens * 10 + ones;
}
