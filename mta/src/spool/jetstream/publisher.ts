import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node';
import { LARGE_BYTES, publishLarge } from './large-publish.ts';
import type { ApiError } from './refusal.ts';

/** What became of a publish. */
export type PublishResult =
  | { readonly kind: 'stored'; readonly sequence: number }
  /** The server said no: it is not stored. */
  | { readonly kind: 'refused'; readonly error: ApiError }
  /** No answer: it may be stored or not, or still be under way. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** Told once; after `unknown` for want of time once more with `stored` when an answer comes all the same. */
export type Settle = (result: PublishResult) => void;

interface Outgoing {
  readonly token: string;
  readonly subject: string;
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly headers: MsgHdrs;
}

interface Pending {
  readonly settle: Settle;
  readonly bytes: number;
  /** Monotonic, milliseconds. */
  readonly untilMs: number;
}

export interface PublisherOptions {
  readonly timeoutMs: number;
  readonly nowMs: () => number;
}

/** The server says it this way when nobody takes the subject: no stream, or a stream without a leader. */
const NO_RESPONDERS = 503;

/**
 * Publishes to streams and hands out their acks: one subscription for all answers and one timer of the caller for all time-outs.
 * nats.js makes a promise, an error object with a stack and a timer for every request instead; measured in
 * docs/adr/0021-spool-on-jetstream.md.
 */
export class Publisher {
  readonly #connection: NatsConnection;
  readonly #timeoutMs: number;
  readonly #nowMs: () => number;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  /** In the order of publishing, so the first one times out first. */
  readonly #pending = new Map<string, Pending>();
  /** Timed out; an answer may still come. */
  readonly #late = new Map<string, Settle>();
  /** What one turn of the event loop brings goes out in one write. */
  #outgoing: Outgoing[] = [];
  #nextToken = 0;
  #bytesInFlight = 0;

  constructor(connection: NatsConnection, inboxPrefix: string, { timeoutMs, nowMs }: PublisherOptions) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#nowMs = nowMs;
    this.#inbox = `${createInbox(inboxPrefix)}.`;
    this.#subscription = connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#answered(message);
      },
    });
  }

  /** Bytes of payload that are published and not answered. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  /** The pieces of the payload must not change until `settle` is called. */
  publish(subject: string, pieces: readonly Uint8Array[], headers: MsgHdrs, settle: Settle): void {
    const token = (this.#nextToken++).toString(36);
    const untilMs = this.#nowMs() + this.#timeoutMs;
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    this.#pending.set(token, { settle, bytes, untilMs });
    this.#bytesInFlight += bytes;
    const outgoing = { token, subject, pieces, bytes, headers };
    if (this.#outgoing.push(outgoing) === 1) setImmediate(() => this.#send());
  }

  /** Looks for publishes whose time is over. */
  tick(): void {
    const nowMs = this.#nowMs();
    for (const [token, pending] of this.#pending) {
      if (pending.untilMs > nowMs) return;
      this.#take(token);
      this.#late.set(token, pending.settle);
      pending.settle({ kind: 'unknown', reason: `NATS did not answer within ${this.#timeoutMs} ms` });
    }
  }

  /** The connection broke: nothing that is under way will be answered. */
  lost(reason: string): void {
    this.#late.clear();
    for (const [token, { settle }] of this.#pending) {
      this.#take(token);
      settle({ kind: 'unknown', reason });
    }
  }

  close(): void {
    this.#subscription.unsubscribe();
    this.lost('the spool is closed');
  }

  #send(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    for (const { token, subject, pieces, bytes, headers } of outgoing) {
      // The connection may have broken since: its caller knows that already.
      if (!this.#pending.has(token)) continue;
      const reply = this.#inbox + token;
      try {
        if (bytes < LARGE_BYTES) this.#connection.publish(subject, joined(pieces), { reply, headers });
        else if (!publishLarge(this.#connection, subject, pieces, reply, headers))
          this.#refuse(token, 'NATS is not connected');
      } catch (error) {
        // Closed, or larger than max_payload: nothing was sent.
        this.#refuse(token, error instanceof Error ? error.message : String(error));
      }
    }
  }

  #refuse(token: string, description: string): void {
    this.#take(token)?.settle({ kind: 'refused', error: { code: 0, errorCode: 0, description } });
  }

  #take(token: string): Pending | undefined {
    const pending = this.#pending.get(token);
    if (pending === undefined) return undefined;
    this.#pending.delete(token);
    this.#bytesInFlight -= pending.bytes;
    return pending;
  }

  #answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length);
    const settle = this.#take(token)?.settle;
    if (settle !== undefined) return settle(ackOf(message));
    const late = this.#late.get(token);
    if (late === undefined) return;
    this.#late.delete(token);
    const result = ackOf(message);
    if (result.kind === 'stored') late(result);
  }
}

/** nats.js wants a payload in one piece; most small messages are. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
}

/** `{"stream":"s","seq":17}`, or `{"error":{…}}`; parsed at the edge, as everything that comes from NATS. */
function ackOf(message: Msg): PublishResult {
  const { data } = message;
  if (data.length === 0) {
    const code = message.headers?.code ?? 0;
    const description =
      code === NO_RESPONDERS ? 'no stream takes it, or it has no leader' : 'an empty answer';
    return { kind: 'refused', error: { code, errorCode: 0, description } };
  }
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString('latin1'));
  } catch {
    return { kind: 'unknown', reason: 'an ack is no JSON' };
  }
  return parseAck(answer);
}

interface RawAck {
  readonly seq?: unknown;
  readonly error?: { readonly code?: unknown; readonly err_code?: unknown; readonly description?: unknown };
}

/** Exported for its test. */
export function parseAck(answer: unknown): PublishResult {
  const { seq, error } = (answer ?? {}) as RawAck;
  if (error !== undefined) {
    return {
      kind: 'refused',
      error: {
        code: Number(error.code ?? 0),
        errorCode: Number(error.err_code ?? 0),
        description: String(error.description ?? 'no reason given'),
      },
    };
  }
  return typeof seq === 'number' && seq >= 1
    ? { kind: 'stored', sequence: seq }
    : { kind: 'unknown', reason: 'an ack without a sequence' };
}
