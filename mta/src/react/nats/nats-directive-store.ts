import type { NatsConnection } from '@nats-io/transport-node';
import { SluiceError } from '@sluice/crds';
import { type Directive, MAX_DIRECTIVES } from '../directive.ts';
import { DirectiveLedger } from '../directive-ledger.ts';
import type { DirectiveSet } from '../directive-set.ts';
import type { DirectiveStore } from '../directive-store.ts';
import { StandingSet } from '../standing-set.ts';
import {
  DirectiveBucket,
  type DirectiveBucketOptions,
  encoded,
  MAX_DIRECTIVE_BYTES,
} from './directive-bucket.ts';

/** What reactions made and the store did not take is offered again after this long; so is a watch that could not begin. */
const RETRY_MS = 1_000;

/** How often it is made sure that the watch is not behind: one that lost its server may not say so for a minute. */
const LOOK_EVERY_MS = 2_000;

/** Clocks wander; a difference below this is not worth making all sets anew. */
const CLOCK_TOLERANCE_MS = 500;

export interface NatsDirectiveStoreOptions extends DirectiveBucketOptions {
  readonly connection: NatsConnection;
  /** Wall time of this pod, milliseconds. */
  readonly nowMs: () => number;
  /** Others, or this pod, put these in force. */
  readonly onInForce: (directives: readonly Directive[]) => void;
  readonly onError: (what: string, error: unknown) => void;
}

/**
 * The directives of all pods on one NATS. What stands in the store is obeyed by everyone; while NATS is gone everyone goes on with what it
 * knows. Times are kept by the store's clock, so that pods whose clocks are wrong agree.
 */
export class NatsDirectiveStore implements DirectiveStore {
  onChange: (() => void) | undefined;
  readonly #options: NatsDirectiveStoreOptions;
  readonly #bucket: DirectiveBucket;
  readonly #ledger = new DirectiveLedger();
  readonly #standing: StandingSet;
  /** What reactions of this pod made and the store has not taken yet, by the pod's clock. */
  readonly #offered = new Map<string, Directive>();
  #clockOffsetMs = 0;
  /** A revision that the watch had not told when it was looked at. */
  #behindAt = 0;
  #trouble: string | undefined = 'not read yet';
  #connected = true;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #watchTimer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(options: NatsDirectiveStoreOptions, bucket: DirectiveBucket) {
    this.#options = options;
    this.#bucket = bucket;
    this.#standing = new StandingSet({
      directives: () => this.#known(),
      nowMs: options.nowMs,
      onChange: () => this.onChange?.(),
    });
  }

  /**
   * Resolves when all that stands is known.
   *
   * @throws {SluiceError} `SLUICE_NATS_UNUSABLE`
   */
  static async open(options: NatsDirectiveStoreOptions): Promise<NatsDirectiveStore> {
    const bucket = await DirectiveBucket.open(options.connection, options, options.nowMs);
    const store = new NatsDirectiveStore(options, bucket);
    try {
      store.#clockOffsetMs = (await bucket.look()).clockOffsetMs;
      await store.#watch();
    } catch (error) {
      store.#end();
      throw error;
    }
    store.#timer = setInterval(() => void store.#look(), LOOK_EVERY_MS);
    store.#timer.unref();
    return store;
  }

  get set(): DirectiveSet {
    return this.#standing.current;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  onDown(reason: string): void {
    this.#connected = false;
    this.#trouble = reason;
  }

  onUp(): void {
    this.#connected = true;
    this.#watchAgain();
    this.#offerAll();
  }

  async put(directives: readonly Directive[]): Promise<void> {
    for (const directive of directives) {
      const refusal = this.#refusal(directive);
      if (refusal !== undefined) throw notStored(refusal, NOTHING_HAPPENED);
    }
    await this.#ordered(async () => {
      for (const directive of directives) {
        const theirs = this.#shifted(directive, this.#clockOffsetMs);
        const revision = await this.#bucket.write(theirs, this.#storeNowMs());
        this.#stored(directive.id, revision, theirs);
      }
    });
  }

  react(directives: readonly Directive[]): void {
    for (const directive of directives) {
      const refusal = this.#refusal(directive);
      if (refusal !== undefined) {
        this.#options.onError('a directive of a reaction is not put in force', new Error(refusal));
        continue;
      }
      this.#offered.set(directive.id, directive);
      void this.#offer(directive);
    }
    this.#standing.changed();
  }

  async remove(ids: readonly string[]): Promise<number> {
    let removed = 0;
    await this.#ordered(async () => {
      for (const id of ids) {
        const offered = this.#offered.delete(id);
        const key = this.#bucket.keyOf(id);
        if (this.#ledger.get(key) !== undefined) {
          this.#ledger.stored(key, await this.#bucket.remove(key), undefined);
          removed++;
        } else if (offered) removed++;
        this.#standing.changed();
      }
    });
    return removed;
  }

  async close(): Promise<void> {
    this.#end();
    await this.#options.connection.close();
  }

  #end(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    clearTimeout(this.#watchTimer);
    this.#standing.close();
    this.#bucket.stop();
  }

  /** By the pod's clock. */
  *#known(): Iterable<Directive> {
    const nowMs = this.#options.nowMs();
    for (const directive of this.#ledger.directives())
      if (!this.#offered.has(directive.id)) yield this.#shifted(directive, -this.#clockOffsetMs);
    for (const directive of this.#offered.values()) {
      if (isOver(directive, nowMs)) this.#offered.delete(directive.id);
      else yield directive;
    }
  }

  #refusal(directive: Directive): string | undefined {
    const bytes = encoded(directive).length;
    if (bytes > MAX_DIRECTIVE_BYTES) return `it has ${bytes} bytes, ${MAX_DIRECTIVE_BYTES} is the most`;
    const known = this.#ledger.size + this.#offered.size;
    const replaces = this.#offered.has(directive.id) || this.#ledger.get(this.#bucket.keyOf(directive.id));
    if (known >= MAX_DIRECTIVES && !replaces) return `there are ${known} directives, which is the most`;
    return undefined;
  }

  async #ordered(write: () => Promise<void>): Promise<void> {
    // Written now it might leave when NATS is back, long after it was said to have failed.
    if (!this.#connected) throw notStored(`NATS is gone: ${this.#trouble ?? ''}`, NOTHING_HAPPENED);
    try {
      await write();
    } catch (error) {
      throw notStored(error instanceof Error ? error.message : String(error), NOT_KNOWN, error);
    }
  }

  #stored(id: string, revision: number | undefined, directive: Directive): void {
    if (revision !== undefined) this.#ledger.stored(this.#bucket.keyOf(id), revision, directive);
    this.#standing.changed();
  }

  /** Offers what a reaction made. A cut that another pod was faster with is dropped: theirs speaks of the same replies. */
  async #offer(directive: Directive): Promise<void> {
    const { id, effect } = directive;
    const isCurrent = (): boolean => this.#offered.get(id) === directive && !this.#closed;
    if (!this.#connected || !isCurrent()) return;
    const theirs = this.#shifted(directive, this.#clockOffsetMs);
    try {
      const key = this.#bucket.keyOf(id);
      const onRevision = effect.type === 'Scale' ? (this.#ledger.get(key)?.revision ?? 0) : undefined;
      let revision = await this.#bucket.write(theirs, this.#storeNowMs(), onRevision);
      if (revision === undefined) {
        const found = await this.#bucket.find(key);
        if (found.directive === undefined)
          revision = await this.#bucket.write(theirs, this.#storeNowMs(), found.revision);
      }
      if (!isCurrent()) return;
      this.#offered.delete(id);
      this.#stored(id, revision, theirs);
    } catch (error) {
      if (!isCurrent()) return;
      this.#options.onError('a directive of a reaction holds here, but is not stored yet', error);
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.#offerAll();
      }, RETRY_MS).unref();
    }
  }

  #offerAll(): void {
    const nowMs = this.#options.nowMs();
    for (const directive of [...this.#offered.values()])
      if (!isOver(directive, nowMs)) void this.#offer(directive);
  }

  /** Resolves when all that stands was told. */
  async #watch(): Promise<void> {
    const { promise: read, resolve, reject } = Promise.withResolvers<void>();
    await this.#bucket.watch({
      onBegan: () => this.#ledger.began(),
      onTold: (key, revision, directive) => {
        if (!this.#ledger.told(key, revision, directive)) return;
        this.#standing.changed();
        if (directive !== undefined) this.#tell([directive]);
      },
      onRead: (revision) => {
        const news = this.#ledger.read(revision);
        this.#behindAt = 0;
        this.#trouble = undefined;
        this.#standing.changed();
        this.#tell(news);
        resolve();
      },
      onBroken: (reason) => {
        this.#trouble = reason;
        reject(new Error(reason));
        this.#watchAgain(RETRY_MS);
      },
      onUnreadable: (key, error) =>
        this.#options.onError(`a directive (${key}) cannot be read and does not hold`, error),
    });
    await read;
  }

  #watchAgain(delayMs = 0): void {
    clearTimeout(this.#watchTimer);
    this.#watchTimer = setTimeout(() => {
      if (this.#closed || !this.#connected) return;
      this.#watch().catch((error: unknown) => {
        this.#trouble ??= error instanceof Error ? error.message : String(error);
        this.#watchAgain(RETRY_MS);
      });
    }, delayMs).unref();
  }

  /** Is the watch behind, and how do the clocks differ? */
  async #look(): Promise<void> {
    if (!this.#connected || this.#closed) return;
    try {
      const { lastRevision, clockOffsetMs } = await this.#bucket.look();
      if (Math.abs(clockOffsetMs - this.#clockOffsetMs) > CLOCK_TOLERANCE_MS) {
        this.#clockOffsetMs = clockOffsetMs;
        this.#standing.changed();
      }
      if (this.#trouble !== undefined || this.#closed) return;
      const behind = this.#behindAt > this.#ledger.toldUntil;
      this.#behindAt = lastRevision;
      if (behind) this.#watchAgain();
    } catch (error) {
      // In trouble it is being watched anew already.
      if (this.#trouble !== undefined) return;
      this.#trouble = `NATS does not answer: ${error instanceof Error ? error.message : String(error)}`;
      this.#watchAgain(RETRY_MS);
    }
  }

  #tell(directives: readonly Directive[]): void {
    if (directives.length > 0) this.#options.onInForce(directives);
  }

  #storeNowMs(): number {
    return this.#options.nowMs() + this.#clockOffsetMs;
  }

  #shifted(directive: Directive, byMs: number): Directive {
    const { createdAtMs, expiresAtMs } = directive;
    return {
      ...directive,
      createdAtMs: createdAtMs + byMs,
      expiresAtMs: expiresAtMs === 0 ? 0 : expiresAtMs + byMs,
    };
  }
}

function isOver({ expiresAtMs }: Directive, nowMs: number): boolean {
  return expiresAtMs > 0 && expiresAtMs <= nowMs;
}

function notStored(reason: string, cure: string, cause?: unknown): SluiceError {
  return new SluiceError('SLUICE_DIRECTIVE_NOT_STORED', { reason, cure }, {}, cause);
}

const NOTHING_HAPPENED = 'Nothing was changed. Give the command again when this is mended.';
const NOT_KNOWN =
  'Whether it is in force is not known: look with `sluice directives`, and give the command again.';
