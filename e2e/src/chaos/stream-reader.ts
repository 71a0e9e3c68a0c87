import { DeliverPolicy, type JsMsg, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

/** A request that a cluster loses is made again after so long. */
const PULL_EXPIRES_MS = 2_000;
const READ_AGAIN_MS = 500;

/** Reads a stream from its beginning and goes on for as long as it is open, whatever happens to NATS; each message once, in order. */
export class StreamReader {
  readonly #connection: NatsConnection;
  readonly #stream: string;
  readonly #onMessage: (message: JsMsg) => void;
  #last = 0;
  #closed = false;
  #stop: () => void = () => {};

  constructor(connection: NatsConnection, stream: string, onMessage: (message: JsMsg) => void) {
    this.#connection = connection;
    this.#stream = stream;
    this.#onMessage = onMessage;
    void this.#follow();
  }

  /** Sequence of the last message that was read. */
  get last(): number {
    return this.#last;
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }

  async #follow(): Promise<void> {
    while (!this.#closed) {
      // Without a stream or a leader it fails: then it goes on where it was.
      await this.#read().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, READ_AGAIN_MS));
    }
  }

  async #read(): Promise<void> {
    const consumer = await jetstream(this.#connection).consumers.get(this.#stream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#last + 1,
    });
    const messages = await consumer.consume({ expires: PULL_EXPIRES_MS });
    this.#stop = () => messages.stop();
    try {
      for await (const message of messages) {
        if (this.#closed) return;
        if (message.seq <= this.#last) continue;
        this.#last = message.seq;
        this.#onMessage(message);
      }
    } finally {
      await messages.close().catch(() => undefined);
    }
  }
}
