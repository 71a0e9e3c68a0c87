import { type EventType, isTerminal } from './event.ts';

/** A batch is stored as soon as it has this many bytes… */
export const BATCH_BYTES = 256 * 1024;
/** … or when its first event is this old, milliseconds. */
export const BATCH_AGE_MS = 50;
/** Bytes of events that wait for the stream before those that may be missing are dropped. */
export const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Batches that are sent and not answered. */
export const MAX_IN_FLIGHT = 8;
/** Pause before a batch that was not stored is offered again; doubles up to the second one. */
const RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;

/** Events of one type, stored as one message. */
export interface EventBatch {
  readonly type: EventType;
  /** Counts from 1: with the name of the process it is the same however often the batch is sent. */
  readonly number: number;
  readonly count: number;
  /** JSON lines. */
  readonly payload: Buffer;
}

/** What became of a batch. `again`: perhaps it is stored, perhaps not; `never`: the server will not take it. */
export type StoreResult =
  | { readonly kind: 'stored' }
  | { readonly kind: 'again' | 'never'; readonly reason: string };

export interface EventStreamOptions {
  /** Sends a batch; never rejects. */
  readonly store: (batch: EventBatch) => Promise<StoreResult>;
  /** `Complete`: {@link EventStream.stored} has something to wait for, and terminal events are never dropped. */
  readonly guarantee: 'Complete' | 'BestEffort';
  /** Called with a reason when storing begins to fail, and with `undefined` when it works again. */
  readonly onState: (reason: string | undefined) => void;
  readonly maxBatchBytes?: number;
  readonly maxWaitingBytes?: number;
}

interface OpenBatch {
  readonly type: EventType;
  readonly lines: string[];
  bytes: number;
  /** Told when it is stored, or given up. */
  readonly waiting: (() => void)[];
}

/**
 * Gathers events into batches and has them stored, again and again until they are. Memory is bounded: beyond
 * {@link MAX_WAITING_BYTES} events are dropped and counted, except terminal ones under `Complete`, of which there are no more than
 * outcomes that wait to be recorded.
 */
export class EventStream {
  readonly #options: EventStreamOptions;
  readonly #maxBatchBytes: number;
  readonly #maxWaitingBytes: number;
  readonly #open = new Map<EventType, OpenBatch>();
  readonly #sealed: OpenBatch[] = [];
  /** Sealed and not settled, in flight ones too. */
  readonly #unsettled = new Set<OpenBatch>();
  #inFlight = 0;
  #number = 0;
  #waitingBytes = 0;
  #dropped = 0;
  #trouble: string | undefined;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.#maxBatchBytes = options.maxBatchBytes ?? BATCH_BYTES;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? MAX_WAITING_BYTES;
  }

  /** Events that are not in the stream and never will be. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Bytes of events that are not stored yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Why the last batch was not stored; `undefined` = all is well. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Takes an event, a JSON line that ends in `\n`. */
  add(type: EventType, line: string): void {
    const bytes = Buffer.byteLength(line);
    const mayBeMissing = this.#options.guarantee === 'BestEffort' || !isTerminal(type);
    if (this.#closed || (mayBeMissing && this.#waitingBytes + bytes > this.#maxWaitingBytes)) {
      this.#dropped++;
      return;
    }
    this.#waitingBytes += bytes;
    let batch = this.#open.get(type);
    if (batch !== undefined && batch.bytes + bytes > this.#maxBatchBytes) {
      this.#seal(batch);
      batch = undefined;
    }
    if (batch === undefined) {
      batch = { type, lines: [], bytes: 0, waiting: [] };
      this.#open.set(type, batch);
      this.#timer ??= setTimeout(() => this.#sealAll(), BATCH_AGE_MS);
    }
    batch.lines.push(line);
    batch.bytes += bytes;
    if (batch.bytes >= this.#maxBatchBytes) this.#seal(batch);
  }

  /** Resolves when all terminal events taken so far are stored; `undefined` = they are, or may be missing. */
  stored(): Promise<void> | undefined {
    if (this.#options.guarantee === 'BestEffort') return undefined;
    for (const batch of this.#open.values()) if (isTerminal(batch.type)) this.#seal(batch);
    return settled([...this.#unsettled].filter(({ type }) => isTerminal(type)));
  }

  /** Resolves when everything taken so far is stored or given up. */
  async flush(): Promise<void> {
    this.#sealAll();
    await settled([...this.#unsettled]);
  }

  /** What is not stored by now is given up. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const batch of [...this.#open.values(), ...this.#unsettled]) this.#settle(batch, false);
    this.#open.clear();
    this.#sealed.length = 0;
  }

  #sealAll(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const batch of this.#open.values()) this.#seal(batch);
  }

  #seal(batch: OpenBatch): void {
    this.#open.delete(batch.type);
    this.#unsettled.add(batch);
    this.#sealed.push(batch);
    this.#send();
  }

  #send(): void {
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const batch = this.#sealed.shift();
      if (batch === undefined) return;
      this.#inFlight++;
      void this.#store(batch).finally(() => {
        this.#inFlight--;
        this.#send();
      });
    }
  }

  async #store(batch: OpenBatch): Promise<void> {
    const { type, lines } = batch;
    const payload = Buffer.from(lines.join(''));
    const sent: EventBatch = { type, number: ++this.#number, count: lines.length, payload };
    for (let retryMs = RETRY_MS; !this.#closed; retryMs = Math.min(MAX_RETRY_MS, retryMs * 2)) {
      const result = await this.#options.store(sent);
      if (this.#closed) return;
      this.#tell(result);
      if (result.kind !== 'again') return this.#settle(batch, result.kind === 'stored');
      await new Promise((resolve) => setTimeout(resolve, retryMs).unref());
    }
  }

  #settle(batch: OpenBatch, stored: boolean): void {
    this.#unsettled.delete(batch);
    this.#waitingBytes -= batch.bytes;
    if (!stored) this.#dropped += batch.lines.length;
    for (const resolve of batch.waiting) resolve();
  }

  #tell(result: StoreResult): void {
    const before = this.#trouble;
    this.#trouble = result.kind === 'stored' ? undefined : result.reason;
    if ((before === undefined) !== (this.#trouble === undefined)) this.#options.onState(this.#trouble);
  }
}

function settled(batches: readonly OpenBatch[]): Promise<void> | undefined {
  if (batches.length === 0) return undefined;
  return new Promise((resolve) => {
    let left = batches.length;
    for (const { waiting } of batches) {
      waiting.push(() => {
        left--;
        if (left === 0) resolve();
      });
    }
  });
}
