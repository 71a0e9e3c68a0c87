import type { JournalBatch, JournalRecord } from '../journal-record.ts';
import type { Place, Store } from '../place.ts';

/** One acceptance of a group of a message by a simulated mail exchanger. */
interface Acceptance {
  readonly owner: string;
  readonly startedAtMs: number;
  readonly atMs: number;
  /** The outcome was journalled at this moment. */
  journalledAtMs: number;
}

interface Mail {
  readonly groups: number;
  /** A client has its 250. */
  acked: boolean;
  readonly done: Set<number>;
  withdrawn: boolean;
  readonly acceptances: Map<number, Acceptance[]>;
  /** An entry that spoke of it, or the message itself, was rolled back. */
  rolledBack: boolean;
  /** Sequences in DEFER that a journalled `moved` names. */
  readonly copies: Set<number>;
  held: boolean;
}

export interface Verdict {
  readonly accepted: number;
  readonly delivered: number;
  readonly duplicates: number;
  readonly rolledBack: number;
  readonly lostToRollback: number;
  readonly held: number;
  readonly violations: readonly string[];
}

/** Processes that one message may end; one more if it has several groups: another one may start while the outcome of the first is awaited from an owner that has ended. */
const MAX_DEATHS = 4;

/**
 * Knows everything, and says what must never happen. It does not use the code that it judges: it keeps its own books of what the server
 * accepted, in the order in which it did.
 */
export class Judge {
  readonly violations: string[] = [];
  readonly #mail = new Map<string, Mail>();
  readonly #fences = new Map<string, { sequence: number; session: string; released: boolean }>();
  /** Who fenced with this epoch. */
  readonly #sessionOf = new Map<number, string>();
  /** Losses of owners: `session segment #adoption` → how many of its outcomes may have been lost. */
  readonly #losses = new Map<string, number>();
  /** Their clients were told to come again. */
  readonly #refused = new Set<string>();
  readonly #deaths = new Map<string, number>();
  readonly #duplicatesOf = new Map<string, number>();
  #duplicates = 0;
  adoptions = 0;
  lostPower = false;
  nowMs: () => number = () => 0;
  /** A segment's owner waits no longer for what a session that released it has in flight. */
  givenUpOn: (segment: number, session: string) => void = () => {};
  /** Another session took a segment that this one had not released. */
  replaced: (segment: number, session: string) => void = () => {};

  violate(text: string): void {
    if (this.violations.length < 20) this.violations.push(`${Math.round(this.nowMs())} ms: ${text}`);
  }

  stored(id: string, groups: number): void {
    if (this.#mail.has(id)) return;
    this.#mail.set(id, {
      groups,
      acked: false,
      done: new Set(),
      withdrawn: false,
      acceptances: new Map(),
      rolledBack: false,
      copies: new Set(),
      held: false,
    });
  }

  /** The client got its 250. */
  acked(id: string): void {
    const mail = this.#mail.get(id);
    if (mail === undefined) this.violate(`${id} was acknowledged and is not stored`);
    else mail.acked = true;
  }

  /** The message ended a process. The first time nobody may know of it; then it is counted, and held after three. */
  poisoned(id: string): void {
    const deaths = (this.#deaths.get(id) ?? 0) + 1;
    this.#deaths.set(id, deaths);
    // A power loss takes what was told of it.
    const most = (this.#mail.get(id)?.groups ?? 1) > 1 ? MAX_DEATHS + 1 : MAX_DEATHS;
    if (deaths > most && !this.lostPower) this.violate(`${id} ended ${deaths} processes`);
  }

  /** The client got 451; the message may be stored all the same. */
  refused(id: string): void {
    this.#refused.add(id);
  }

  /** The server accepted a batch of the journal, or of a hand-over. */
  journalled(subject: string, sequence: number, batch: JournalBatch): void {
    const [kind = '', segment = ''] = subject.split('.');
    const fence = this.#fences.get(segment);
    if (batch.records[0]?.kind === 'fence') {
      this.adoptions++;
      if (fence !== undefined && !fence.released && fence.session !== batch.session)
        this.replaced(Number(segment), fence.session);
      this.#fences.set(segment, { sequence, session: batch.session, released: false });
      this.#sessionOf.set(sequence, batch.session);
    } else if (kind === 'journal') {
      if (fence?.sequence !== batch.epoch || fence.session !== batch.session)
        this.violate(
          `segment ${segment}: batch of epoch ${batch.epoch} accepted in epoch ${fence?.sequence}`,
        );
      if (fence?.released === true)
        this.violate(`segment ${segment}: batch of epoch ${batch.epoch} after its release`);
    }
    for (const record of batch.records) {
      if (record.kind === 'released' && fence !== undefined) fence.released = true;
      if (record.kind === 'settled') this.#settled(Number(segment), record.epoch);
      // What a former owner hands over counts once the owner has taken it over.
      this.#journalledRecord(record, batch);
    }
  }

  /** Nobody waits for this former owner any more: it told everything, or it must be over. */
  #settled(segment: number, epoch: number): void {
    const session = this.#sessionOf.get(epoch);
    if (session !== undefined) this.givenUpOn(segment, session);
  }

  #journalledRecord(record: JournalRecord, batch: JournalBatch): void {
    if (!('place' in record)) return;
    const mail = this.#mail.get(record.place.id);
    if (mail === undefined) return;
    if (record.kind === 'done') mail.done.add(record.group);
    else if (record.kind === 'withdrawn') mail.withdrawn = true;
    else if (record.kind === 'moved') mail.copies.add(record.toSequence);
    if (record.kind !== 'done') return;
    for (const acceptance of mail.acceptances.get(record.group) ?? [])
      if (
        acceptance.owner.startsWith(batch.session) &&
        acceptance.journalledAtMs === Number.POSITIVE_INFINITY
      )
        acceptance.journalledAtMs = this.nowMs();
  }

  /** A pod begins a transaction. */
  starts(place: Place): void {
    const mail = this.#mail.get(place.id);
    if (mail === undefined) this.violate(`${place.id} is sent and was never stored`);
    else if (place.store === 'defer' && !mail.copies.has(place.sequence) && !mail.rolledBack)
      this.violate(`${place.id} is sent from DEFER ${place.sequence} without a journalled move`);
    else if (mail.withdrawn && !mail.rolledBack)
      this.violate(`${place.id} is sent although it was withdrawn`);
  }

  /** A mail exchanger took a group. */
  accepted(id: string, group: number, owner: string, startedAtMs: number): void {
    const mail = this.#mail.get(id);
    if (mail === undefined) return;
    const before = mail.acceptances.get(group) ?? [];
    mail.acceptances.set(group, before);
    for (const earlier of before) {
      this.#duplicates++;
      if (mail.rolledBack) continue;
      // What began first may be accepted last: its process is gone, the exchanger had everything.
      const isFirst = earlier.startedAtMs <= startedAtMs;
      const first = isFirst ? earlier : { owner, startedAtMs, journalledAtMs: Number.POSITIVE_INFINITY };
      const second = isFirst ? { owner, startedAtMs } : earlier;
      const isLost = this.#losses.has(first.owner);
      if (isLost && first.journalledAtMs >= second.startedAtMs) {
        this.#duplicatesOf.set(first.owner, (this.#duplicatesOf.get(first.owner) ?? 0) + 1);
        continue;
      }
      const why = isLost ? `journalled at ${Math.round(first.journalledAtMs)}` : 'whose owner is not lost';
      this.violate(
        `${id} group ${group} is sent again by ${second.owner}, after ${Math.round(first.startedAtMs)} by ${first.owner}, ${why}`,
      );
    }
    before.push({ owner, startedAtMs, atMs: this.nowMs(), journalledAtMs: Number.POSITIVE_INFINITY });
  }

  /** An owner lost its segment otherwise than by releasing it, with so many outcomes open. */
  lost(owner: string, open: number): void {
    this.#losses.set(owner, Math.max(open, this.#losses.get(owner) ?? 0));
  }

  held(id: string): void {
    const mail = this.#mail.get(id);
    if (mail !== undefined) mail.held = true;
  }

  /** Entries left a store: none of them may still be needed. */
  purged(store: Store, sequence: number, id: string): void {
    const mail = this.#mail.get(id);
    if (
      mail === undefined ||
      mail.rolledBack ||
      mail.withdrawn ||
      this.#refused.has(id) ||
      mail.done.size === mail.groups
    )
      return;
    if (store === 'defer' && !mail.copies.has(sequence)) return;
    // It may have moved on.
    const isElsewhere = [...mail.copies].some((copy) => store === 'spool' || copy !== sequence);
    if (!isElsewhere) this.violate(`${id} is purged from ${store} ${sequence} and is not done`);
  }

  /** Power loss: the message, or what the journal said of it, is gone. */
  rolledBack(ids: readonly string[]): void {
    this.lostPower = true;
    for (const id of ids) {
      const mail = this.#mail.get(id);
      if (mail !== undefined) mail.rolledBack = true;
    }
  }

  /** What the journal still has after a power loss: other outcomes count no more. */
  journalIs(
    entries: readonly {
      readonly subject: string;
      readonly sequence: number;
      readonly payload: JournalBatch;
    }[],
  ): void {
    this.#fences.clear();
    for (const { subject, sequence, payload } of entries) {
      const [kind = '', segment = ''] = subject.split('.');
      if (kind !== 'journal') continue;
      const isFence = payload.records[0]?.kind === 'fence';
      const released = payload.records.at(-1)?.kind === 'released';
      this.#fences.set(segment, {
        sequence: isFence ? sequence : payload.epoch,
        session: payload.session,
        released,
      });
    }
  }

  /** Acknowledged mail that is neither delivered nor held. */
  undelivered(): string[] {
    const open: string[] = [];
    for (const [id, { acked, groups, acceptances, held, done }] of this.#mail) {
      if (!acked || held) continue;
      for (let group = 0; group < groups; group++)
        if (!acceptances.has(group) && !done.has(group)) {
          open.push(id);
          break;
        }
    }
    return open;
  }

  verdict(maxUnjournalled: number): Verdict {
    let lostToRollback = 0;
    // The run was cut short: mail is still under way.
    const isCut = this.violations.length > 0;
    for (const id of this.undelivered()) {
      if (this.#mail.get(id)?.rolledBack === true) lostToRollback++;
      else if (!isCut) this.violate(`${id} was acknowledged and is lost`);
    }
    for (const [owner, count] of this.#duplicatesOf) {
      const bound = maxUnjournalled + (this.#losses.get(owner) ?? 0);
      if (count > bound)
        this.violate(`${count} duplicates after the loss of ${owner}, at most ${bound} are explained`);
    }
    const all = [...this.#mail.values()];
    return {
      accepted: all.filter(({ acked }) => acked).length,
      delivered: all.filter(({ acceptances, groups }) => acceptances.size === groups).length,
      duplicates: this.#duplicates,
      rolledBack: all.filter(({ rolledBack }) => rolledBack).length,
      lostToRollback,
      held: all.filter(({ held }) => held).length,
      violations: this.violations,
    };
  }
}
