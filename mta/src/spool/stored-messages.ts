import type { Envelope, MessageBody } from './envelope.ts';
import type { StoredMessages } from './sqlite-batch.ts';

/**
 * Small bodies share buffers of this size, octets: each buffer that changes hands costs the threads and the garbage collector as much as some
 * kilobytes of copying. Not larger, because a message that stays in memory keeps all of its buffer.
 */
export const SHARED_BUFFER_BYTES = 16 * 1024;
/** A larger body has buffers of its own. */
export const MAX_SHARING_BYTES = SHARED_BUFFER_BYTES / 2;

/** Gathers what a batch has read, in the store's thread. */
export class StoredMessagesPacker {
  readonly #envelopes: string[] = [];
  readonly #lengths: number[] = [];
  readonly #buffers: ArrayBuffer[] = [];
  #shared = new Uint8Array();
  #sharedUsed = 0;
  /** Octets of all bodies. */
  bytes = 0;

  addMissing(): void {
    this.#envelopes.push('');
    this.#lengths.push(0);
  }

  add(envelope: string, pieces: readonly Uint8Array<ArrayBuffer>[]): void {
    this.#envelopes.push(envelope);
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    this.bytes += bytes;
    if (bytes > MAX_SHARING_BYTES) {
      for (const piece of pieces) this.#buffers.push(wholeBuffer(piece));
      this.#lengths.push(-pieces.length);
      this.#sharedUsed = this.#shared.length;
      return;
    }
    this.#lengths.push(bytes);
    if (bytes === 0) return;
    if (this.#sharedUsed + bytes > this.#shared.length) {
      this.#shared = new Uint8Array(SHARED_BUFFER_BYTES);
      this.#sharedUsed = 0;
      this.#buffers.push(this.#shared.buffer);
    }
    for (const piece of pieces) {
      this.#shared.set(piece, this.#sharedUsed);
      this.#sharedUsed += piece.length;
    }
  }

  finish(): StoredMessages {
    return { envelopes: this.#envelopes, lengths: this.#lengths, buffers: this.#buffers };
  }
}

/** A message as it was accepted. */
export interface ReadMessage {
  readonly envelope: Envelope;
  readonly body: MessageBody;
}

/** By position, `undefined` = there is no such message. The bodies are not copied. */
export function readMessages({
  envelopes,
  lengths,
  buffers,
}: StoredMessages): readonly (ReadMessage | undefined)[] {
  let next = 0;
  let shared: ArrayBuffer | undefined;
  let used = 0;
  return envelopes.map((text, position) => {
    if (text === '') return undefined;
    const envelope: Envelope = JSON.parse(text);
    const length = lengths[position] ?? 0;
    if (length <= 0) {
      if (length < 0) shared = undefined;
      const body = buffers.slice(next, next - length).map((buffer) => Buffer.from(buffer));
      next -= length;
      return { envelope, body };
    }
    if (shared === undefined || used + length > shared.byteLength) {
      shared = buffers[next++] ?? new ArrayBuffer(length);
      used = 0;
    }
    const body = [Buffer.from(shared, used, length)];
    used += length;
    return { envelope, body };
  });
}

/** The buffer of these octets and of no others. */
function wholeBuffer(piece: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return piece.length === piece.buffer.byteLength ? piece.buffer : piece.slice().buffer;
}
