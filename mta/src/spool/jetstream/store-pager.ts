import { type Consumer, type ConsumerMessages, DeliverPolicy, type JsMsg } from '@nats-io/jetstream';
import type { StoredItem } from '../segment/owner-command.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { type SeenMessage, seenMessage, storedItem } from './store-items.ts';
import { PULL_EXPIRES_MS } from './stream-walk.ts';

/** Items of one page. */
const PAGE_ITEMS = 1_000;
/** Headers that are on their way while a page is worked on. */
const AHEAD = 2_000;
/** A page that is empty after so long says that there is nothing for now. */
const WAIT_MS = 100;

/** A consumer that gave nothing for so long may be one that the cluster lost: it is made anew. The library notices too, after ten seconds. */
const DOUBT_AFTER_MS = 2_000;

/**
 * Reads a segment's headers in one store, page by page, through one consumer that stays as long as the pages follow on one another.
 */
export class StorePager {
  readonly #context: SpoolContext;
  readonly #stream: string;
  readonly #filter: string;
  readonly #onSeen: (seen: SeenMessage) => void;
  #consumer: Consumer | undefined;
  #messages: ConsumerMessages | undefined;
  #arrived: JsMsg[] = [];
  #wake: (() => void) | undefined;
  /** Sequence of the last item that was given out, or where the consumer began. */
  #after = -1;
  /** Counts beginnings and ends. */
  #turn = 0;
  /** When something came last, or the consumer was made; monotonic. */
  #cameAtMs = 0;

  constructor(context: SpoolContext, stream: string, filter: string, onSeen: (seen: SeenMessage) => void) {
    this.#context = context;
    this.#stream = stream;
    this.#filter = filter;
    this.#onSeen = onSeen;
  }

  /** The next items after a sequence; none = nothing for now. */
  async page(after: number): Promise<readonly StoredItem[]> {
    if (after !== this.#after) await this.#begin(after);
    const items: StoredItem[] = [];
    while (items.length === 0) {
      if (this.#arrived.length === 0 && !(await this.#arrival())) {
        if (performance.now() - this.#cameAtMs > DOUBT_AFTER_MS) await this.close();
        break;
      }
      for (const message of this.#arrived.splice(0, PAGE_ITEMS)) {
        const seen = await seenMessage(this.#context, this.#stream, message);
        const item = storedItem(seen);
        if (item === undefined) continue;
        this.#onSeen(seen);
        items.push(item);
        this.#after = item.sequence;
      }
    }
    return items;
  }

  async close(): Promise<void> {
    const { consumer, messages } = { consumer: this.#consumer, messages: this.#messages };
    this.#consumer = undefined;
    this.#messages = undefined;
    this.#arrived = [];
    this.#after = -1;
    this.#turn++;
    await messages?.close();
    await consumer?.delete().catch(() => undefined);
  }

  async #begin(after: number): Promise<void> {
    await this.close();
    const turn = this.#turn;
    const consumer = await this.#context.client.consumers.get(this.#stream, {
      filter_subjects: this.#filter,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: after + 1,
      headers_only: true,
    });
    // The segment was given up meanwhile.
    if (this.#turn !== turn) return void consumer.delete().catch(() => undefined);
    this.#after = after;
    this.#consumer = consumer;
    this.#cameAtMs = performance.now();
    const messages = await consumer.consume({
      max_messages: AHEAD,
      expires: PULL_EXPIRES_MS,
      callback: (message) => {
        if (this.#consumer !== consumer) return;
        this.#arrived.push(message);
        this.#cameAtMs = performance.now();
        this.#wake?.();
      },
    });
    if (this.#consumer === consumer) this.#messages = messages;
    else await messages.close();
  }

  /** `false` = nothing came. */
  #arrival(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(false), WAIT_MS);
      const done = (came: boolean): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve(came);
      };
      this.#wake = () => done(true);
    });
  }
}
