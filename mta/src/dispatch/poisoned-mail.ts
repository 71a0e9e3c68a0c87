import { type GroupState, type Outcome, recipientGroups, type StoredMessage } from '../spool/mod.ts';

/** Domains of a message that are told. */
const TOLD_DOMAINS = 10;

/** A message that is held because it was in flight when three processes in a row ended. Times are wall times, milliseconds. */
export interface PoisonedMessage {
  readonly id: string;
  /** Reverse-path; `''` is `<>`. */
  readonly sender: string;
  readonly tenant: string;
  readonly campaign: string;
  /** Recipients that are held. */
  readonly recipients: number;
  /** Their domains, the first ten. */
  readonly domains: readonly string[];
  readonly acceptedAtMs: number;
  /** Since when this process holds it. */
  readonly heldSinceMs: number;
}

interface Held {
  readonly message: StoredMessage;
  readonly live: Map<number, GroupState | undefined>;
  readonly heldSinceMs: number;
}

/** What a process holds as poison: it knows what it would take to send it all the same. Pure. */
export class PoisonedMail {
  readonly #held = new Map<string, Held>();

  get size(): number {
    return this.#held.size;
  }

  /** Groups of one message may come one after the other. */
  add(message: StoredMessage, nowMs: number): void {
    const { id } = message.reference;
    const known = this.#held.get(id);
    const live = new Map([...(known?.live ?? []), ...message.live]);
    this.#held.set(id, { message, live, heldSinceMs: known?.heldSinceMs ?? nowMs });
  }

  /** Parts of the store are not this process's any more. */
  forgetWhere(gone: (sequence: number) => boolean): void {
    for (const [id, { message }] of this.#held) if (gone(message.reference.sequence)) this.#held.delete(id);
  }

  /** Those that were accepted first come first. */
  messages(): readonly PoisonedMessage[] {
    const found = [...this.#held.values()].map(({ message: { envelope }, live, heldSinceMs }) => {
      const groups = recipientGroups(envelope).filter(({ group }) => live.has(group));
      return {
        id: envelope.id,
        sender: envelope.sender,
        tenant: envelope.tenant,
        campaign: envelope.campaign,
        recipients: groups.reduce((sum, { recipients }) => sum + recipients.length, 0),
        domains: groups.slice(0, TOLD_DOMAINS).map(({ domain }) => domain),
        acceptedAtMs: envelope.acceptedAtMs,
        heldSinceMs,
      };
    });
    return found.sort((one, other) => one.acceptedAtMs - other.acceptedAtMs);
  }

  /**
   * What must be recorded so that these messages (absent = all) may be sent again, and the messages as they are queued then. An outcome of an attempt
   * begins the count of ends anew, so each group gets one: put off until now.
   */
  retry(ids: readonly string[] | undefined, nowMs: number): readonly StoredMessage[] {
    const chosen =
      ids === undefined ? [...this.#held.values()] : ids.flatMap((id) => this.#held.get(id) ?? []);
    return chosen.map(({ message: { reference, envelope }, live }) => {
      const states = new Map<number, GroupState>();
      for (const { group, recipients } of recipientGroups(envelope)) {
        if (!live.has(group)) continue;
        const before = live.get(group) ?? { pending: recipients, attempts: 0, lastSource: '' };
        states.set(group, { ...before, nextAttemptAtMs: nowMs });
      }
      return { reference, envelope, live: states };
    });
  }

  /** It is recorded that it may be sent; `false` = it is not this process's any more. */
  release(id: string): boolean {
    return this.#held.delete(id);
  }
}

/** Records that messages are put off until now. */
export function retryOutcomes(messages: readonly StoredMessage[]): readonly Outcome[] {
  return messages.flatMap(({ reference, live }) =>
    [...live].flatMap(([group, state]): Outcome[] =>
      state === undefined ? [] : [{ kind: 'deferred', reference, group, state }],
    ),
  );
}
