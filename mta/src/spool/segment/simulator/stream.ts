export interface Entry<Payload> {
  readonly sequence: number;
  readonly subject: string;
  readonly atMs: number;
  readonly payload: Payload;
}

/** A JetStream stream as its leader sees it; a replica that is behind sees what was stored before some moment. */
export class SimulatedStream<Payload> {
  entries: Entry<Payload>[] = [];
  lastSequence = 0;
  /** No room: publishes are refused. */
  full = false;

  /** `expected`: the last sequence of the subject, −1 = any. */
  append(subject: string, payload: Payload, nowMs: number, expected = -1): number | 'refused' {
    if (expected >= 0 && this.lastOf(subject) !== expected) return 'refused';
    if (this.full) return 'refused';
    this.lastSequence++;
    this.entries.push({ sequence: this.lastSequence, subject, atMs: nowMs, payload });
    return this.lastSequence;
  }

  lastOf(subject: string): number {
    for (let index = this.entries.length - 1; index >= 0; index--)
      if (this.entries[index]!.subject === subject) return this.entries[index]!.sequence;
    return 0;
  }

  at(sequence: number): Entry<Payload> | undefined {
    return this.entries.find((entry) => entry.sequence === sequence);
  }

  /** Entries of the subjects that begin so, after a sequence, as a replica sees them that lacks what is younger than `lagMs`. */
  read(
    prefix: string,
    after: number,
    nowMs: number,
    lagMs: number,
    atMost = Number.MAX_SAFE_INTEGER,
  ): Entry<Payload>[] {
    const found: Entry<Payload>[] = [];
    for (const entry of this.entries) {
      if (entry.atMs > nowMs - lagMs || found.length === atMost) break;
      if (entry.sequence > after && entry.subject.startsWith(prefix)) found.push(entry);
    }
    return found;
  }

  /** What that replica has last, of all subjects. */
  lastSeen(nowMs: number, lagMs: number): number {
    let last = 0;
    for (const entry of this.entries) if (entry.atMs <= nowMs - lagMs) last = entry.sequence;
    return last;
  }

  /** Purged entries. */
  purge(prefix: string, upTo: number): Entry<Payload>[] {
    const isGone = (entry: Entry<Payload>) => entry.sequence <= upTo && entry.subject.startsWith(prefix);
    const gone = this.entries.filter(isGone);
    if (gone.length > 0) this.entries = this.entries.filter((entry) => !isGone(entry));
    return gone;
  }

  /** Power loss: the last entries were never written. */
  rollBack(count: number): Entry<Payload>[] {
    const gone = count > 0 ? this.entries.splice(Math.max(0, this.entries.length - count)) : [];
    if (gone.length > 0) this.lastSequence = gone[0]!.sequence - 1;
    return gone;
  }
}
