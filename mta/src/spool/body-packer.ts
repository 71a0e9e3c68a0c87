import type { MessageBody } from './envelope.ts';

/** Smallest buffer that bodies are packed into; batches of small mail share it, bytes. */
const SMALLEST_BYTES = 256 * 1024;
/** Larger ones are given back to the system instead of being kept for the next batch, bytes. */
const LARGEST_KEPT_BYTES = 8 * 1024 * 1024;
/** Buffers kept: one is with the store, one is being filled. */
const KEPT = 2;

/** Buffers for the bodies of one batch: they go to the store's thread and come back. */
export class PackBuffers {
  readonly #kept: ArrayBuffer[] = [];

  /** A buffer with at least so many bytes; their content is whatever was in it before. */
  take(bytes: number): ArrayBuffer {
    const index = this.#kept.findIndex((buffer) => buffer.byteLength >= bytes);
    if (index >= 0) {
      const [kept] = this.#kept.splice(index, 1);
      if (kept !== undefined) return kept;
    }
    return new ArrayBuffer(Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(bytes))));
  }

  giveBack(buffer: ArrayBuffer): void {
    if (buffer.byteLength > LARGEST_KEPT_BYTES) return;
    if (this.#kept.length < KEPT) this.#kept.push(buffer);
    else if (this.#kept[0]!.byteLength < buffer.byteLength) this.#kept[0] = buffer;
  }
}

/**
 * Copies a body piece by piece. It is copied and not transferred, because it is delivered from memory at the same time;
 * the copy costs less than anything that would avoid it (docs/adr/0003-sqlite-spool.md).
 */
export class BodyCursor {
  readonly #body: MessageBody;
  #chunk = 0;
  #offset = 0;

  constructor(body: MessageBody) {
    this.#body = body;
  }

  /** Copies the next `length` bytes to `into` at `at`; the caller knows that there are so many. */
  copy(into: Uint8Array, at: number, length: number): void {
    let done = 0;
    while (done < length) {
      const chunk = this.#body[this.#chunk]!;
      const rest = chunk.length - this.#offset;
      if (rest <= length - done) {
        into.set(this.#offset === 0 ? chunk : chunk.subarray(this.#offset), at + done);
        done += rest;
        this.#chunk++;
        this.#offset = 0;
      } else {
        into.set(chunk.subarray(this.#offset, this.#offset + length - done), at + done);
        this.#offset += length - done;
        done = length;
      }
    }
  }
}

/** Bytes of a body. */
export function bodyBytes(body: MessageBody): number {
  let bytes = 0;
  for (const chunk of body) bytes += chunk.length;
  return bytes;
}
