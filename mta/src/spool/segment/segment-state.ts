import type { GroupState } from '../recipient-group.ts';
import { Forwards } from './forwards.ts';
import { type GroupFacts, type LiveGroup, liveGroup, NO_FACTS } from './group-facts.ts';
import { GroupTable, MOVED, NAMED, RETIRED, SEEN, StateWords } from './group-table.ts';
import type { InFlight, JournalBatch, JournalRecord } from './journal-record.ts';
import type { Place, Store } from './place.ts';
import { NO_ROW, type Row } from './place-table.ts';

/** Who the journal says owns the segment. */
export interface Ownership {
  readonly session: string;
  readonly epoch: number;
  /** {@link JournalBatch.number} of its fence; 0 = the fence is purged. */
  readonly fenceNumber: number;
  /** It gave the segment up: anybody may take it. */
  readonly released: boolean;
}

/** Transactions that a former owner still ends after it released the segment. */
export interface Handover {
  readonly epoch: number;
  readonly session: string;
}

/** A message that must still be sent, as far as the journal knows. */
export type LiveGroups = ReadonlyMap<number, LiveGroup>;

/** What the end of a replay brought to light. */
export interface Replayed {
  /** Messages whose copy in DEFER is not there (it was rolled back) while the original is: they are live where they were. */
  readonly revived: readonly { readonly place: Place; readonly live: LiveGroups }[];
  /** Messages that the journal knows as live and that no store has: lost entries of a rolled back store. */
  readonly missing: number;
}

/**
 * What is live in a segment: the fold of its journal and of what SPOOL and DEFER hold. First the journal is applied up to the own
 * fence, then messages are `seen` in any order while both stores are read, then `endReplay`; from then on every own batch is applied
 * once the server has taken it. Pure.
 *
 * Live = in SPOOL and not retired, or in DEFER and named by a `moved`; always matched on (sequence, id).
 */
export class SegmentState {
  readonly #tables: Readonly<Record<Store, GroupTable>>;
  readonly #forwards = new Forwards();
  readonly #tails = new Map<Store, Place>();
  /** Messages with a group in a transaction, as `sequence * 2 + (in DEFER ? 1 : 0)`. */
  readonly #inflight = new Set<number>();
  readonly #handovers = new Map<number, { readonly session: string; open: readonly InFlight[] }>();
  #owner: Ownership | undefined;
  #lastSequence = 0;
  #lastNumber = 0;
  #replaying = true;

  constructor(words = new StateWords()) {
    this.#tables = { spool: new GroupTable(words), defer: new GroupTable(words) };
  }

  get owner(): Ownership | undefined {
    return this.#owner;
  }

  /** Sequence of the last batch applied; 0 = the journal is empty. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** {@link JournalBatch.number} of that batch. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  get messages(): number {
    return this.#tables.spool.size + this.#tables.defer.size;
  }

  count(store: Store): number {
    return this.#tables[store].size;
  }

  /** Bytes of the tables, without what messages to several domains need besides. */
  get bytes(): number {
    return this.#tables.spool.bytes + this.#tables.defer.bytes + this.#forwards.bytes;
  }

  handovers(): readonly Handover[] {
    return [...this.#handovers].map(([epoch, { session }]) => ({ epoch, session }));
  }

  /** Groups that the hand-over of this epoch still waits for. */
  awaited(epoch: number): readonly InFlight[] {
    const open = this.#handovers.get(epoch)?.open ?? [];
    return open.filter((each) => this.facts(each)?.awaited === true);
  }

  /** A batch of the journal, in the order of sequences. */
  apply(sequence: number, batch: JournalBatch): void {
    const isFence = batch.records[0]?.kind === 'fence';
    const before = this.#owner;
    if (isFence && before !== undefined && before.session !== batch.session && !before.released) {
      this.#closeInflight(1);
    }
    this.#owner = {
      session: batch.session,
      epoch: isFence ? sequence : batch.epoch,
      fenceNumber: isFence ? batch.number : before?.epoch === batch.epoch ? before.fenceNumber : 0,
      released: !isFence && before?.released === true && before.epoch === batch.epoch,
    };
    this.#lastSequence = sequence;
    this.#lastNumber = batch.number;
    for (const record of batch.records) this.#applyRecord(record, sequence, batch);
  }

  /** A message was read from a store, or its append was acknowledged. Returns its live groups; `undefined` = it is not live. */
  seen(place: Place, groups: number): LiveGroups | undefined {
    this.sawTail(place);
    const table = this.#tables[place.store];
    let row = table.rowOf(place.sequence, place.id);
    if (row === NO_ROW) {
      // A copy that no `moved` names is garbage: its original counts.
      if (place.store === 'defer') return undefined;
      row = table.add(place.sequence, place.id);
    } else if (place.store === 'defer' && (table.flags(row) & NAMED) === 0) return undefined;
    table.setFlags(row, table.flags(row) | SEEN);
    table.setGroups(row, groups);
    if ((table.flags(row) & RETIRED) !== 0) return undefined;
    const live = this.#liveGroups(table, row);
    if (live.size > 0) return live;
    this.#retire(place.store, row);
    return undefined;
  }

  /** Something of the segment lies there: a message, a marker. The last one shows whether the store was rolled back. */
  sawTail(place: Place): void {
    const tail = this.#tails.get(place.store);
    if (tail === undefined || place.sequence >= tail.sequence) this.#tails.set(place.store, place);
  }

  /** The last thing of the segment that is known in a store. */
  tail(store: Store): Place | undefined {
    return this.#tails.get(store);
  }

  /** Both stores were read up to the markers. */
  endReplay(): Replayed {
    const revived = this.#revive();
    let missing = 0;
    for (const store of ['spool', 'defer'] as const) {
      const table = this.#tables[store];
      const gone: number[] = [];
      table.first((row) => {
        const flags = table.flags(row);
        if ((flags & RETIRED) !== 0) gone.push(table.sequence(row));
        else if ((flags & SEEN) === 0) {
          gone.push(table.sequence(row));
          if (store === 'spool' ? table.facts(row, 0).state !== undefined : (flags & NAMED) !== 0) missing++;
        }
        return false;
      });
      for (const sequence of gone) table.remove(table.find(sequence));
      table.forgetStates();
    }
    this.#replaying = false;
    return { revived, missing };
  }

  /** Where a message lies now that was known by this place; `undefined` = it is over, or was never here. */
  current(place: Place): Place | undefined {
    const current = this.#forwards.last(place);
    const table = this.#tables[current.store];
    const row = table.rowOf(current.sequence, current.id);
    return row === NO_ROW || (table.flags(row) & RETIRED) !== 0 ? undefined : current;
  }

  /** The message that is or was known by this sequence; `undefined` = none. */
  known(store: Store, sequence: number): Place | undefined {
    const table = this.#tables[store];
    const row = table.find(sequence);
    const id = row === NO_ROW ? this.#forwards.idAt(store, sequence) : table.id(row);
    return id === undefined ? undefined : { store, sequence, id };
  }

  /** What an outcome of a group would find: `over` = the group is done, `unknown` = there is no such message or group. */
  fit(handle: Place, group: number): 'live' | 'over' | 'unknown' {
    const place = this.current(handle);
    if (place === undefined) return 'unknown';
    const table = this.#tables[place.store];
    const row = table.rowOf(place.sequence, place.id);
    if ((table.flags(row) & SEEN) === 0 || !(group < table.groupCount(row))) return 'unknown';
    return table.facts(row, group).done ? 'over' : 'live';
  }

  /** The first messages of a store that are live. */
  oldest(store: Store, atMost: number): readonly Place[] {
    const table = this.#tables[store];
    const found: Place[] = [];
    table.first((row) => {
      if ((table.flags(row) & RETIRED) === 0) {
        found.push({ store, sequence: table.sequence(row), id: table.id(row) });
      }
      return found.length >= atMost;
    });
    return found;
  }

  /** The queue will not name the message by this place again. */
  forget(place: Place): void {
    this.#forwards.forget(place);
  }

  /** The live groups of a message, by its current place. */
  live(place: Place): LiveGroups | undefined {
    const table = this.#tables[place.store];
    const row = table.rowOf(place.sequence, place.id);
    if (row === NO_ROW || (table.flags(row) & (RETIRED | SEEN)) !== SEEN) return undefined;
    const live = this.#liveGroups(table, row);
    return live.size > 0 ? live : undefined;
  }

  /** The first message of a store that is live: nothing before it is needed. */
  firstLive(store: Store): Place | undefined {
    const table = this.#tables[store];
    const row = table.first((each) => (table.flags(each) & RETIRED) === 0);
    return row === NO_ROW ? undefined : { store, sequence: table.sequence(row), id: table.id(row) };
  }

  /** The record as it must be written now, after everything before it was applied: a `moved` says which groups are done. */
  completed(record: JournalRecord): JournalRecord {
    if (record.kind !== 'moved') return record;
    const place = this.#forwards.last(record.place);
    const table = this.#tables[place.store];
    const row = table.rowOf(place.sequence, place.id);
    if (row === NO_ROW) return record;
    const doneGroups = table.knownGroups(row).filter((group) => table.facts(row, group).done);
    return { ...record, doneGroups: doneGroups.toSorted((one, other) => one - other) };
  }

  /** A batch was purged from the journal. */
  journalPurged(batch: JournalBatch): void {
    for (const record of batch.records) if (record.kind === 'moved') this.#forwards.unmention(record.place);
  }

  /** What the journal says of a group, by any place of its message; `undefined` = the message is over. */
  facts({ place, group }: InFlight): GroupFacts | undefined {
    const current = this.current(place);
    return current === undefined ? undefined : this.#facts(current, group);
  }

  /** A message that is not over lies at this very place. */
  isThere(place: Place): boolean {
    return this.#tables[place.store].rowOf(place.sequence, place.id) !== NO_ROW;
  }

  /** Where a group lies that waits for the outcome of the owner that released this epoch, whatever place that one knows; `undefined` = it does not. */
  awaitedFrom(epoch: number, inflight: InFlight): Place | undefined {
    const open = this.#handovers.get(epoch)?.open.find((each) => isSame(each, inflight));
    return open !== undefined && this.facts(open)?.awaited === true ? this.current(open.place) : undefined;
  }

  #applyRecord(record: JournalRecord, sequence: number, batch: JournalBatch): void {
    switch (record.kind) {
      case 'fence':
        return;
      case 'released':
        this.#closeInflight(0);
        this.#await(batch.epoch, batch.session, record.inflight);
        if (this.#owner !== undefined) this.#owner = { ...this.#owner, released: true };
        return;
      case 'handover':
        return this.#await(record.epoch, record.session, record.inflight);
      case 'settled':
        return this.#settle(record.epoch);
      case 'moved':
        return this.#move(record.place, record.toSequence, record.doneGroups);
    }
    // An outcome may have been written while a `moved` before it was not durable yet: it names the former place.
    const place = this.#forwards.last(record.place);
    switch (record.kind) {
      case 'withdrawn':
        return this.#retire(place.store, this.#rowFor(place));
      case 'inflight':
        this.#inflight.add(inflightKey(place));
        return this.#update(place, record.group, (facts) => ({
          ...facts,
          inflight: true,
          uncleanEnds: record.uncleanEnds,
        }));
      case 'suspected':
        return this.#update(place, record.group, (facts) => ({
          ...facts,
          inflight: false,
          uncleanEnds: record.uncleanEnds,
        }));
      case 'deferred':
        return this.#update(place, record.group, (facts) =>
          facts.done ? facts : deferredFacts(sequence, record.state),
        );
      case 'done':
        return this.#done(place, record.group);
    }
  }

  #done(place: Place, group: number): void {
    this.#update(place, group, () => ({ ...NO_FACTS, done: true }));
    const table = this.#tables[place.store];
    const row = table.rowOf(place.sequence, place.id);
    if (row === NO_ROW || (table.flags(row) & SEEN) === 0) return;
    if (table.liveGroups(row).length === 0) this.#retire(place.store, row);
  }

  #update(place: Place, group: number, change: (facts: GroupFacts) => GroupFacts): void {
    const row = this.#rowFor(place);
    if (row === NO_ROW) return;
    const table = this.#tables[place.store];
    table.setFacts(row, group, change(table.facts(row, group)));
  }

  /** While the journal is folded, messages are spoken of before they are seen; later one that is not there is over. */
  #rowFor({ store, sequence, id }: Place): Row {
    const table = this.#tables[store];
    return this.#replaying ? table.rowFor(sequence, id) : table.rowOf(sequence, id);
  }

  #facts(place: Place, group: number): GroupFacts | undefined {
    const table = this.#tables[place.store];
    const row = table.rowOf(place.sequence, place.id);
    return row === NO_ROW || (table.flags(row) & RETIRED) !== 0 ? undefined : table.facts(row, group);
  }

  #move(from: Place, toSequence: number, doneGroups: readonly number[]): void {
    const to: Place = { store: 'defer', sequence: toSequence, id: from.id };
    const isRestated = from.store === 'defer' && from.sequence === toSequence;
    const table = this.#tables[from.store];
    const row = this.#rowFor(from);
    if (row === NO_ROW) return;
    const known = table.known(row);
    if (!isRestated) {
      if (this.#replaying) {
        for (const group of table.knownGroups(row)) table.setFacts(row, group, NO_FACTS);
        table.setFlags(row, table.flags(row) | RETIRED | MOVED);
      } else table.remove(row);
      if (this.#inflight.delete(inflightKey(from))) this.#inflight.add(inflightKey(to));
      this.#forwards.add(from, to, this.#replaying);
    }
    const { defer } = this.#tables;
    const target = defer.rowFor(toSequence, from.id);
    if (!isRestated) defer.restore(target, known);
    for (const group of doneGroups) defer.setFacts(target, group, { ...NO_FACTS, done: true });
    // After the replay the owner made the copy itself and need not see it.
    defer.setFlags(target, defer.flags(target) | NAMED | (this.#replaying ? 0 : SEEN));
    if (!this.#replaying) this.sawTail(to);
  }

  /** Messages whose copy is gone although nobody retired it come back to life where they were. */
  #revive(): { readonly place: Place; readonly live: LiveGroups }[] {
    const revived: { readonly place: Place; readonly live: LiveGroups }[] = [];
    // A place in DEFER first: if it comes back, its own original need not.
    for (const store of ['defer', 'spool'] as const) {
      const table = this.#tables[store];
      const candidates: number[] = [];
      table.first((row) => {
        if ((table.flags(row) & (MOVED | SEEN)) === (MOVED | SEEN)) candidates.push(table.sequence(row));
        return false;
      });
      for (const sequence of candidates) {
        const place: Place = { store, sequence, id: table.id(table.find(sequence)) };
        const { defer } = this.#tables;
        const to = this.#forwards.last(place);
        const target = defer.rowOf(to.sequence, to.id);
        if (target === NO_ROW || (defer.flags(target) & (RETIRED | SEEN)) !== 0) continue;
        const row = table.find(sequence);
        table.restore(row, defer.known(target));
        const live = this.#liveGroups(table, row);
        // The copy was sent, and purged after that.
        if (live.size === 0) continue;
        table.setFlags(row, table.flags(row) & ~(RETIRED | MOVED));
        defer.remove(target);
        this.#forwards.drop(place);
        revived.push({ place, live });
      }
    }
    return revived;
  }

  /** Unclean ends are the message's: what ends a process in one of its groups would do so in all of them. */
  #liveGroups(table: GroupTable, row: Row): LiveGroups {
    const live = new Map<number, LiveGroup>();
    const groups = table.liveGroups(row);
    let uncleanEnds = 0;
    if (groups.length > 1)
      for (const group of groups) uncleanEnds = Math.max(uncleanEnds, table.facts(row, group).uncleanEnds);
    for (const group of groups) live.set(group, liveGroup(table.facts(row, group), uncleanEnds));
    return live;
  }

  /** While both stores are read, what is retired must still be known as such when it is read. */
  #retire(store: Store, row: Row): void {
    if (row === NO_ROW) return;
    const table = this.#tables[store];
    this.#inflight.delete(inflightKey({ store, sequence: table.sequence(row) }));
    if (this.#replaying) table.setFlags(row, table.flags(row) | RETIRED);
    else table.remove(row);
  }

  /** Every transaction of the owner is over; `uncleanEnds` 1 = because it ended. Those of former owners go on. */
  #closeInflight(uncleanEnds: 0 | 1): void {
    for (const key of this.#inflight) {
      const store: Store = key % 2 === 1 ? 'defer' : 'spool';
      const table = this.#tables[store];
      const row = table.find(Math.floor(key / 2));
      if (row === NO_ROW) continue;
      for (const group of table.knownGroups(row)) {
        const facts = table.facts(row, group);
        if (!facts.inflight || facts.awaited) continue;
        table.setFacts(row, group, {
          ...facts,
          inflight: false,
          uncleanEnds: facts.uncleanEnds + uncleanEnds,
        });
      }
    }
    this.#inflight.clear();
  }

  #await(epoch: number, session: string, inflight: readonly InFlight[]): void {
    if (inflight.length === 0) return;
    // What a later owner has in flight waits for that one: the former one told of it long ago.
    for (const handover of this.#handovers.values()) {
      handover.open = handover.open.filter((each) => !inflight.some((other) => isSame(each, other)));
    }
    this.#handovers.set(epoch, { session, open: inflight });
    for (const { place, group } of inflight) {
      this.#update(this.#forwards.last(place), group, (facts) =>
        facts.done ? facts : { ...facts, inflight: true, awaited: true },
      );
    }
  }

  /** What still waits will get no outcome: its owner ended with it in flight. */
  #settle(epoch: number): void {
    for (const { place, group } of this.awaited(epoch)) {
      const current = this.current(place);
      if (current === undefined) continue;
      this.#update(current, group, (facts) => ({
        ...facts,
        inflight: false,
        awaited: false,
        uncleanEnds: facts.uncleanEnds + 1,
      }));
    }
    this.#handovers.delete(epoch);
  }
}

function isSame(one: InFlight, other: InFlight): boolean {
  // A message has one id wherever it lies.
  return one.group === other.group && one.place.id === other.place.id;
}

function deferredFacts(sequence: number, state: GroupState): GroupFacts {
  return { ...NO_FACTS, stateAt: sequence >>> 0, state };
}

function inflightKey({ store, sequence }: Pick<Place, 'store' | 'sequence'>): number {
  return sequence * 2 + (store === 'defer' ? 1 : 0);
}
