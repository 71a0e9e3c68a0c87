import type { MessageBody } from './envelope.ts';

/** Smallest buffer that bodies are packed into; batches of small mail share it, bytes. */
const SMALLEST_BYTES = 256 * 1024;
/** Larger ones are given back to the system instead of being kept for the next batch, bytes. */
const LARGEST_KEPT_BYTES = 8 * 1024 * 1024;
/** Buffers kept: one is with the store, one is being filled. */
const KEPT = 2;

/** Bodies of one batch, one after the other in one buffer that can be handed to another thread and comes back. */
export class BodyPacker {
  readonly #kept: ArrayBuffer[] = [];

  /** A buffer with at least so many bytes. */
  take(bytes: number): ArrayBuffer {
    const index = this.#kept.findIndex((buffer) => buffer.byteLength >= bytes);
    if (index >= 0) {
      const [kept] = this.#kept.splice(index, 1);
      if (kept !== undefined) return kept;
    }
    return new ArrayBuffer(Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(bytes))));
  }

  giveBack(buffer: ArrayBuffer): void {
    if (buffer.byteLength <= LARGEST_KEPT_BYTES && this.#kept.length < KEPT) this.#kept.push(buffer);
  }
}

/** Copies a body to its place; returns its length. */
export function packBody(body: MessageBody, into: Uint8Array, offset: number): number {
  let at = offset;
  for (const chunk of body) {
    into.set(chunk, at);
    at += chunk.length;
  }
  return at - offset;
}
