import { SEGMENTS, type Store } from '../segment/place.ts';

/** What decides the names of streams and subjects; the same on every pod of a cluster. */
export interface LayoutOptions {
  /** First token of every subject and of every stream's name: `sluice`. */
  readonly prefix: string;
  /** SPOOL streams; segments are dealt out to them in turn. Fixed when the streams are made. */
  readonly spoolStreams: number;
  /** First token of what is about limits; absent = `prefix`. */
  readonly limitsPrefix?: string;
  /** Segments of the ring, at most {@link SEGMENTS}, which it is when absent; tests make it small. Fixed when the streams are made. */
  readonly ringSegments?: number;
}

/** Names of everything on NATS. Few subjects: a segment has one for each owner that it had, ids are in headers. */
export class Layout {
  readonly prefix: string;
  readonly spoolStreams: number;
  readonly limitsPrefix: string;
  readonly journalStream: string;
  readonly deferStream: string;
  readonly ringSegments: number;

  constructor({ prefix, spoolStreams, limitsPrefix = prefix, ringSegments = SEGMENTS }: LayoutOptions) {
    this.prefix = prefix;
    this.limitsPrefix = limitsPrefix;
    this.ringSegments = ringSegments;
    this.spoolStreams = spoolStreams;
    this.journalStream = `${prefix}-journal`;
    this.deferStream = `${prefix}-defer`;
  }

  spoolStream(index: number): string {
    return `${this.prefix}-spool-${index}`;
  }

  /** `sluice-spool-0`, … */
  get spoolStreamNames(): readonly string[] {
    return Array.from({ length: this.spoolStreams }, (_, index) => this.spoolStream(index));
  }

  get streamNames(): readonly string[] {
    return [...this.spoolStreamNames, this.journalStream, this.deferStream];
  }

  /** Subjects that a SPOOL stream takes. */
  spoolSubjects(index: number): string {
    return `${this.prefix}.spool.${index}.>`;
  }

  get journalSubjects(): string {
    return `${this.prefix}.journal.>`;
  }

  get deferSubjects(): string {
    return `${this.prefix}.defer.>`;
  }

  /** The stream of the key-value bucket of sessions. */
  get sessionStream(): string {
    return `KV_${this.prefix}-sessions`;
  }

  get sessionSubjects(): string {
    return `$KV.${this.prefix}-sessions.>`;
  }

  sessionSubject(session: string): string {
    return `$KV.${this.prefix}-sessions.${session}`;
  }

  /** Where a process reports beside its session. */
  reportSubject(session: string): string {
    return `${this.sessionSubject(session)}.egress`;
  }

  /** The stream in which a segment's messages lie. */
  streamOf(segment: number, store: Store): string {
    return store === 'spool' ? this.spoolStream(segment % this.spoolStreams) : this.deferStream;
  }

  /** Where an owner publishes messages of its segment. */
  messageSubject(segment: number, store: Store, epoch: number): string {
    return `${this.#segmentSubject(segment, store)}.${epoch}`;
  }

  /** All messages of a segment, whoever owned it. */
  messageFilter(segment: number, store: Store): string {
    return `${this.#segmentSubject(segment, store)}.>`;
  }

  journalSubject(segment: number): string {
    return `${this.prefix}.journal.${segment}`;
  }

  /** Where the owner of an epoch tells what became of transactions that were open when it released the segment. */
  handoverSubject(segment: number, epoch: number): string {
    return `${this.prefix}.journal.${segment}.handover.${epoch}`;
  }

  /** KV bucket in which pods agree on who lives and who leads limits. */
  get limitsBucket(): string {
    return `${this.limitsPrefix}-limits`;
  }

  /** KV bucket of the directives that all pods obey; who shares limits shares these. */
  get directivesBucket(): string {
    return `${this.limitsPrefix}-directives`;
  }

  /** What pods tell each other about limits. */
  get limitSubjects(): string {
    return `${this.limitsPrefix}.shape.>`;
  }

  /** Where replies to a pod's requests come. */
  get inboxPrefix(): string {
    return `${this.prefix}.inbox`;
  }

  #segmentSubject(segment: number, store: Store): string {
    return store === 'spool'
      ? `${this.prefix}.spool.${segment % this.spoolStreams}.${segment}`
      : `${this.prefix}.defer.${segment}`;
  }
}

/** For the metadata of the streams: what a pod with other ideas would break. */
export function layoutMetadata({ spoolStreams, ringSegments }: Layout): Readonly<Record<string, string>> {
  return {
    'sluice.format': '1',
    'sluice.segments': String(ringSegments),
    'sluice.spoolStreams': String(spoolStreams),
  };
}
