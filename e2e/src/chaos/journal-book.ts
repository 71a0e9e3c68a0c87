import type { JournalBatch } from '@sluice/mta/spool';

/** A batch as the JOURNAL stream has it. */
export interface JournalledBatch {
  readonly subject: string;
  readonly sequence: number;
  /** When the stream's leader took it, wall time. */
  readonly atMs: number;
  readonly batch: JournalBatch;
}

/** A pod said that it forgot all it knew of a segment, although its session goes on. */
export interface DroppedSegment {
  readonly pod: string;
  readonly segment: number;
  readonly atMs: number;
}

/** A segment in one hand without a break: nothing that is known of it is forgotten in between. */
export interface Tenure {
  readonly segment: number;
  readonly session: string;
  /** Sequence and time of its first fence. */
  readonly from: number;
  readonly fromMs: number;
  /** `open`: it has the segment still. `lost`: somebody took it who was not given it. */
  ended: 'open' | 'released' | 'lost';
  /** Sequence from which on it is over. */
  to: number;
  toMs: number;
}

/** What the journal says of a group of a message, in its order. */
export interface GroupEntry {
  readonly kind: 'inflight' | 'deferred' | 'done';
  readonly segment: number;
  readonly sequence: number;
  /** Who ended the transaction. */
  readonly session: string;
  /** `deferred`: indexes of the recipients that are still to be tried. */
  readonly pending: ReadonlySet<number>;
}

interface Turn {
  readonly kind: 'fence' | 'released';
  readonly session: string;
  readonly sequence: number;
  readonly atMs: number;
}

const NOBODY: ReadonlySet<number> = new Set();

/**
 * The books of the judge: everything that was ever stored in JOURNAL, of which the pods themselves keep only what still matters. Pure. It knows what
 * records mean and shares no other code with the pods.
 */
export class JournalBook {
  readonly #turns = new Map<number, Turn[]>();
  readonly #groups = new Map<string, GroupEntry[]>();
  #lastSequence = 0;
  #missing = 0;

  /** Batches that were purged before they were read: the books have a hole. */
  get missing(): number {
    return this.#missing;
  }

  /** Batches come in the order of the stream; what was read before is left out. */
  take({ subject, sequence, atMs, batch }: JournalledBatch): void {
    if (sequence <= this.#lastSequence) return;
    this.#missing += sequence - this.#lastSequence - 1;
    this.#lastSequence = sequence;
    const [, , segmentToken, isHandover] = subject.split('.');
    const segment = Number(segmentToken);
    const { session } = batch;
    for (const record of batch.records) {
      if (isHandover === undefined && (record.kind === 'fence' || record.kind === 'released')) {
        const turns = this.#turns.get(segment) ?? [];
        this.#turns.set(segment, turns);
        turns.push({ kind: record.kind, session, sequence, atMs });
      } else if (record.kind === 'inflight' || record.kind === 'done' || record.kind === 'deferred') {
        const key = groupKey(record.place.id, record.group);
        const entries = this.#groups.get(key) ?? [];
        this.#groups.set(key, entries);
        const pending = record.kind === 'deferred' ? new Set(record.state.pending) : NOBODY;
        entries.push({ kind: record.kind, segment, sequence, session, pending });
      }
    }
  }

  /** What is said of a group of a message. */
  group(id: string, group: number): readonly GroupEntry[] {
    return this.#groups.get(groupKey(id, group)) ?? [];
  }

  /** Who had a segment, one after the other. A fence of the same session is the same tenure, unless its pod says that it forgot what it knew. */
  tenures(
    segment: number,
    dropped: readonly DroppedSegment[],
    podOf: (session: string) => string | undefined,
  ): readonly Tenure[] {
    const tenures: Tenure[] = [];
    for (const turn of this.#turns.get(segment) ?? []) {
      const last = tenures.at(-1);
      if (turn.kind === 'released') {
        if (last?.ended === 'open') end(last, 'released', turn);
        continue;
      }
      const isSame = last?.ended === 'open' && last.session === turn.session;
      const forgot = (each: DroppedSegment): boolean =>
        each.segment === segment &&
        each.pod === podOf(turn.session) &&
        each.atMs >= (last?.fromMs ?? 0) &&
        each.atMs <= turn.atMs;
      if (isSame && !dropped.some(forgot)) continue;
      if (last?.ended === 'open') end(last, 'lost', turn);
      const { session, sequence, atMs } = turn;
      tenures.push({
        segment,
        session,
        from: sequence,
        fromMs: atMs,
        ended: 'open',
        to: Number.POSITIVE_INFINITY,
        toMs: Number.POSITIVE_INFINITY,
      });
    }
    return tenures;
  }
}

function end(tenure: Tenure, how: 'released' | 'lost', { sequence, atMs }: Turn): void {
  tenure.ended = how;
  tenure.to = sequence;
  tenure.toMs = atMs;
}

function groupKey(id: string, group: number): string {
  return `${id} ${group}`;
}
