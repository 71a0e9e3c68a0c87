import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { Envelope, MessageBody } from '../envelope.ts';
import type { Store } from '../segment/place.ts';
import type { Layout } from './layout.ts';
import { storedForm } from './message-form.ts';

/** Parts of a large body that are fetched at a time. */
const PARTS_AT_A_TIME = 4;

export interface ReadMessage {
  readonly envelope: Envelope;
  readonly body: MessageBody;
}

/** Fetches messages by their sequence. */
export class MessageReader {
  readonly #manager: JetStreamManager;
  readonly #layout: Layout;

  constructor(manager: JetStreamManager, layout: Layout) {
    this.#manager = manager;
    this.#layout = layout;
  }

  /** The message under a sequence of a segment; `undefined` when there is none, or it is none. Rejects when NATS does not answer. */
  async read(segment: number, store: Store, sequence: number): Promise<ReadMessage | undefined> {
    const stream = this.#layout.streamOf(segment, store);
    const stored = await this.#fetch(stream, sequence);
    if (
      stored === undefined ||
      !stored.subject.startsWith(this.#layout.messageFilter(segment, store).slice(0, -1))
    )
      return undefined;
    const form = storedForm(stored.header, stored.data);
    if (form.kind !== 'message') return undefined;
    if (form.parts.length === 0)
      return { envelope: form.envelope, body: [bytesOf(stored.data, form.bodyFrom)] };
    const body: Buffer[] = [];
    for (let from = 0; from < form.parts.length; from += PARTS_AT_A_TIME) {
      const some = form.parts.slice(from, from + PARTS_AT_A_TIME);
      const parts = await Promise.all(
        some.map((part, index) => this.#part(stream, part, form.envelope.id, from + index)),
      );
      for (const part of parts) {
        if (part === undefined) return undefined;
        body.push(part);
      }
    }
    return { envelope: form.envelope, body };
  }

  async #part(stream: string, sequence: number, id: string, number: number): Promise<Buffer | undefined> {
    const stored = await this.#fetch(stream, sequence);
    if (stored === undefined) return undefined;
    const form = storedForm(stored.header, stored.data);
    return form.kind === 'part' && form.id === id && form.part === number
      ? bytesOf(stored.data, 0)
      : undefined;
  }

  /** From any replica; one that lags behind may not have it yet, so the leader has the last word. */
  async #fetch(stream: string, sequence: number): Promise<StoredMsg | undefined> {
    return (
      (await this.#manager.direct.getMessage(stream, { seq: sequence })) ??
      (await this.#manager.streams.getMessage(stream, { seq: sequence })) ??
      undefined
    );
  }
}

function bytesOf(data: Uint8Array, from: number): Buffer {
  return Buffer.from(data.buffer, data.byteOffset + from, data.byteLength - from);
}
