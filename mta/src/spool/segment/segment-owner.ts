import type { InFlight, JournalRecord } from './journal-record.ts';
import { JournalWriter } from './journal-writer.ts';
import {
  ALL_RULES,
  type JournalEntry,
  type OwnerCommand,
  type OwnerEvent,
  type OwnerRules,
  type StoredItem,
} from './owner-command.ts';
import type { Place, Store } from './place.ts';
import { PurgeFloor, purgePoint } from './purge-floor.ts';
import { type LiveGroups, SegmentState } from './segment-state.ts';

/** Late publishes on old epochs are looked for this often, milliseconds (DESIGN §5, step 7). */
export const SWEEP_EVERY_MS = 10_000;
/** A command without an answer is given again after so long, milliseconds. */
export const ASK_AGAIN_AFTER_MS = 5_000;
const POLL_EVERY_MS = 200;
const PURGE_EVERY_MS = 1_000;
const HANDOVER_EVERY_MS = 500;
/** Batches that a journal may have before its oldest ones are said again and purged. */
export const MAX_JOURNAL_BATCHES = 512;
/** Old batches that one append restates: more than one, so that the journal becomes shorter. */
const RESTATED_BATCHES = 4;

/** Where a segment is in the hands of this process. */
export type OwnerPhase =
  /** Not ours, and nothing under way. */
  | 'idle'
  /** The journal is read, to know whether the segment may be taken, or whether the own fence arrived. */
  | 'reading'
  /** The fence is under way. */
  | 'fencing'
  /** Ours; both stores are read up to the own markers. Messages are sent meanwhile. */
  | 'replaying'
  /** Ours; takes new mail. */
  | 'live'
  /** After an outage: a fence that expects the own last sequence is under way, then both stores are checked. Nothing starts. */
  | 'refencing'
  /** The last batch of this owner is under way. Nothing starts. */
  | 'releasing'
  /** Given up; open transactions end and are told on the hand-over subject. */
  | 'released';

export interface OwnerSurroundings {
  readonly session: string;
  /** A number that this session has not used yet, rising: tells each of its batches, also of other adoptions, from all others. */
  readonly nextNumber: () => number;
  /** The journal names this session: {@link SessionWatch.expect}, then {@link SessionWatch.isDead}. */
  readonly isDead: (session: string) => boolean;
  /** Batches that the journal may have; tests make it short. */
  readonly maxJournalBatches?: number;
  readonly rules?: OwnerRules;
}

/** An owner that released the segment and still ends transactions. */
interface FormerOwner {
  after: number;
  readonly session: string;
  /** The subject was asked after the owner's death: what it has not by then never comes. */
  askedAfterDeath: boolean;
  /** What will be offered once `settled` is durable. */
  settling: readonly InFlight[] | undefined;
}

interface Reading {
  after: number;
  done: boolean;
  askedAtMs: number;
  /** An answer is awaited. */
  asked: boolean;
  markedAtMs: number;
}

/**
 * One segment in the hands of one process: adopts it, keeps its journal, says what is to be sent, purges what is over, gives it up.
 * Pure: events in, commands out; time is handed in; one instance per segment and process, for as long as its session lasts.
 * The table of states and transitions is in docs/adr/0022-adoption-protocol.md.
 *
 * Example: `for (const command of owner.handle({ kind: 'adopt' }, nowMs)) carryOut(command);`
 */
export class SegmentOwner {
  readonly #surroundings: OwnerSurroundings;
  readonly #rules: OwnerRules;
  #phase: OwnerPhase = 'idle';
  #state = new SegmentState();
  #writer: JournalWriter;
  #reading: Record<Store, Reading> = { spool: newReading(), defer: newReading() };
  readonly #floor = new PurgeFloor();
  /** Epochs of this process since it adopted the segment: their messages are known. */
  readonly #ownEpochs = new Set<number>();
  /** Open transactions, by what the queue calls the message. */
  readonly #open = new Map<string, InFlight>();
  /** Transactions that wait for their `inflight` to be durable, in the order of the journal. */
  #starting: (InFlight | undefined)[] = [];
  #sweptTo = 0;
  #sweepAtMs = 0;
  #purgeAtMs = 0;
  #pollAtMs = 0;
  #askedAtMs = 0;
  #toldAtMs = 0;
  readonly #purgedTo: Record<Store, number> = { spool: 0, defer: 0 };
  #journalFrom = 1;
  #journalBatches = 0;
  #oldest: readonly JournalEntry[] = [];
  #restating: readonly JournalEntry[] = [];
  #restateAtMost = RESTATED_BATCHES;
  readonly #former = new Map<number, FormerOwner>();
  /** Groups whose outcome came from a former owner: the queue does not have them yet. */
  readonly #inherited = new Set<string>();
  /** What is told on the own hand-over subject; exists once the segment is given up. */
  #handover: JournalWriter | undefined;
  readonly #tailsToCheck = new Set<Store>();
  #fenceNumber = 0;
  #refenced = false;
  #refused = false;
  #releaseWanted = false;
  #commands: OwnerCommand[] = [];

  constructor(surroundings: OwnerSurroundings) {
    this.#surroundings = surroundings;
    this.#rules = surroundings.rules ?? ALL_RULES;
    this.#writer = new JournalWriter(surroundings.session, surroundings.nextNumber);
  }

  get phase(): OwnerPhase {
    return this.#phase;
  }

  get epoch(): number {
    return this.#writer.epoch;
  }

  get messages(): number {
    return this.#state.messages;
  }

  /** Outcomes and starts that are not durable: no transaction may start while they are more than W. */
  get unjournalled(): number {
    return this.#writer.unjournalled;
  }

  get openTransactions(): number {
    return this.#open.size;
  }

  /** Given up, and everything that was open has been told: the process may end. */
  get isSettled(): boolean {
    const open = this.#open.size + (this.#handover?.unjournalled ?? 0);
    return this.#phase === 'idle' || (this.#phase === 'released' && open === 0);
  }

  /** The segment is owned, as far as this process can know. */
  get isOwned(): boolean {
    return this.#phase === 'replaying' || this.#phase === 'live';
  }

  get takesMail(): boolean {
    return this.#phase === 'live';
  }

  handle(event: OwnerEvent, nowMs: number): readonly OwnerCommand[] {
    this.#commands = [];
    this.#take(event, nowMs);
    this.#flush(nowMs);
    return this.#commands;
  }

  /** A publish of new mail is about to be sent on the current epoch. */
  publishing(id: string, nowMs: number): void {
    this.#floor.begin('spool', id, this.#state.tail('spool')?.sequence ?? 0, nowMs);
  }

  /** It is stored; the queue gets it from whoever accepted it. */
  published(place: Place, groups: number): void {
    const isRefused = this.#floor.isRefused('spool', place.id);
    this.#floor.end('spool', place.id);
    if (!this.isOwned && this.#phase !== 'refencing') return;
    if (isRefused) this.#withdraw(place);
    else this.#state.seen(place, groups);
  }

  /** It was refused by the server: `certain`; or got no answer, and its sender is refused now. */
  publishFailed(id: string, certain: boolean): void {
    if (certain) this.#floor.end('spool', id);
    else this.#floor.refuse('spool', id);
  }

  /**
   * A transaction is about to start. `go`: now; `later`: when `started` says so, because it may be what ended the last owner;
   * `no`: the segment or the group is not this process's to send.
   */
  start(handle: Place, group: number): 'go' | 'later' | 'no' {
    if (!this.isOwned) return 'no';
    const place = this.#state.current(handle);
    const live = place === undefined ? undefined : this.#state.live(place)?.get(group);
    if (place === undefined || live === undefined || live.held) return 'no';
    if (live.awaited && this.#rules.awaitsHandover) return 'no';
    const { uncleanEnds } = live;
    this.#open.set(openKey(handle, group), { place: handle, group });
    const starting = live.uncleanEnds > 0 ? { place: handle, group } : undefined;
    this.#add({ kind: 'inflight', place, group, uncleanEnds }, starting);
    return live.uncleanEnds > 0 ? 'later' : 'go';
  }

  /** A transaction ended. Its outcome is durable when `recorded` counts it; without one it did not happen. */
  record(handle: Place, outcome: Extract<JournalRecord, { kind: 'done' | 'deferred' }>): void {
    this.#open.delete(openKey(handle, outcome.group));
    const place = this.#state.current(handle) ?? handle;
    const record = { ...outcome, place };
    if (this.#handover !== undefined) this.#handover.add(record);
    else if (this.#phase !== 'idle') this.#add(record);
  }

  /** Where a message lies that the queue knows by this place. */
  whereIs(handle: Place): Place | undefined {
    return this.#state.current(handle);
  }

  /** {@link SegmentState.known} */
  known(store: Store, sequence: number): Place | undefined {
    return this.#state.known(store, sequence);
  }

  /** Where a message lies now. */
  current(handle: Place): Place | undefined {
    return this.#state.current(handle);
  }

  /** {@link SegmentState.fit} */
  fit(handle: Place, group: number): ReturnType<SegmentState['fit']> {
    return this.#state.fit(handle, group);
  }

  /** {@link SegmentState.oldest} */
  oldest(store: Store, atMost: number): readonly Place[] {
    return this.#state.oldest(store, atMost);
  }

  /** New mail was refused for want of an answer: a sweep looks for it on the own epoch too. */
  get hasRefused(): boolean {
    return this.#floor.hasRefused;
  }

  /** The last thing of the segment that is known in a store. */
  tail(store: Store): Place | undefined {
    return this.#state.tail(store);
  }

  /** The queue will not name the message again. */
  forget(handle: Place): void {
    this.#state.forget(handle);
  }

  /** Put a message aside: copy it to DEFER, then retire its place. */
  move(handle: Place, nowMs: number): readonly OwnerCommand[] {
    const place = this.#phase === 'live' ? this.#state.current(handle) : undefined;
    if (place === undefined || this.#floor.isPending('defer', place.id)) return [];
    this.#floor.begin('defer', place.id, this.#state.tail('defer')?.sequence ?? 0, nowMs);
    return [{ kind: 'copy', place, epoch: this.epoch }];
  }

  #take(event: OwnerEvent, nowMs: number): void {
    switch (event.kind) {
      case 'adopt':
        if (this.#phase === 'idle') this.#adopt(nowMs);
        return;
      case 'journal':
        return this.#readJournal(event.after, event.entries, nowMs);
      case 'appended':
        if (this.#writer.underWay?.number === event.number) this.#appended(event.sequence, nowMs);
        return;
      case 'append-failed':
        return this.#appendFailed(event, nowMs);
      case 'read':
        return this.#read(event.store, event.after, event.items, nowMs);
      case 'swept':
        if (this.#phase === 'live' && event.after === this.#sweptTo) this.#swept(event.items, event.upTo);
        return;
      case 'tail':
        return this.#tail(event.store, event.intact);
      case 'copied':
        return this.#copied(event.place, event.toSequence);
      case 'copy-failed':
        return this.#floor.refuse('defer', event.place.id);
      case 'purged':
        this.#purgedTo[event.store] = Math.max(this.#purgedTo[event.store], event.upTo);
        return;
      case 'oldest':
        if (event.from === this.#journalFrom && this.#restating.length === 0) this.#oldest = event.entries;
        return;
      case 'journal-purged':
        this.#journalFrom = Math.max(this.#journalFrom, event.upTo + 1);
        return;
      case 'handover':
        return this.#handoverEntries(event.epoch, event.after, event.entries);
      case 'handover-appended':
        if (this.#handover?.underWay?.number === event.number) this.#handoverAppended(event.sequence);
        return;
      case 'handover-failed':
        return this.#handoverFailed(event.number, event.entries);
      case 'reconnected':
        if (this.#phase === 'live') this.#refence(nowMs);
        // What was read may have been rolled back meanwhile.
        else if (this.#phase === 'replaying') this.#drop('the connection was lost during replay', 'idle');
        return;
      case 'tick':
        return this.#tick(nowMs);
      case 'release':
        return this.#release(nowMs);
      case 'session-over':
        return this.#drop('the session of this process is over', 'idle');
    }
  }

  #adopt(nowMs: number): void {
    this.#reset();
    this.#phase = 'reading';
    this.#askJournal(nowMs);
  }

  #reset(): void {
    this.#state = new SegmentState();
    this.#writer = new JournalWriter(this.#surroundings.session, this.#surroundings.nextNumber);
    this.#reading = { spool: newReading(), defer: newReading() };
    this.#floor.clear();
    this.#ownEpochs.clear();
    this.#open.clear();
    this.#starting = [];
    this.#sweptTo = 0;
    this.#purgedTo.spool = 0;
    this.#purgedTo.defer = 0;
    this.#journalFrom = 1;
    this.#journalBatches = 0;
    this.#oldest = [];
    this.#restating = [];
    this.#former.clear();
    this.#inherited.clear();
    this.#handover = undefined;
    this.#tailsToCheck.clear();
    this.#fenceNumber = 0;
    this.#refenced = false;
    this.#refused = false;
    this.#releaseWanted = false;
  }

  #askJournal(nowMs: number): void {
    this.#askedAtMs = nowMs;
    this.#emit({ kind: 'read-journal', after: this.#lastKnown });
  }

  get #lastKnown(): number {
    return this.#phase === 'reading' ? this.#state.lastSequence : this.#writer.lastSequence;
  }

  #readJournal(after: number, entries: readonly JournalEntry[], nowMs: number): void {
    if (after !== this.#lastKnown) return;
    if (this.#phase === 'reading') {
      // The server knows of more than this replica: asked again a little later.
      if (entries.length === 0 && this.#refused) return;
      this.#refused = false;
      for (const { sequence, batch } of entries) this.#state.apply(sequence, batch);
      if (this.#journalBatches === 0) this.#journalFrom = entries[0]?.sequence ?? 1;
      this.#journalBatches += entries.length;
      this.#decide(nowMs);
    } else if (this.#writer.isUnclear) {
      const found = this.#writer.resolve(entries);
      if (found === 'other') this.#drop('another pod owns the segment', 'idle');
      else if (found === 'absent') this.#append();
      else this.#appended(found, nowMs);
    }
  }

  /** The journal is read: is the segment ours, free, or somebody's? */
  #decide(nowMs: number): void {
    const owner = this.#state.owner;
    const { session, isDead } = this.#surroundings;
    const isOwn = owner?.session === session;
    if (isOwn && !owner.released && this.#fenceNumber > 0 && owner.fenceNumber === this.#fenceNumber) {
      this.#own(owner.epoch, nowMs);
    } else if (owner === undefined || owner.released || isOwn || isDead(owner.session)) {
      this.#writer = new JournalWriter(session, this.#surroundings.nextNumber);
      this.#writer.lastSequence = this.#state.lastSequence;
      this.#phase = 'fencing';
      this.#fenceNumber = this.#writer.begin([{ kind: 'fence' }], nowMs).number;
      this.#append();
    } else {
      this.#phase = 'idle';
      this.#emit({ kind: 'declined', session: owner.session });
    }
  }

  #own(epoch: number, nowMs: number): void {
    const writer = new JournalWriter(this.#surroundings.session, this.#surroundings.nextNumber);
    writer.lastSequence = this.#state.lastSequence;
    writer.epoch = epoch;
    this.#writer = writer;
    this.#ownEpochs.add(epoch);
    this.#phase = 'replaying';
    for (const store of ['spool', 'defer'] as const) {
      this.#mark(store, nowMs);
      this.#ask(store, nowMs);
    }
  }

  /** A marker has no answer: one that does not come up in time was lost, or the store was full. */
  #mark(store: Store, nowMs: number): void {
    this.#reading[store].markedAtMs = nowMs;
    this.#emit({ kind: 'publish-marker', store, epoch: this.epoch });
  }

  #append(): void {
    const { underWay, lastSequence } = this.#writer;
    if (underWay === undefined) return;
    const expected = this.#rules.expectsLastSequence ? lastSequence : -1;
    this.#emit({ kind: 'append', expected, batch: underWay });
  }

  #appended(sequence: number, nowMs: number): void {
    const accepted = this.#writer.appended(sequence);
    if (accepted === undefined) return;
    const { batch, added } = accepted;
    this.#state.apply(sequence, batch);
    this.#journalBatches++;
    if (this.#phase === 'fencing') {
      this.#own(sequence, nowMs);
      return;
    }
    if (batch.records[0]?.kind === 'fence') {
      this.#ownEpochs.add(sequence);
      for (const store of ['spool', 'defer'] as const) {
        const place = this.#state.tail(store);
        if (place === undefined) continue;
        this.#tailsToCheck.add(store);
        this.#emit({ kind: 'check-tail', place });
      }
      this.#askedAtMs = nowMs;
      if (this.#tailsToCheck.size === 0 && this.#phase === 'refencing') this.#live();
    }
    this.#durable(batch.records.slice(batch.records.length - added), added);
    if (this.#restating.length > 0) this.#purgeRestated();
    if (batch.records.at(-1)?.kind === 'released') this.#gaveUp();
  }

  /** What waited for these records may go on. */
  #durable(records: readonly JournalRecord[], added: number): void {
    let outcomes = 0;
    for (const starting of this.#starting.slice(0, added)) {
      // The server has just taken a batch of this owner: it may start, unless it is giving up.
      if (starting === undefined || this.#handover !== undefined) continue;
      if (this.#open.has(openKey(starting.place, starting.group)))
        this.#emit({ kind: 'started', ...starting });
    }
    this.#starting = this.#starting.slice(added);
    for (const record of records) {
      if (record.kind === 'moved') this.#floor.end('defer', record.place.id);
      else if (record.kind === 'settled') this.#settled(record.epoch);
      else if (record.kind === 'done' || record.kind === 'deferred') {
        if (!this.#inherited.delete(openKey(record.place, record.group))) outcomes++;
        else this.#offerGroup(record);
      }
    }
    if (outcomes > 0) this.#emit({ kind: 'recorded', outcomes });
  }

  /** The queue gets one group of a message: a former owner is done with it. */
  #offerGroup({ place, group }: InFlight): void {
    const current = this.#state.current(place);
    const live = current === undefined ? undefined : this.#state.live(current)?.get(group);
    if (current !== undefined && live !== undefined) this.#offer(current, new Map([[group, live]]));
  }

  #appendFailed(
    { number, timedOut, lastSequence }: Extract<OwnerEvent, { kind: 'append-failed' }>,
    nowMs: number,
  ): void {
    if (this.#writer.underWay?.number !== number) return;
    if (lastSequence !== undefined && lastSequence < this.#writer.lastSequence) {
      this.#drop('the journal lost entries: the segment is read again', 'idle');
      return;
    }
    if (timedOut && !this.#rules.readsAfterTimeout) {
      this.#appended(this.#writer.lastSequence + 1, nowMs);
      return;
    }
    this.#writer.failed();
    if (this.#phase === 'fencing') {
      this.#phase = 'reading';
      this.#refused = !timedOut;
    }
    this.#askJournal(nowMs);
  }

  #ask(store: Store, nowMs: number): void {
    const reading = this.#reading[store];
    reading.asked = true;
    reading.askedAtMs = nowMs;
    this.#emit({ kind: 'read-store', store, after: reading.after });
  }

  #read(store: Store, after: number, items: readonly StoredItem[], nowMs: number): void {
    const reading = this.#reading[store];
    if (this.#phase !== 'replaying' || reading.done || after !== reading.after) return;
    reading.asked = false;
    for (const item of items) {
      reading.after = item.sequence;
      const place: Place = { store, sequence: item.sequence, id: item.id };
      if (item.groups > 0) this.#offer(place, this.#state.seen(place, item.groups));
      else {
        this.#state.sawTail(place);
        if (item.epoch !== this.epoch || item.id !== this.#surroundings.session) continue;
        this.#readTo(store, item.sequence);
        break;
      }
    }
    if (!reading.done && items.length === 0 && !this.#rules.awaitsMarkers) this.#readTo(store, reading.after);
    if (!reading.done && items.length > 0) this.#ask(store, nowMs);
  }

  #readTo(store: Store, sequence: number): void {
    this.#reading[store].done = true;
    if (store === 'spool') this.#sweptTo = sequence;
    if (!this.#reading.spool.done || !this.#reading.defer.done) return;
    for (const { place, live } of this.#state.endReplay().revived) this.#offer(place, live);
    this.#live();
  }

  #live(): void {
    this.#phase = 'live';
    this.#emit({ kind: 'live', epoch: this.epoch });
  }

  /** What is held or awaited does not go to the queue now. */
  #offer(place: Place, live: LiveGroups | undefined): void {
    if (live === undefined) return;
    const open = [...live].filter(
      ([, { held, awaited }]) => !held && (!awaited || !this.#rules.awaitsHandover),
    );
    if (open.length > 0) this.#emit({ kind: 'offer', place, live: new Map(open) });
    const held = [...live].filter(([, group]) => group.held).map(([group]) => group);
    if (held.length > 0) this.#emit({ kind: 'held', place, groups: held });
  }

  #swept(items: readonly StoredItem[], upTo: number): void {
    for (const { sequence, epoch, id, groups } of items) {
      const place: Place = { store: 'spool', sequence, id };
      if (!this.#ownEpochs.has(epoch)) {
        if (groups > 0) this.#offer(place, this.#state.seen(place, groups));
        else this.#state.sawTail(place);
      } else if (this.#floor.isRefused('spool', id)) {
        this.#withdraw(place);
        this.#floor.end('spool', id);
      }
    }
    this.#sweptTo = Math.max(this.#sweptTo, upTo);
  }

  /** Its sender was told to come again: this copy must not be sent too. */
  #withdraw(place: Place): void {
    this.#state.sawTail(place);
    this.#add({ kind: 'withdrawn', place });
  }

  #tail(store: Store, intact: boolean): void {
    if (!intact) this.#drop(`${store} lost entries: the segment is read again`, 'idle');
    else if (this.#tailsToCheck.delete(store) && this.#tailsToCheck.size === 0 && this.#phase === 'refencing')
      this.#live();
  }

  #copied(place: Place, toSequence: number): void {
    if (!this.#floor.isPending('defer', place.id) || !this.isOwned) return;
    if (this.#state.current(place)?.sequence !== place.sequence) {
      this.#floor.end('defer', place.id);
      return;
    }
    this.#add({ kind: 'moved', place, toSequence, doneGroups: [] });
    if (!this.#rules.retiresAfterMoved)
      this.#emit({ kind: 'purge', store: 'spool', upTo: place.sequence, guard: place });
  }

  #refence(nowMs: number): void {
    this.#phase = 'refencing';
    this.#refenced = false;
    this.#sweepAtMs = 0;
    // An append without an answer is cleared up first; the fence follows it.
    if (this.#writer.isIdle) return;
    this.#writer.failed();
    this.#askJournal(nowMs);
  }

  #release(nowMs: number): void {
    if (this.#phase === 'idle') {
      this.#emit({ kind: 'released' });
    } else if (this.#phase !== 'released' && this.#phase !== 'releasing') {
      // A fence under way may arrive: only what is owned can be given up.
      this.#releaseWanted = true;
      if (!this.isOwned) return;
      this.#phase = 'releasing';
      // What only waits for its record to be durable does not start any more.
      for (const starting of this.#starting)
        if (starting !== undefined) this.#open.delete(openKey(starting.place, starting.group));
      const inflight = [...this.#open.values()].map(({ place, group }) => ({
        place: this.#state.current(place) ?? place,
        group,
      }));
      this.#add({ kind: 'released', inflight });
      // From now on outcomes are told on the hand-over subject.
      this.#handover = new JournalWriter(this.#surroundings.session, this.#surroundings.nextNumber);
      this.#handover.epoch = this.epoch;
      this.#tick(nowMs);
    }
  }

  #gaveUp(): void {
    this.#phase = 'released';
    this.#emit({ kind: 'released' });
  }

  #tick(nowMs: number): void {
    const phase = this.#phase;
    if (this.#refused && this.#askedAtMs + POLL_EVERY_MS <= nowMs) this.#askJournal(nowMs);
    if (this.#askedAtMs + ASK_AGAIN_AFTER_MS <= nowMs) {
      if (phase === 'reading' || this.#writer.isUnclear) this.#askJournal(nowMs);
      if (this.#tailsToCheck.size > 0) this.#askTails(nowMs);
    }
    if (phase === 'replaying') this.#pollStores(nowMs);
    if (phase === 'replaying' || phase === 'live') this.#pollFormerOwners(nowMs);
    if (phase !== 'live') return;
    this.#floor.expire(nowMs);
    if (this.#rules.sweeps && nowMs >= this.#sweepAtMs) {
      this.#sweepAtMs = nowMs + SWEEP_EVERY_MS;
      this.#emit({ kind: 'sweep', after: this.#sweptTo });
    }
    if (nowMs < this.#purgeAtMs) return;
    this.#purgeAtMs = nowMs + PURGE_EVERY_MS;
    this.#purge('spool');
    this.#purge('defer');
    this.#askOldest();
  }

  #askTails(nowMs: number): void {
    this.#askedAtMs = nowMs;
    for (const store of this.#tailsToCheck) {
      const place = this.#state.tail(store);
      if (place !== undefined) this.#emit({ kind: 'check-tail', place });
    }
  }

  #pollStores(nowMs: number): void {
    for (const store of ['spool', 'defer'] as const) {
      const { done, asked, askedAtMs } = this.#reading[store];
      if (done || nowMs < askedAtMs + (asked ? ASK_AGAIN_AFTER_MS : POLL_EVERY_MS)) continue;
      if (this.#reading[store].markedAtMs + ASK_AGAIN_AFTER_MS <= nowMs) this.#mark(store, nowMs);
      this.#ask(store, nowMs);
    }
  }

  #purge(store: Store): void {
    const sweptTo =
      store === 'spool' && this.#rules.purgesOnlySwept ? this.#sweptTo : Number.POSITIVE_INFINITY;
    const pending = this.#rules.purgesOnlySwept ? this.#floor.limit(store) : Number.POSITIVE_INFINITY;
    const point = purgePoint(
      this.#state.firstLive(store),
      this.#state.tail(store),
      Math.min(sweptTo, pending),
    );
    if (point !== undefined && point.upTo > this.#purgedTo[store])
      this.#emit({ kind: 'purge', store, ...point });
  }

  /** After each event: what can be appended is appended. */
  #flush(nowMs: number): void {
    if (this.#phase === 'refencing' && this.#writer.isIdle && !this.#refenced) {
      this.#refenced = true;
      this.#writer.complete((record) => this.#state.completed(record));
      this.#writer.begin([{ kind: 'fence' }], nowMs);
      this.#append();
    }
    if (this.isOwned && this.#releaseWanted) this.#release(nowMs);
    if (this.isOwned || this.#phase === 'releasing') this.#flushJournal(nowMs);
    if (this.#phase !== 'released') return;
    const handover = this.#handover;
    if (handover === undefined) return;
    const isLost = !handover.isIdle && this.#toldAtMs + 2 * ASK_AGAIN_AFTER_MS <= nowMs;
    const batch = isLost ? handover.underWay : handover.next(nowMs);
    if (batch === undefined) return;
    this.#toldAtMs = nowMs;
    this.#emit({ kind: 'append-handover', expected: handover.lastSequence, batch });
  }

  #flushJournal(nowMs: number): void {
    if (!this.#writer.isIdle) return;
    const restated: JournalRecord[] = [];
    for (const entry of this.#phase === 'live' ? this.#oldest.slice(0, this.#restateAtMost) : []) {
      if (entry.sequence >= this.#writer.lastSequence) break;
      const again = this.#state.restate(entry.sequence, entry.batch, this.#purgedTo.spool);
      if (again === undefined) break;
      restated.push(...again);
      this.#restating = [...this.#restating, entry];
    }
    this.#oldest = [];
    if (restated.length === 0 && this.#restating.length > 0) this.#purgeRestated();
    this.#writer.complete((record) => this.#state.completed(record));
    const batch = this.#writer.next(nowMs, restated);
    if (batch !== undefined) this.#append();
    // Not everything fitted: what was said again is said once more, the old batches stay.
    const isWhole = batch !== undefined && batch.records.length >= restated.length;
    if (batch !== undefined) this.#restateAtMost = isWhole ? RESTATED_BATCHES : 1;
    if (!isWhole) this.#restating = [];
  }

  /** Nothing needs these batches any more. */
  #purgeRestated(): void {
    const last = this.#restating.at(-1);
    if (last === undefined) return;
    this.#emit({ kind: 'purge-journal', upTo: last.sequence });
    for (const { batch } of this.#restating) this.#state.journalPurged(batch);
    this.#journalFrom = last.sequence + 1;
    this.#journalBatches -= this.#restating.length;
    this.#restating = [];
    // At once: outcomes come in many batches a second, and a journal must not grow faster than it is shortened.
    this.#askOldest();
  }

  #askOldest(): void {
    const isLong = this.#journalBatches > (this.#surroundings.maxJournalBatches ?? MAX_JOURNAL_BATCHES);
    if (isLong && this.#phase === 'live' && this.#oldest.length === 0)
      this.#emit({ kind: 'read-oldest', from: this.#journalFrom, atMost: RESTATED_BATCHES });
  }

  #pollFormerOwners(nowMs: number): void {
    if (nowMs < this.#pollAtMs) return;
    this.#pollAtMs = nowMs + HANDOVER_EVERY_MS;
    for (const { epoch, session } of this.#state.handovers()) {
      let former = this.#former.get(epoch);
      if (former === undefined) {
        former = { after: 0, session, askedAfterDeath: false, settling: undefined };
        this.#former.set(epoch, former);
      }
      if (former.settling !== undefined) continue;
      this.#emit({ kind: 'read-handover', epoch, after: former.after });
    }
  }

  #handoverEntries(epoch: number, after: number, entries: readonly JournalEntry[]): void {
    const former = this.#former.get(epoch);
    if (former === undefined || former.settling !== undefined || after !== former.after || !this.isOwned)
      return;
    for (const { sequence, batch } of entries) {
      former.after = sequence;
      for (const record of batch.records) this.#inherit(record, epoch);
    }
    const open = this.#state.awaited(epoch).filter(({ place, group }) => !this.#isInherited(place, group));
    // Two answers after its death, so that the second question was asked after it.
    const isOver = former.askedAfterDeath && entries.length === 0;
    former.askedAfterDeath = this.#surroundings.isDead(former.session);
    if (open.length > 0 && !isOver) return;
    former.settling = open;
    this.#add({ kind: 'settled', epoch });
  }

  #inherit(record: JournalRecord, epoch: number): void {
    if (record.kind !== 'done' && record.kind !== 'deferred') return;
    // It may name the message by a place of before, and another owner may have taken the outcome over already.
    const place = this.#state.awaitedFrom(epoch, record);
    if (place === undefined || this.#isInherited(place, record.group)) return;
    this.#inherited.add(openKey(place, record.group));
    this.#add({ ...record, place });
  }

  #isInherited(place: Place, group: number): boolean {
    return this.#inherited.has(openKey(this.#state.current(place) ?? place, group));
  }

  #settled(epoch: number): void {
    for (const group of this.#former.get(epoch)?.settling ?? []) this.#offerGroup(group);
    this.#former.delete(epoch);
  }

  #handoverAppended(sequence: number): void {
    const accepted = this.#handover?.appended(sequence);
    if (accepted !== undefined) this.#emit({ kind: 'recorded', outcomes: accepted.added });
  }

  /** `entries`: what the subject has after the sequence that the append expected. */
  #handoverFailed(number: number, entries: readonly JournalEntry[]): void {
    const handover = this.#handover;
    const batch = handover?.underWay;
    if (handover === undefined || batch === undefined || batch.number !== number) return;
    const found = handover.resolve(entries);
    if (typeof found === 'number') this.#handoverAppended(found);
    else this.#emit({ kind: 'append-handover', expected: handover.lastSequence, batch });
  }

  #add(record: JournalRecord, starting?: InFlight): void {
    this.#writer.add(record);
    this.#starting.push(starting);
  }

  #drop(reason: string, phase: OwnerPhase): void {
    const had = this.#phase !== 'idle';
    this.#phase = phase;
    this.#reset();
    if (had) this.#emit({ kind: 'drop', reason });
  }

  #emit(command: OwnerCommand): void {
    this.#commands.push(command);
  }
}

function newReading(): Reading {
  return { after: 0, done: false, asked: false, askedAtMs: 0, markedAtMs: 0 };
}

function openKey({ store, sequence, id }: Place, group: number): string {
  return `${store} ${sequence} ${id} ${group}`;
}
