import {
  type Envelope,
  type MessageBody,
  type RecipientGroup,
  type Reference,
  recipientGroups,
  type Spool,
} from '../spool/mod.ts';

/** Most memory for envelopes and bodies of queued mail, bytes: some ten thousand small messages, several seconds of work. */
export const MAX_RESIDENT_BYTES = 16 * 1024 * 1024;

/** Share of that memory for messages that were read before their turn. */
const AHEAD_SHARE = 0.25;
/** When fewer messages than this, and fewer octets, are left of what was read ahead, more is read: nobody waits for the store then. */
const FEW_MESSAGES = 16;
const FEW_BYTES = 128 * 1024;

/** What a recipient costs in memory besides its characters: string, array, and the group it usually is alone in, bytes. */
const RECIPIENT_OVERHEAD_BYTES = 200;
/** Envelope, groups, map entry. */
const MESSAGE_OVERHEAD_BYTES = 600;

/** A message that is in memory: fresh ones are delivered from here, without reading the store. */
export interface ResidentMessage {
  readonly reference: Reference;
  readonly envelope: Envelope;
  readonly groups: readonly RecipientGroup[];
  readonly body: MessageBody;
  readonly bytes: number;
  /** Groups that have no final outcome yet, as far as this process knows; at 0 the message leaves memory. */
  groupsLeft: number;
}

/**
 * Envelopes and bodies in memory, bounded. When room is needed the oldest leave first: what has been here longest
 * waits for something (a limit, a retry), while new mail is about to be sent. What left is fetched from the spool.
 */
export class ResidentMessages {
  readonly #spool: Spool;
  readonly #maxBytes: number;
  readonly #bySequence = new Map<number, ResidentMessage>();
  readonly #underWay = new Map<number, Promise<ResidentMessage | Unreadable | undefined>>();
  /** Read ahead and not asked for yet, with their sizes. */
  readonly #ahead = new Map<number, number>();
  #aheadBytes = 0;
  #bytes = 0;

  constructor(spool: Spool, maxBytes: number) {
    this.#spool = spool;
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#bySequence.size;
  }

  add(reference: Reference, envelope: Envelope, body: MessageBody): ResidentMessage {
    const groups = recipientGroups(envelope);
    let bytes = envelope.sizeBytes + MESSAGE_OVERHEAD_BYTES;
    for (const recipient of envelope.recipients) bytes += recipient.length + RECIPIENT_OVERHEAD_BYTES;
    const message: ResidentMessage = { reference, envelope, groups, body, bytes, groupsLeft: groups.length };
    if (bytes <= this.#maxBytes) {
      this.#makeRoom(bytes);
      this.#bySequence.set(reference.sequence, message);
      this.#bytes += bytes;
    }
    return message;
  }

  peek(sequence: number): ResidentMessage | undefined {
    if (this.#ahead.size > 0) this.#wasAhead(sequence);
    return this.#bySequence.get(sequence);
  }

  /**
   * Asked when a message's turn has come, before it is looked at: whether those behind it are to be read now. Where one has left memory the next ones
   * have too, and the store answers many requests at once for little more than one.
   */
  endsAhead(sequence: number): boolean {
    if (this.#ahead.has(sequence)) return this.#ahead.size < FEW_MESSAGES && this.#aheadBytes < FEW_BYTES;
    return !this.#bySequence.has(sequence) && !this.#underWay.has(sequence);
  }

  /** Reads a message whose turn comes soon. `false` = there is no room for more of them; what is read too early would only push others out. */
  readAhead(sequence: number, sizeBytes: number): boolean {
    if (this.#aheadBytes + sizeBytes > this.#maxBytes * AHEAD_SHARE) return false;
    if (this.#bySequence.has(sequence) || this.#underWay.has(sequence)) return true;
    this.#ahead.set(sequence, sizeBytes);
    this.#aheadBytes += sizeBytes;
    this.#read(sequence);
    return true;
  }

  /** The message from memory or from the store; `undefined` when the store has no such message. */
  async load(sequence: number): Promise<ResidentMessage | undefined> {
    const resident = this.#bySequence.get(sequence);
    if (resident !== undefined) return resident;
    const read = await (this.#underWay.get(sequence) ?? this.#read(sequence));
    if (read instanceof Unreadable) throw read.error;
    return read;
  }

  /** A promise that never rejects: of what is read ahead nobody may ask. */
  #read(sequence: number): Promise<ResidentMessage | Unreadable | undefined> {
    const reading = this.#spool.read({ sequence, id: '' }).then(
      (stored) => {
        this.#underWay.delete(sequence);
        const known = this.#bySequence.get(sequence);
        if (known !== undefined) return known;
        const message =
          stored && this.add({ sequence, id: stored.envelope.id }, stored.envelope, stored.body);
        if (!this.#bySequence.has(sequence)) this.#wasAhead(sequence);
        return message;
      },
      (error: unknown) => {
        this.#underWay.delete(sequence);
        this.#wasAhead(sequence);
        // Who needs it meets the error again.
        return new Unreadable(error);
      },
    );
    this.#underWay.set(sequence, reading);
    return reading;
  }

  /** A group has its final outcome. */
  groupDone(sequence: number): void {
    const message = this.#bySequence.get(sequence);
    if (message !== undefined && --message.groupsLeft <= 0) this.#forget(message);
  }

  /** Nothing of it is due soon: its memory serves others. */
  drop(sequence: number): void {
    const message = this.#bySequence.get(sequence);
    if (message !== undefined) this.#forget(message);
  }

  #wasAhead(sequence: number): void {
    const bytes = this.#ahead.get(sequence);
    if (bytes === undefined) return;
    this.#ahead.delete(sequence);
    this.#aheadBytes -= bytes;
  }

  /** Messages that are not ours any more. */
  dropWhere(gone: (sequence: number) => boolean): void {
    for (const message of [...this.#bySequence.values()])
      if (gone(message.reference.sequence)) this.#forget(message);
  }

  #forget(message: ResidentMessage): void {
    this.#wasAhead(message.reference.sequence);
    this.#bySequence.delete(message.reference.sequence);
    this.#bytes -= message.bytes;
  }

  #makeRoom(bytes: number): void {
    // First without looking for the oldest: a map steps over everything that was deleted before it.
    if (this.#bytes + bytes <= this.#maxBytes) return;
    for (const oldest of this.#bySequence.values()) {
      if (this.#bytes + bytes <= this.#maxBytes) return;
      this.#forget(oldest);
    }
  }
}

/** The store failed. */
class Unreadable {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}
