import { FormerOwners } from './former-owners.ts';
import { ALONE_UNCLEAN_ENDS } from './group-facts.ts';
import { HandoverTeller } from './handover-teller.ts';
import type { InFlight, JournalRecord } from './journal-record.ts';
import { JournalShortener, MAX_JOURNAL_BATCHES } from './journal-shortener.ts';
import { JournalWriter } from './journal-writer.ts';
import {
  ALL_RULES,
  type JournalEntry,
  type OwnerCommand,
  type OwnerEvent,
  type OwnerRules,
  type StoredItem,
} from './owner-command.ts';
import { groupKey, type Place, type Store } from './place.ts';
import { PurgeFloor, purgePoint } from './purge-floor.ts';
import { type LiveGroups, SegmentState } from './segment-state.ts';
import { ASK_AGAIN_AFTER_MS, POLL_EVERY_MS, StoreReplay } from './store-replay.ts';
import { SuspectTurn } from './suspect-turn.ts';

/** Late publishes on old epochs are looked for this often, milliseconds (DESIGN §5, step 7). */
export const SWEEP_EVERY_MS = 10_000;
const PURGE_EVERY_MS = 1_000;

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
  /** Shared by all owners of the process; absent = one of its own. */
  readonly suspectTurn?: SuspectTurn;
  /** Batches that the journal may have; tests make it short. */
  readonly maxJournalBatches?: number;
  readonly rules?: OwnerRules;
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
  readonly #turn: SuspectTurn;
  #phase: OwnerPhase = 'idle';
  #state = new SegmentState();
  #writer: JournalWriter;
  #replay: StoreReplay | undefined;
  #former: FormerOwners;
  #shortener: JournalShortener;
  readonly #floor = new PurgeFloor();
  /** Epochs of this process since it adopted the segment: their messages are known. */
  readonly #ownEpochs = new Set<number>();
  /** Open transactions, by what the queue calls the message. */
  readonly #open = new Map<string, InFlight>();
  /** Transactions that wait for their `inflight` to be durable, in the order of the journal. */
  #starting: (InFlight | undefined)[] = [];
  /** What was stored by former owners lies up to there. */
  readonly #adoptedTo: Record<Store, number> = { spool: 0, defer: 0 };
  #sweptTo = 0;
  #sweepAtMs = 0;
  #purgeAtMs = 0;
  #askedAtMs = 0;
  readonly #purgedTo: Record<Store, number> = { spool: 0, defer: 0 };
  /** What is told on the own hand-over subject; exists once the segment is given up. */
  #handover: HandoverTeller | undefined;
  readonly #tailsToCheck = new Set<Store>();
  #fenceNumber = 0;
  #refenced = false;
  #refused = false;
  #releaseWanted = false;
  #commands: OwnerCommand[] = [];

  constructor(surroundings: OwnerSurroundings) {
    this.#surroundings = surroundings;
    this.#rules = surroundings.rules ?? ALL_RULES;
    this.#turn = surroundings.suspectTurn ?? new SuspectTurn();
    this.#writer = new JournalWriter(surroundings.session, surroundings.nextNumber);
    this.#former = new FormerOwners(this.#state, surroundings.isDead);
    this.#shortener = this.#newShortener();
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
    const open = this.#open.size + (this.#handover?.untold ?? 0);
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
   * A transaction is about to start. `go`: now; `later`: when `started` says so, because it may be what ended an owner;
   * `busy`: ask again, another group that ended its owners twice has its turn; `no`: the segment or the group is not this process's to send.
   */
  start(handle: Place, group: number): 'go' | 'later' | 'busy' | 'no' {
    if (!this.isOwned) return 'no';
    const place = this.#state.current(handle);
    const live = place === undefined ? undefined : this.#state.live(place)?.get(group);
    if (place === undefined || live === undefined || live.held) return 'no';
    if (live.awaited && this.#rules.awaitsHandover) return 'no';
    const { uncleanEnds } = live;
    const key = groupKey(handle, group);
    if (uncleanEnds >= ALONE_UNCLEAN_ENDS && !this.#turn.take(key)) return 'busy';
    this.#open.set(key, { place: handle, group });
    const waits = uncleanEnds > 0 || this.#isAdopted(handle);
    this.#add({ kind: 'inflight', place, group, uncleanEnds }, waits ? { place: handle, group } : undefined);
    if (waits) this.#writer.hurry();
    return waits ? 'later' : 'go';
  }

  /**
   * An owner of before may have sent it within its last interval and not told. If that is what ended it, it must be told before it can end this
   * one too.
   */
  #isAdopted({ store, sequence }: Place): boolean {
    if (!this.#rules.recordsStartsOfAdopted) return false;
    return this.#phase === 'replaying' || sequence <= this.#adoptedTo[store];
  }

  /** A transaction ended. Its outcome is durable when `recorded` counts it; without one it did not happen. */
  record(handle: Place, outcome: Extract<JournalRecord, { kind: 'done' | 'deferred' }>): void {
    this.#closed(groupKey(handle, outcome.group));
    const place = this.#state.current(handle) ?? handle;
    const record = { ...outcome, place };
    if (this.#handover !== undefined) this.#handover.add(record);
    else if (this.#phase !== 'idle') this.#add(record);
  }

  /** A transaction that was let start did not take place: another one may start, and nobody waits for its outcome. */
  abandon(handle: Place, group: number): void {
    const key = groupKey(handle, group);
    if (!this.#open.has(key) || this.#phase === 'idle' || this.#handover !== undefined) return;
    this.#closed(key);
    const place = this.#state.current(handle);
    const uncleanEnds = place === undefined ? undefined : this.#state.live(place)?.get(group)?.uncleanEnds;
    if (place === undefined || uncleanEnds === undefined) return;
    this.#add({ kind: 'suspected', place, group, uncleanEnds });
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

  /** The first messages of a store that are live and of which no copy is under way. */
  movable(store: Store, atMost: number): readonly Place[] {
    const pending = this.#floor.pending('defer');
    return this.#state
      .oldest(store, atMost + pending)
      .filter(({ id }) => pending === 0 || !this.#floor.isPending('defer', id))
      .slice(0, atMost);
  }

  /** Messages that lie in a store and live. */
  count(store: Store): number {
    return this.#state.count(store);
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
        return this.#readJournal(event.after, event.entries, event.isPart === true, nowMs);
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
        return this.#shortener.oldest(event.from, event.entries);
      case 'journal-purged':
        return;
      case 'handover':
        if (!this.isOwned) return;
        for (const record of this.#former.read(event.epoch, event.after, event.entries)) this.#add(record);
        return;
      case 'handover-appended':
        return this.#emitAll(this.#handover?.appended(event.number, event.sequence));
      case 'handover-failed':
        return this.#emitAll(this.#handover?.failed(event.number, event.entries));
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
    this.#replay = undefined;
    this.#former = new FormerOwners(this.#state, this.#surroundings.isDead);
    this.#shortener = this.#newShortener();
    this.#floor.clear();
    this.#ownEpochs.clear();
    for (const key of this.#open.keys()) this.#closed(key);
    this.#starting = [];
    this.#adoptedTo.spool = 0;
    this.#adoptedTo.defer = 0;
    this.#sweptTo = 0;
    this.#purgedTo.spool = 0;
    this.#purgedTo.defer = 0;
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

  #readJournal(after: number, entries: readonly JournalEntry[], isPart: boolean, nowMs: number): void {
    if (after !== this.#lastKnown) return;
    if (this.#phase === 'reading') {
      // The server knows of more than this replica: asked again a little later.
      if (entries.length === 0 && this.#refused) return;
      this.#refused = false;
      for (const { sequence, batch } of entries) this.#state.apply(sequence, batch);
      this.#shortener.read(entries);
      // A long journal comes in parts: it is not asked for again while they come.
      this.#askedAtMs = nowMs;
      if (!isPart) this.#decide(nowMs);
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
    this.#replay = new StoreReplay(epoch, this.#surroundings.session);
    this.#emitAll(this.#replay.begin(nowMs));
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
    this.#shortener.appended();
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
    this.#emitAll(this.#shortener.purge());
    if (batch.records.at(-1)?.kind === 'released') this.#gaveUp();
  }

  /** What waited for these records may go on. */
  #durable(records: readonly JournalRecord[], added: number): void {
    let outcomes = 0;
    for (const starting of this.#starting.slice(0, added)) {
      // The server has just taken a batch of this owner: it may start, unless it is giving up.
      if (starting === undefined || this.#handover !== undefined) continue;
      if (this.#open.has(groupKey(starting.place, starting.group)))
        this.#emit({ kind: 'started', ...starting });
    }
    this.#starting = this.#starting.slice(added);
    for (const record of records) {
      if (record.kind === 'moved') this.#floor.end('defer', record.place.id);
      else if (record.kind === 'settled')
        for (const group of this.#former.settled(record.epoch)) this.#offerGroup(group);
      else if (record.kind === 'done' || record.kind === 'deferred') {
        if (this.#former.tookOver(record)) this.#offerGroup(record);
        else outcomes++;
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

  #read(store: Store, after: number, items: readonly StoredItem[], nowMs: number): void {
    const replay = this.#replay;
    if (this.#phase !== 'replaying' || replay === undefined) return;
    const taken = replay.read(store, after, items);
    for (const { sequence, id, groups } of taken) {
      const place: Place = { store, sequence, id };
      if (groups > 0) this.#offer(place, this.#state.seen(place, groups));
      else this.#state.sawTail(place);
    }
    if (items.length === 0 && !this.#rules.awaitsMarkers) replay.giveUp(store);
    if (taken.length > 0) this.#emitAll(replay.more(store, nowMs));
    if (!replay.isDone) return;
    this.#sweptTo = replay.readTo('spool');
    for (const each of ['spool', 'defer'] as const) this.#adoptedTo[each] = replay.readTo(each);
    for (const { place, live } of this.#state.endReplay().revived) this.#offer(place, live);
    this.#replay = undefined;
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
    const held = [...live].filter(([, group]) => group.held);
    if (held.length > 0) this.#emit({ kind: 'held', place, live: new Map(held) });
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
    if (!this.#floor.isPending('defer', place.id)) return;
    if (this.#phase !== 'live' && this.#phase !== 'refencing') return;
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
        if (starting !== undefined) this.#closed(groupKey(starting.place, starting.group));
      const inflight = [...this.#open.values()].map(({ place, group }) => ({
        place: this.#state.current(place) ?? place,
        group,
      }));
      this.#add({ kind: 'released', inflight });
      // From now on outcomes are told on the hand-over subject.
      const { session, nextNumber } = this.#surroundings;
      this.#handover = new HandoverTeller(session, this.epoch, nextNumber);
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
    if (phase === 'replaying') this.#emitAll(this.#replay?.poll(nowMs));
    if (phase === 'replaying' || phase === 'live') this.#emitAll(this.#former.poll(nowMs));
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
    this.#emitAll(this.#shortener.ask());
  }

  #askTails(nowMs: number): void {
    this.#askedAtMs = nowMs;
    for (const store of this.#tailsToCheck) {
      const place = this.#state.tail(store);
      if (place !== undefined) this.#emit({ kind: 'check-tail', place });
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
    if (this.#phase === 'released') this.#emitAll(this.#handover?.tell(nowMs));
  }

  #flushJournal(nowMs: number): void {
    if (!this.#writer.isIdle) return;
    const restated =
      this.#phase === 'live' ? this.#shortener.restate(this.#writer.lastSequence, this.#purgedTo.spool) : [];
    if (restated.length === 0) this.#emitAll(this.#shortener.purge());
    this.#writer.complete((record) => this.#state.completed(record));
    const batch = this.#writer.next(nowMs, restated);
    if (batch !== undefined) this.#append();
    this.#shortener.batched(batch, restated.length);
  }

  #closed(key: string): void {
    this.#open.delete(key);
    this.#turn.giveBack(key);
  }

  #newShortener(): JournalShortener {
    return new JournalShortener(this.#state, this.#surroundings.maxJournalBatches ?? MAX_JOURNAL_BATCHES);
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

  #emitAll(commands: readonly OwnerCommand[] = []): void {
    this.#commands.push(...commands);
  }
}
