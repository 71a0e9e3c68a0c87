import type { InFlight, JournalRecord } from './journal-record.ts';
import type { JournalEntry, OwnerCommand } from './owner-command.ts';
import { groupKey } from './place.ts';
import type { SegmentState } from './segment-state.ts';

/** How often the hand-over subjects of former owners are asked, milliseconds. */
const HANDOVER_EVERY_MS = 500;

/** An owner that released the segment and still ends transactions. */
interface FormerOwner {
  after: number;
  readonly session: string;
  /** The subject was asked after the owner's death: what it has not by then never comes. */
  askedAfterDeath: boolean;
  /** What will be offered once `settled` is durable. */
  settling: readonly InFlight[] | undefined;
}

/** What owners of before still have in flight: their outcomes are taken over into the journal, until nothing is open or they are dead. */
export class FormerOwners {
  readonly #state: SegmentState;
  readonly #isDead: (session: string) => boolean;
  readonly #byEpoch = new Map<number, FormerOwner>();
  /** Groups whose outcome came from a former owner: the queue does not have them yet. */
  readonly #inherited = new Set<string>();
  #pollAtMs = 0;

  constructor(state: SegmentState, isDead: (session: string) => boolean) {
    this.#state = state;
    this.#isDead = isDead;
  }

  poll(nowMs: number): readonly OwnerCommand[] {
    if (nowMs < this.#pollAtMs) return [];
    this.#pollAtMs = nowMs + HANDOVER_EVERY_MS;
    const commands: OwnerCommand[] = [];
    for (const { epoch, session } of this.#state.handovers()) {
      let former = this.#byEpoch.get(epoch);
      if (former === undefined) {
        former = { after: 0, session, askedAfterDeath: false, settling: undefined };
        this.#byEpoch.set(epoch, former);
      }
      if (former.settling === undefined) commands.push({ kind: 'read-handover', epoch, after: former.after });
    }
    return commands;
  }

  /** What a hand-over subject has. Returns what must be journalled. */
  read(epoch: number, after: number, entries: readonly JournalEntry[]): readonly JournalRecord[] {
    const former = this.#byEpoch.get(epoch);
    if (former === undefined || former.settling !== undefined || after !== former.after) return [];
    const records: JournalRecord[] = [];
    for (const { sequence, batch } of entries) {
      former.after = sequence;
      for (const record of batch.records) this.#inherit(record, epoch, records);
    }
    const open = this.#state.awaited(epoch).filter((each) => !this.#inherited.has(this.#keyOf(each)));
    // Two answers after its death, so that the second question was asked after it.
    const isOver = former.askedAfterDeath && entries.length === 0;
    former.askedAfterDeath = this.#isDead(former.session);
    if (open.length === 0 || isOver) {
      former.settling = open;
      records.push({ kind: 'settled', epoch });
    }
    return records;
  }

  /** The outcome is durable. `true` = it came from a former owner, so what is left of the group goes to the queue now. */
  tookOver(outcome: InFlight): boolean {
    return this.#inherited.delete(groupKey(outcome.place, outcome.group));
  }

  /** `settled` is durable. Returns what got no outcome: it goes to the queue now. */
  settled(epoch: number): readonly InFlight[] {
    const open = this.#byEpoch.get(epoch)?.settling ?? [];
    this.#byEpoch.delete(epoch);
    return open;
  }

  #inherit(record: JournalRecord, epoch: number, records: JournalRecord[]): void {
    if (record.kind !== 'done' && record.kind !== 'deferred') return;
    // It may name the message by a place of before, and another owner may have taken the outcome over already.
    const place = this.#state.awaitedFrom(epoch, record);
    if (place === undefined) return;
    const key = groupKey(place, record.group);
    if (this.#inherited.has(key)) return;
    this.#inherited.add(key);
    records.push({ ...record, place });
  }

  #keyOf({ place, group }: InFlight): string {
    return groupKey(this.#state.current(place) ?? place, group);
  }
}
