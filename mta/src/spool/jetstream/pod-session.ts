import {
  type Consumer,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  JsHeaders,
} from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import type { PodFacts } from '@sluice/crds';
import { newMessageId } from '../message-id.ts';
import {
  type Clocks,
  DESTROY_SOCKETS_AFTER_MS,
  OwnSession,
  RENEW_WHILE_SUSPECTING_MS,
} from '../segment/own-session.ts';
import { SessionWatch } from '../segment/session-watch.ts';
import type { Layout } from './layout.ts';
import type { LifeSign } from './life-sign.ts';
import type { Publisher } from './publisher.ts';
import { decodeSession, encodeSession, ensureSessionBucket, type SessionValue } from './session-bucket.ts';
import { PULL_EXPIRES_MS } from './stream-walk.ts';

/** What changed is said so much later: many segments change hands at a time. */
const SAY_SOON_MS = 50;
/** An own renewal that was stored and does not come back within it: the watch is begun anew. */
const ECHO_TIMEOUT_MS = 6_000;
/** Pause before a watch that could not be begun is begun again. */
const WATCH_AGAIN_MS = 500;
/** What is reported beside the session is said again so often: the server forgets what is old, and the bucket may be a new one. */
const REPORT_AGAIN_MS = 300_000;
/** A report that was not stored is said again after so long. */
const REPORT_RETRY_MS = 5_000;

export interface PodSessionOptions {
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly publisher: Publisher;
  readonly layout: Layout;
  readonly replicas: number;
  readonly facts: () => PodFacts;
  readonly life: LifeSign;
  /** Segments that this process claims. */
  readonly claims: () => readonly number[];
  /** Another session said something, or ended. */
  readonly onValue: (value: SessionValue) => void;
  /** An own renewal came back; with the sessions that are dead by observation since. */
  readonly onEcho: (dead: readonly string[]) => void;
}

function clocks(): Clocks {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/** One session of this process: says that it lives, and sees who else does. The shell around {@link OwnSession} and {@link SessionWatch}, which decide. */
export class PodSession {
  readonly id: string;
  readonly watch = new SessionWatch();
  readonly #options: PodSessionOptions;
  readonly #own = new OwnSession(clocks());
  #renewals = 0;
  /** When each own renewal that has not come back was sent, monotonic. */
  readonly #sent = new Map<number, number>();
  /** When the oldest renewal that was acknowledged since the last echo was sent. */
  #unechoedAtMs = Number.POSITIVE_INFINITY;
  #renewAtMs = 0;
  #sayTimer: NodeJS.Timeout | undefined;
  #echoed = false;
  #watchBegunAtMs = Number.POSITIVE_INFINITY;
  #proves = false;
  #consumer: Consumer | undefined;
  #messages: ConsumerMessages | undefined;
  #beginning = false;
  #watchAgainAtMs = 0;
  #report: Uint8Array | undefined;
  #reportAtMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: PodSessionOptions) {
    this.#options = options;
    this.id = newMessageId(Date.now());
  }

  get standing(): 'valid' | 'paused' | 'over' {
    return this.#own.standing(clocks());
  }

  /** Since the last renewal that was acknowledged was sent. */
  get renewalAgeMs(): number {
    return performance.now() - this.#own.overAtMs + DESTROY_SOCKETS_AFTER_MS;
  }

  /** It knows who else lives. */
  get isKnown(): boolean {
    return this.#echoed;
  }

  /** To be called several times a second. */
  tick(): void {
    if (this.#closed) return;
    const nowMs = performance.now();
    if (this.#messages !== undefined && nowMs - this.#unechoedAtMs > ECHO_TIMEOUT_MS) this.interrupted();
    if (this.#messages === undefined && !this.#beginning && nowMs >= this.#watchAgainAtMs)
      void this.#beginWatch();
    if (nowMs >= this.#renewAtMs) this.#renew(false);
    if (nowMs >= this.#reportAtMs) this.#sayReport(nowMs);
  }

  /** Said beside the session at the next tick, and from time to time. */
  report(bytes: Uint8Array): void {
    this.#report = bytes;
    this.#reportAtMs = 0;
  }

  /** The connection broke, or the watch gives nothing: it is begun anew. */
  interrupted(): void {
    this.watch.interrupted();
    this.#watchBegunAtMs = Number.POSITIVE_INFINITY;
    this.#unechoedAtMs = Number.POSITIVE_INFINITY;
    this.#proves = false;
    this.#endWatch();
  }

  /** What is claimed or said of the process changed. */
  saySoon(): void {
    if (this.#sayTimer !== undefined || this.#closed) return;
    this.#sayTimer = setTimeout(() => {
      this.#sayTimer = undefined;
      if (!this.#closed) this.#renew(false);
    }, SAY_SOON_MS);
  }

  /** The last word; resolves when it is stored, or cannot be said. */
  end(): Promise<void> {
    const said = new Promise<void>((resolve) => this.#renew(true, resolve));
    this.close();
    return said;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#sayTimer);
    this.#endWatch();
  }

  #renew(ended: boolean, settled: () => void = () => undefined): void {
    const { publisher, layout, facts, claims, life } = this.#options;
    const sentAt = clocks();
    const renewals = ++this.#renewals;
    this.#renewAtMs = sentAt.monotonicMs + this.watch.renewEveryMs(sentAt.monotonicMs);
    this.#sent.set(renewals, sentAt.monotonicMs);
    const value: SessionValue = { session: this.id, renewals, ended, segments: claims(), life, ...facts() };
    publisher.publish(layout.sessionSubject(this.id), [encodeSession(value)], headers(), (result) => {
      settled();
      if (result.kind !== 'stored') {
        // The bucket may be gone with its server's disk.
        if (result.kind === 'refused' && !this.#closed) this.#mendBucket();
        return;
      }
      this.#own.renewed(sentAt, clocks());
      if (this.#sent.has(renewals)) this.#unechoedAtMs = Math.min(this.#unechoedAtMs, performance.now());
    });
  }

  #sayReport(nowMs: number): void {
    const { publisher, layout } = this.#options;
    const report = this.#report;
    if (report === undefined) return;
    this.#reportAtMs = nowMs + REPORT_AGAIN_MS;
    // Only the last one matters: without it the bucket would keep as many as it keeps of sessions.
    const rollup = headers();
    rollup.set(JsHeaders.RollupHdr, JsHeaders.RollupValueSubject);
    publisher.publish(layout.reportSubject(this.id), [report], rollup, ({ kind }) => {
      if (kind !== 'stored')
        this.#reportAtMs = Math.min(this.#reportAtMs, performance.now() + REPORT_RETRY_MS);
    });
  }

  #mendBucket(): void {
    this.#renewAtMs = Math.min(this.#renewAtMs, performance.now() + RENEW_WHILE_SUSPECTING_MS);
    const { manager, layout, replicas } = this.#options;
    ensureSessionBucket(manager, layout.sessionStream, layout.sessionSubjects, replicas).catch(
      () => undefined,
    );
  }

  async #beginWatch(): Promise<void> {
    const { client, layout } = this.#options;
    this.#beginning = true;
    try {
      const consumer = await client.consumers.get(layout.sessionStream, {
        filter_subjects: layout.sessionSubjects,
        deliver_policy: DeliverPolicy.LastPerSubject,
      });
      if (this.#closed) return void consumer.delete().catch(() => undefined);
      this.#consumer = consumer;
      const messages = await consumer.consume({
        max_messages: 1_000,
        expires: PULL_EXPIRES_MS,
        callback: (message) => {
          if (this.#consumer === consumer) this.#read(message.data);
        },
      });
      if (this.#consumer !== consumer) return void messages.close().catch(() => undefined);
      this.#messages = messages;
      this.#watchBegunAtMs = performance.now();
      // Its first echo proves that the last values of all are read.
      this.#renew(false);
    } catch {
      this.#watchAgainAtMs = performance.now() + WATCH_AGAIN_MS;
      this.#endWatch();
    } finally {
      this.#beginning = false;
    }
  }

  #endWatch(): void {
    const { consumer, messages } = { consumer: this.#consumer, messages: this.#messages };
    this.#consumer = undefined;
    this.#messages = undefined;
    void messages?.close().catch(() => undefined);
    void consumer?.delete().catch(() => undefined);
  }

  #read(bytes: Uint8Array): void {
    const value = decodeSession(bytes);
    if (value === undefined || this.#closed) return;
    const nowMs = performance.now();
    if (value.session === this.id) {
      this.#echo(value.renewals, nowMs);
      return;
    }
    this.watch.revision(value, nowMs);
    if (value.ended) this.watch.ended(value.session, nowMs);
    this.#options.onValue(value);
  }

  #echo(renewals: number, nowMs: number): void {
    const sentAtMs = this.#sent.get(renewals);
    for (const number of this.#sent.keys()) if (number <= renewals) this.#sent.delete(number);
    this.#unechoedAtMs = Number.POSITIVE_INFINITY;
    if (sentAtMs === undefined || sentAtMs < this.#watchBegunAtMs) return;
    if (!this.#proves) {
      this.#proves = true;
      this.watch.began(nowMs);
      this.#echoed = true;
    }
    this.#options.onEcho(this.watch.echo(sentAtMs, nowMs));
  }
}
