/** Width of a bucket of the rate record, milliseconds. */
export const RATE_BUCKET_MS = 100;

/** What a sink saw of one source address. */
export interface SourceRecord {
  readonly address: string;
  connections: number;
  peakConnections: number;
  totalConnections: number;
  refusedConnections: number;
  /** Messages taken. */
  messages: number;
  /** RCPTs seen, counted when they arrive, whatever they were answered. */
  recipientsOffered: number;
  /** RCPTs that arrived in each {@link RATE_BUCKET_MS} since the ledger began. */
  readonly buckets: number[];
}

/** Ids of load that `sluice blast` made: `<run>.<number>@…`; anything else is kept as text. */
const BLAST_RECIPIENT = /^([a-z0-9]{1,12})\.(\d{1,9})$/;

/** A recipient got a message, and from which address it came. */
export type DeliveryObserver = (recipient: string, source: string) => void;

/**
 * What really arrived: per source address connections and rates, per recipient how often. It is the judge of every
 * end-to-end test: counted from the wire, not from what Sluice says of itself.
 */
export class Ledger {
  /** When the record of rates begins, by its clock. */
  readonly startMs: number;
  readonly #now: () => number;
  readonly #onDelivered: DeliveryObserver | undefined;
  readonly #sources = new Map<string, SourceRecord>();
  readonly #runs = new Map<string, Uint8Array>();
  readonly #others = new Map<string, number>();
  readonly #refused = new Set<string>();
  #delivered = 0;
  #duplicates = 0;

  /**
   * @param now monotonic milliseconds
   * @param onDelivered told of every delivery when it is counted
   */
  constructor(now: () => number = () => performance.now(), onDelivered?: DeliveryObserver) {
    this.#now = now;
    this.#onDelivered = onDelivered;
    this.startMs = now();
  }

  source(address: string): SourceRecord {
    const known = this.#sources.get(address);
    if (known !== undefined) return known;
    const record: SourceRecord = {
      address,
      connections: 0,
      peakConnections: 0,
      totalConnections: 0,
      refusedConnections: 0,
      messages: 0,
      recipientsOffered: 0,
      buckets: [],
    };
    this.#sources.set(address, record);
    return record;
  }

  connected(source: SourceRecord): void {
    source.totalConnections++;
    source.connections++;
    if (source.connections > source.peakConnections) source.peakConnections = source.connections;
  }

  offered(source: SourceRecord): void {
    source.recipientsOffered++;
    const bucket = Math.floor((this.#now() - this.startMs) / RATE_BUCKET_MS);
    while (source.buckets.length <= bucket) source.buckets.push(0);
    source.buckets[bucket] = (source.buckets[bucket] ?? 0) + 1;
  }

  /** A message for this recipient was taken for good from this source address. */
  delivered(recipient: string, source: string): void {
    this.#delivered++;
    this.#onDelivered?.(recipient, source);
    const parts = BLAST_RECIPIENT.exec(recipient.slice(0, recipient.lastIndexOf('@')));
    const seen =
      parts === null ? this.#countText(recipient) : this.#countNumber(parts[1] ?? '', Number(parts[2]));
    if (seen > 1) this.#duplicates++;
  }

  /** A recipient was refused for good (5xx): the sender must report it, not try again. */
  refused(recipient: string): void {
    this.#refused.add(recipient.slice(0, recipient.lastIndexOf('@')));
  }

  /** Local parts that were refused for good. */
  get refusedRecipients(): ReadonlySet<string> {
    return this.#refused;
  }

  /** The runs of `sluice blast` seen so far: times delivered, by recipient number. */
  get runs(): ReadonlyMap<string, Uint8Array> {
    return this.#runs;
  }

  /** How often the recipient `<run>.<number>` got its message. */
  timesDelivered(run: string, number: number): number {
    return this.#runs.get(run)?.[number] ?? 0;
  }

  get totals(): { readonly delivered: number; readonly duplicates: number } {
    return { delivered: this.#delivered, duplicates: this.#duplicates };
  }

  sources(): readonly SourceRecord[] {
    return [...this.#sources.values()];
  }

  #countNumber(run: string, number: number): number {
    let counts = this.#runs.get(run);
    if (counts === undefined || counts.length <= number) {
      const larger = new Uint8Array(Math.max(1024, 2 ** Math.ceil(Math.log2(number + 1))));
      if (counts !== undefined) larger.set(counts);
      counts = larger;
      this.#runs.set(run, larger);
    }
    const seen = Math.min(255, (counts[number] ?? 0) + 1);
    counts[number] = seen;
    return seen;
  }

  #countText(recipient: string): number {
    const seen = (this.#others.get(recipient) ?? 0) + 1;
    this.#others.set(recipient, seen);
    return seen;
  }
}

/**
 * The most RCPTs of a source in any window of `windowMs` (a multiple of {@link RATE_BUCKET_MS}).
 *
 * Example: buckets [3, 0, 4], 200 ms → 4.
 */
export function busiestWindow(buckets: readonly number[], windowMs: number): number {
  const width = Math.round(windowMs / RATE_BUCKET_MS);
  let sum = 0;
  let most = 0;
  for (let index = 0; index < buckets.length; index++) {
    sum += buckets[index] ?? 0;
    if (index >= width) sum -= buckets[index - width] ?? 0;
    if (sum > most) most = sum;
  }
  return most;
}
