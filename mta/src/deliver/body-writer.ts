import type { Socket } from 'node:net';
import type { MessageBody } from '../spool/mod.ts';
import { endsLine, stuffed } from './dot-stuffing.ts';

/** Octets handed to the socket at a time: what a slow peer makes us hold besides the body itself, twice at most. */
export const WRITE_BLOCK_BYTES = 128 * 1024;

const FINAL_DOT = Buffer.from('.\r\n');
/** For a body that does not end with a line end: RFC 5321 §4.1.1.4 wants the dot on a line of its own. */
const LINE_END_AND_FINAL_DOT = Buffer.from('\r\n.\r\n');

/** Sends a body as fast as the peer takes it: raw for BDAT, stuffed and with its final dot for DATA. */
export class BodyWriter {
  /** Everything was handed to the socket. */
  done = false;
  readonly #socket: Socket;
  readonly #body: MessageBody;
  readonly #dots: boolean;
  #chunk = 0;
  #offset = 0;
  #atLineStart = true;

  constructor(socket: Socket, body: MessageBody, dots: boolean) {
    this.#socket = socket;
    this.#body = body;
    this.#dots = dots;
  }

  /** Writes until the socket is full or everything is written; call it again on `drain`. */
  pump(): void {
    while (!this.done) {
      const block = this.#next();
      if (block === undefined) {
        this.done = true;
        if (this.#dots) this.#socket.write(finalDot(this.#atLineStart));
        return;
      }
      const roomLeft = this.#socket.write(this.#dots ? stuffed(block, this.#atLineStart) : block);
      this.#atLineStart = endsLine(block, this.#atLineStart);
      if (!roomLeft) {
        this.done = !this.#dots && this.#chunk === this.#body.length;
        return;
      }
    }
  }

  #next(): Buffer | undefined {
    for (let chunk = this.#body[this.#chunk]; chunk !== undefined; chunk = this.#body[this.#chunk]) {
      const from = this.#offset;
      const to = Math.min(chunk.length, from + WRITE_BLOCK_BYTES);
      const last = to === chunk.length;
      this.#offset = last ? 0 : to;
      if (last) this.#chunk++;
      if (to > from) return from === 0 && last ? chunk : chunk.subarray(from, to);
    }
    return undefined;
  }
}

export function finalDot(atLineStart: boolean): Buffer {
  return atLineStart ? FINAL_DOT : LINE_END_AND_FINAL_DOT;
}

/**
 * Copies commands and body behind each other into one buffer, so that a small message leaves in one write.
 *
 * @returns octets used, or -1 when the buffer is too small (its content is then garbage)
 */
export function packMessage(into: Buffer, commands: string, body: MessageBody, dots: boolean): number {
  // One character of a command is at most three octets.
  if (commands.length * 3 > into.length) return -1;
  let used = into.write(commands, 0, 'utf8');
  let atLineStart = true;
  for (const chunk of body) {
    const block = dots ? stuffed(chunk, atLineStart) : chunk;
    if (used + block.length > into.length) return -1;
    into.set(block, used);
    used += block.length;
    atLineStart = endsLine(chunk, atLineStart);
  }
  if (!dots) return used;
  const end = finalDot(atLineStart);
  if (used + end.length > into.length) return -1;
  into.set(end, used);
  return used + end.length;
}
