import type {
  AppendRefusal,
  Envelope,
  GroupState,
  MessageBody,
  Outcome,
  PartEnd,
  Reference,
  Spool,
  SpoolListener,
  SpoolUsage,
  StoredMessage,
} from '../spool/mod.ts';
import { recipientGroups } from '../spool/mod.ts';

/** Sequences of one part. */
const PART = 1_000_000;

interface Kept {
  readonly envelope: Envelope;
  readonly body: MessageBody;
  readonly live: Map<number, GroupState | undefined>;
}

/** A spool in memory that keeps the contract, and that can be told to fail. */
export class MemorySpool implements Spool {
  /** While set, `read` and `record` reject with it. */
  failure: Error | undefined;
  /** While set, `append` answers with it. */
  refusal: AppendRefusal | undefined;
  /** Called when a message was stored, before its caller knows. */
  onAppend: ((envelope: Envelope) => void) | undefined;
  /** Every outcome that became durable, in order. */
  readonly outcomes: Outcome[] = [];
  readonly #kept = new Map<number, Kept>();
  #lastSequence = 0;
  #listener: SpoolListener | undefined;

  async append(envelope: Envelope, body: MessageBody): Promise<Reference | AppendRefusal> {
    if (this.refusal !== undefined) return this.refusal;
    const sequence = this.part * PART + ++this.#lastSequence;
    const live = new Map(recipientGroups(envelope).map(({ group }) => [group, undefined]));
    this.#kept.set(sequence, { envelope, body, live });
    this.onAppend?.(envelope);
    return { sequence, id: envelope.id };
  }

  async record(outcomes: readonly Outcome[]): Promise<{ readonly mismatched: number }> {
    if (this.failure !== undefined) throw this.failure;
    let mismatched = 0;
    for (const outcome of outcomes) {
      const { reference, group } = outcome;
      const kept = this.#kept.get(reference.sequence);
      if (kept === undefined || kept.envelope.id !== reference.id || !kept.live.has(group)) {
        mismatched++;
        continue;
      }
      this.outcomes.push(outcome);
      if (outcome.kind === 'deferred') kept.live.set(group, outcome.state);
      else kept.live.delete(group);
      if (kept.live.size === 0) this.#kept.delete(reference.sequence);
    }
    return { mismatched };
  }

  async *replay(): AsyncIterable<StoredMessage> {
    for (const [sequence, { envelope, live }] of [...this.#kept])
      yield { reference: { sequence, id: envelope.id }, envelope, live: new Map(live) };
  }

  async follow(listener: SpoolListener): Promise<void> {
    this.#listener = listener;
    for await (const message of this.replay()) listener.onMail(message);
  }

  /** A test decides which part the messages go to. */
  part = 0;

  partOf(sequence: number): number {
    return Math.floor(sequence / PART);
  }

  /** What `begin` answers for a sequence; absent = go. */
  mayBegin: ((sequence: number) => 'go' | 'no' | Promise<'go' | 'no'>) | undefined;

  begin({ sequence }: Reference): 'go' | 'no' | Promise<'go' | 'no'> {
    return this.mayBegin?.(sequence) ?? 'go';
  }

  abandon(): void {}

  async release(): Promise<void> {
    this.released = true;
    this.#listener?.onGone(new Set([0, 1, 2, 3]), 'released');
  }

  released = false;

  /** Another process takes a part, or gives it back: then its messages come anew. */
  async take(part: number, how: PartEnd): Promise<void> {
    this.#listener?.onGone(new Set([part]), how);
  }

  async giveBack(part: number): Promise<void> {
    for await (const message of this.replay())
      if (this.partOf(message.reference.sequence) === part) this.#listener?.onMail(message);
  }

  /** The store holds a message as poison. */
  poison(id: string): void {
    for (const [sequence, { envelope, live }] of this.#kept)
      if (envelope.id === id)
        this.#listener?.onHeld({ reference: { sequence, id }, envelope, live: new Map(live) });
  }

  /** Messages that are stored now. */
  get envelopes(): readonly Envelope[] {
    return Array.from(this.#kept.values(), ({ envelope }) => envelope);
  }

  async read({ sequence, id }: Reference) {
    if (this.failure !== undefined) throw this.failure;
    const kept = this.#kept.get(sequence);
    return kept === undefined || (id !== '' && id !== kept.envelope.id) ? undefined : kept;
  }

  usage(): SpoolUsage {
    return { messages: this.#kept.size, usedBytes: 0, freeBytes: Number.MAX_SAFE_INTEGER };
  }

  async close(): Promise<void> {}
}
