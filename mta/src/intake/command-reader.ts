import { isUtf8 } from 'node:buffer';
import type { BareLineEnding } from './data-phase.ts';

/** Octets of a command line, CRLF included: RFC 5321's 512 plus room for parameters, and RFC 4954's for a response to AUTH. */
export const MAX_COMMAND_BYTES = 12_288;

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

export type CommandFlaw = 'commandTooLong' | 'bareCommand' | 'notUtf8';

/**
 * Cuts command lines out of what arrives. A line ends at LF; when that LF stands alone, or the line holds a CR or a NUL,
 * it is no command but a flaw: it is neither run nor glued to the next line.
 */
export class CommandReader {
  /** Index behind the line that {@link read} returned. */
  next = 0;
  readonly #allowBareLf: boolean;
  #partial = NOTHING;
  #skipping = false;

  constructor(bareLineEnding: BareLineEnding) {
    this.#allowBareLf = bareLineEnding === 'Normalize';
  }

  /** A line has begun and not ended yet. */
  get inside(): boolean {
    return this.#partial.length > 0 || this.#skipping;
  }

  /** The next line without its end, a flaw of it, or `undefined` when it is not complete yet (all of the chunk is taken then). */
  read(chunk: Buffer, from: number): string | { readonly flaw: CommandFlaw } | undefined {
    const lf = chunk.indexOf(LF, from);
    if (lf === -1) {
      this.next = chunk.length;
      if (this.#skipping) return undefined;
      const size = this.#partial.length + chunk.length - from;
      if (size >= MAX_COMMAND_BYTES) {
        this.#skipping = true;
        this.#partial = NOTHING;
        return undefined;
      }
      // Commands may be joined: they are short, and bounded.
      this.#partial = Buffer.concat([this.#partial, chunk.subarray(from)], size);
      return undefined;
    }
    this.next = lf + 1;
    if (this.#skipping) {
      this.#skipping = false;
      return { flaw: 'commandTooLong' };
    }
    if (this.#partial.length === 0) return this.#line(chunk, from, lf);
    const line = Buffer.concat([this.#partial, chunk.subarray(from, lf + 1)]);
    this.#partial = NOTHING;
    return this.#line(line, 0, line.length - 1);
  }

  #line(octets: Buffer, start: number, lf: number): string | { readonly flaw: CommandFlaw } {
    if (lf + 1 - start > MAX_COMMAND_BYTES) return { flaw: 'commandTooLong' };
    const crlf = lf > start && octets[lf - 1] === CR;
    if (!crlf && !this.#allowBareLf) return { flaw: 'bareCommand' };
    const end = crlf ? lf - 1 : lf;
    const text = octets.toString('latin1', start, end);
    let high = false;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code === CR || code === 0) return { flaw: 'bareCommand' };
      if (code > 0x7f) high = true;
    }
    if (!high) return text;
    const line = octets.subarray(start, end);
    return isUtf8(line) ? line.toString('utf8') : { flaw: 'notUtf8' };
  }
}
