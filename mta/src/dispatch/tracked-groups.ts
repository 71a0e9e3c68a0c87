import type { GroupState, OwedReport, Reference } from '../spool/mod.ts';
import type { ResidentMessage } from './resident-messages.ts';

/** A recipient group about which the sender has to be told something, or may have to. */
export interface TrackedGroup {
  readonly reference: Reference;
  readonly group: number;
  readonly acceptedAtMs: number;
  /** As it was last handed to the journal; `undefined` = never. */
  state: GroupState | undefined;
  /** Wall time at which the sender is told that it is late; `Infinity` = not (any more). */
  warnAtMs: number;
  /** Kept for the report, where memory allows. */
  message: ResidentMessage | undefined;
  /** It waits for its report to be written. */
  inLine: boolean;
  /** Its report is being written. */
  reporting: boolean;
}

/**
 * Groups that owe a report or are watched for delay. Rare, so they are kept beside the index: most groups never have an
 * entry here. In the order in which they came.
 */
export class TrackedGroups {
  readonly #byMessage = new Map<number, TrackedGroup[]>();

  /** Messages with such groups. */
  get size(): number {
    return this.#byMessage.size;
  }

  /** Cheap when there are none: asked for every message. */
  get(sequence: number, group: number): TrackedGroup | undefined {
    if (this.#byMessage.size === 0) return undefined;
    return this.#byMessage.get(sequence)?.find((each) => each.group === group);
  }

  /** The group's entry, made if there is none. */
  track(reference: Reference, group: number, acceptedAtMs: number): TrackedGroup {
    const known = this.get(reference.sequence, group);
    if (known !== undefined) return known;
    const tracked: TrackedGroup = {
      reference,
      group,
      acceptedAtMs,
      state: undefined,
      warnAtMs: Number.POSITIVE_INFINITY,
      message: undefined,
      inLine: false,
      reporting: false,
    };
    const others = this.#byMessage.get(reference.sequence);
    if (others === undefined) this.#byMessage.set(reference.sequence, [tracked]);
    else others.push(tracked);
    return tracked;
  }

  forget({ reference, group }: Pick<TrackedGroup, 'reference' | 'group'>): void {
    const { sequence } = reference;
    const others = this.#byMessage.get(sequence)?.filter((each) => each.group !== group);
    if (others === undefined || others.length === 0) this.#byMessage.delete(sequence);
    else this.#byMessage.set(sequence, others);
  }

  /** Messages that are not ours any more: whoever has them tells their senders. */
  forgetWhere(gone: (sequence: number) => boolean): void {
    for (const [sequence, groups] of [...this.#byMessage]) {
      if (!gone(sequence)) continue;
      // Whoever holds one of them sees that nothing is owed.
      for (const tracked of groups) tracked.state = undefined;
      this.#byMessage.delete(sequence);
    }
  }

  *[Symbol.iterator](): Iterator<TrackedGroup> {
    for (const groups of this.#byMessage.values()) yield* groups;
  }
}

/** What the group owes the sender. */
export function owedBy(tracked: TrackedGroup | undefined): readonly OwedReport[] {
  return tracked?.state?.owed ?? NOTHING;
}

const NOTHING: readonly OwedReport[] = [];
