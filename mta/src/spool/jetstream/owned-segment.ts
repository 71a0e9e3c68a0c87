import type { Envelope, MessageBody } from '../envelope.ts';
import { type GroupState, recipientGroups } from '../recipient-group.ts';
import type { OwnerCommand, OwnerEvent } from '../segment/owner-command.ts';
import { groupKey, type Place, placeNumber, placeOf, type Store } from '../segment/place.ts';
import { SegmentOwner } from '../segment/segment-owner.ts';
import { SegmentState } from '../segment/segment-state.ts';
import type { SuspectTurn } from '../segment/suspect-turn.ts';
import type { AppendRefusal, Outcome, Reference, StoredMessage } from '../spool.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { readJournal } from './journal-entries.ts';
import { Marking } from './marking.ts';
import { markerHeaders } from './message-form.ts';
import { carryOut, itemsOf } from './owner-commands.ts';
import { PutAside } from './put-aside.ts';
import { SegmentAppender } from './segment-appender.ts';
import { type SeenMessage, seenMessage } from './store-items.ts';
import { StorePager } from './store-pager.ts';
import { walkStream } from './stream-walk.ts';

/** How often outcomes that wait are looked at: the owner appends them in batches of its own interval. */
const FLUSH_MS = 20;
/** Pause before an envelope that NATS did not give is asked for again. */
const READ_AGAIN_MS = 1_000;

interface WaitingRecord {
  left: number;
  readonly resolve: () => void;
}

/** Who is told what becomes of a segment. */
export interface SegmentListener {
  /** A living session owns it: this process has nothing of it. */
  readonly onDeclined: (segment: OwnedSegment, session: string) => void;
  /** It is not this process's any more, or its stores are not what they were. */
  readonly onDropped: (segment: OwnedSegment, reason: string) => void;
  /** It takes new mail, or anybody may have it. */
  readonly onClaimsChanged: (segment: OwnedSegment) => void;
  /** Its journal cannot be read. */
  readonly onUnreadable: (segment: OwnedSegment, error: Error) => void;
  readonly onMail: (message: StoredMessage) => void;
  readonly onHeld: (message: StoredMessage) => void;
}

/** Where a body lies that is too large for one message. */
export interface BodyParts {
  /** Sequence of the first one. */
  readonly first: number;
  readonly count: number;
}

/** What the life of a session gives to all segments that it adopts. */
export interface SegmentLife {
  readonly session: string;
  readonly isDead: (session: string) => boolean;
  readonly suspectTurn: SuspectTurn;
}

/** A transaction that may start once something has happened. */
interface WaitingStart {
  readonly place: Place;
  readonly group: number;
  readonly resolve: (answer: 'go' | 'no') => void;
}

/** One adoption of a segment by this process: the shell around {@link SegmentOwner}, which decides. */
export class OwnedSegment {
  readonly segment: number;
  readonly session: string;
  readonly context: SpoolContext;
  readonly owner: SegmentOwner;
  readonly pagers: Readonly<Record<Store, StorePager>>;
  readonly marking: Marking;
  /** Messages whose body lies in parts, by store and their sequence. Nothing from the first part on may be purged. */
  readonly parts: Readonly<Record<Store, Map<number, BodyParts>>> = { spool: new Map(), defer: new Map() };
  readonly #appender: SegmentAppender;
  readonly #putAside: PutAside;
  readonly #listener: SegmentListener;
  /** Envelopes of the page that is being read: what is offered of it goes to the queue at once. */
  readonly #envelopes: Readonly<Record<Store, Map<number, Envelope>>> = {
    spool: new Map(),
    defer: new Map(),
  };
  #waiting: WaitingRecord[] = [];
  /** Transactions whose `inflight` must be durable first, by their key. */
  readonly #starting = new Map<string, WaitingStart>();
  /** Transactions that ask again: another suspected group has its turn, or the segment is being checked after an outage. */
  #asking: WaitingStart[] = [];
  #flush: NodeJS.Timeout | undefined;
  #urgent: NodeJS.Immediate | undefined;
  #ended = false;
  #subject = '';

  constructor(context: SpoolContext, segment: number, life: SegmentLife, listener: SegmentListener) {
    const { layout, publisher } = context;
    this.segment = segment;
    this.session = life.session;
    this.context = context;
    this.#listener = listener;
    this.owner = new SegmentOwner({
      ...life,
      nextNumber: context.nextBatchNumber,
      maxJournalBatches: context.maxJournalBatches,
    });
    const pager = (store: Store): StorePager =>
      new StorePager(context, layout.streamOf(segment, store), layout.messageFilter(segment, store), (seen) =>
        this.noteSeen(store, seen),
      );
    this.pagers = { spool: pager('spool'), defer: pager('defer') };
    this.marking = new Marking({
      publish: (store, epoch) =>
        new Promise((resolve) =>
          publisher.publish(
            layout.messageSubject(segment, store, epoch),
            [],
            markerHeaders(life.session),
            resolve,
          ),
        ),
      isAwaited: (epoch) => !this.#ended && this.owner.phase === 'replaying' && this.owner.epoch === epoch,
    });
    this.#appender = new SegmentAppender({
      publisher,
      segment,
      subject: () => this.#subject,
      maxPayloadBytes: context.maxPayloadBytes,
      owner: this.owner,
      onParts: (sequence, parts) => this.#noteParts('spool', sequence, parts),
    });
    this.#putAside = new PutAside(
      {
        owner: this.owner,
        room: context.copyRoom,
        moveAfterMs: context.moveAfterMs,
        lookAtDeferEveryMs: context.lookAtDeferEveryMs,
        carryOut: (command) => this.#carryOut(command),
        itemsInDefer: () => itemsOf(context, segment, 'defer'),
        livePartsInDefer: () => {
          let count = 0;
          for (const parts of this.parts.defer.values()) count += parts.count;
          return count;
        },
      },
      performance.now(),
    );
  }

  /** New mail may go to it now. */
  get takesMail(): boolean {
    return !this.#ended && this.owner.takesMail;
  }

  /** What is stored in it now is this process's to send. */
  get isOurs(): boolean {
    return !this.#ended && (this.owner.isOwned || this.owner.phase === 'refencing');
  }

  get messages(): number {
    return this.owner.messages;
  }

  /** Nothing of it is under way. */
  get idle(): boolean {
    return !this.owner.isOwned || (this.#appender.idle && this.owner.unjournalled === 0);
  }

  /** No mail is on its way to it. */
  get appendsIdle(): boolean {
    return this.#appender.idle;
  }

  append(
    envelope: Envelope,
    body: MessageBody,
    bytes: number,
    sinceMs: number,
  ): Promise<Reference | AppendRefusal> {
    return this.#appender.append(envelope, body, bytes, sinceMs);
  }

  /** {@link Spool.begin} */
  begin(reference: Reference, group: number): 'go' | 'no' | Promise<'go' | 'no'> {
    const { store, sequence } = placeOf(reference.sequence);
    const place = this.owner.known(store, sequence);
    if (place === undefined || place.id !== reference.id) return 'no';
    const answer = this.#start(place, group);
    if (answer === 'go' || answer === 'no') return answer;
    return new Promise((resolve) => {
      const waiting = { place, group, resolve };
      if (answer === 'later') this.#starting.set(groupKey(place, group), waiting);
      else this.#asking.push(waiting);
    });
  }

  /** What was let start did not take place. */
  abandon(reference: Reference, group: number): void {
    const { store, sequence } = placeOf(reference.sequence);
    const place = this.owner.known(store, sequence);
    if (place !== undefined && place.id === reference.id) this.owner.abandon(place, group);
  }

  #start(place: Place, group: number): ReturnType<SegmentOwner['start']> {
    if (this.#ended) return 'no';
    const answer = this.owner.phase === 'refencing' ? 'busy' : this.owner.start(place, group);
    if (answer === 'go') this.#schedule();
    else if (answer === 'later') this.#flushSoon();
    return answer;
  }

  /** Transactions that waited for others' turns ask again. */
  #askAgain(): void {
    if (this.#asking.length === 0) return;
    for (const waiting of this.#asking.splice(0)) {
      const answer = this.#start(waiting.place, waiting.group);
      if (answer === 'go' || answer === 'no') waiting.resolve(answer);
      else if (answer === 'later') this.#starting.set(groupKey(waiting.place, waiting.group), waiting);
      else this.#asking.push(waiting);
    }
  }

  #startNothing(): void {
    for (const { resolve } of this.#starting.values()) resolve('no');
    this.#starting.clear();
    for (const { resolve } of this.#asking.splice(0)) resolve('no');
  }

  /** Where the message of a reference lies now; `undefined` = it is over, or was never here. */
  place({ sequence, id }: Reference): Place | undefined {
    const where = placeOf(sequence);
    const known = this.owner.known(where.store, where.sequence);
    return known === undefined || (id !== '' && known.id !== id) ? undefined : this.owner.current(known);
  }

  /** Resolves with the number of outcomes that match nothing, once the others are durable; outcomes of a segment that is gone count as recorded. */
  async record(outcomes: readonly Outcome[]): Promise<number> {
    // Another process has it: nothing is said about its mail any more.
    if (this.#ended || this.owner.phase === 'idle') return 0;
    let mismatched = 0;
    let recorded = 0;
    for (const outcome of outcomes) {
      const { group, reference } = outcome;
      const { store, sequence } = placeOf(reference.sequence);
      const place = this.owner.known(store, sequence);
      const fit = place?.id === reference.id ? this.owner.fit(place, group) : 'unknown';
      if (fit === 'unknown') mismatched++;
      if (fit !== 'live' || place === undefined) continue;
      recorded++;
      if (outcome.kind === 'done') this.owner.record(place, { kind: 'done', place, group });
      else this.owner.record(place, { kind: 'deferred', place, group, state: outcome.state });
    }
    if (recorded === 0) return mismatched;
    this.#schedule();
    await new Promise<void>((resolve) => this.#waiting.push({ left: recorded, resolve }));
    return mismatched;
  }

  /** What is alive, in the order of places; only what was stored when it began. */
  async *replay(): AsyncGenerator<StoredMessage> {
    const { context, segment } = this;
    const { layout } = context;
    const tails = { spool: this.owner.tail('spool'), defer: this.owner.tail('defer') };
    const state = new SegmentState();
    for (const { sequence, batch } of await readJournal(context, layout.journalSubject(segment), 0))
      state.apply(sequence, batch);
    for (const store of ['spool', 'defer'] as const) {
      const to = tails[store]?.sequence ?? 0;
      const stream = layout.streamOf(segment, store);
      const range = { stream, filter: layout.messageFilter(segment, store), from: 1, to, headersOnly: true };
      for await (const message of to === 0 ? [] : walkStream(context, range)) {
        const { sequence, form } = await seenMessage(context, stream, message);
        if (form.kind !== 'message') continue;
        const { envelope } = form;
        const place = { store, sequence, id: envelope.id };
        // Known as alive here too: a copy that this process refused meanwhile is not.
        if (this.owner.current(place) === undefined) continue;
        const live = state.seen(place, recipientGroups(envelope).length);
        if (live === undefined) continue;
        const states = new Map<number, GroupState | undefined>();
        for (const [group, facts] of live) states.set(group, facts.state);
        const reference = { sequence: placeNumber(segment, store, sequence), id: envelope.id };
        yield { reference, envelope, live: states };
      }
    }
  }

  refuseLate(sinceMs: number, refusal: AppendRefusal): void {
    this.#appender.refuseLate(sinceMs, refusal);
  }

  tick(nowWallMs: number): void {
    this.handle({ kind: 'tick' });
    this.#askAgain();
    this.#putAside.tick(performance.now(), nowWallMs);
  }

  handle(event: OwnerEvent): void {
    if (this.#ended) return;
    for (const command of this.owner.handle(event, performance.now())) this.#carryOut(command);
    if (event.kind === 'read') this.#envelopes[event.store].clear();
    else if (event.kind === 'swept') this.#envelopes.spool.clear();
    else if (event.kind === 'copied' || event.kind === 'copy-failed')
      this.#putAside.ended(event.kind === 'copied');
    else if (event.kind === 'release') this.#startNothing();
    this.#schedule();
  }

  /** Nothing is done any more; what waits is told so. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#flush);
    clearImmediate(this.#urgent);
    this.#putAside.close();
    this.#startNothing();
    // Whoever has the segment now says what becomes of it.
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    void this.pagers.spool.close();
    void this.pagers.defer.close();
  }

  /** A message was read: its body may lie in parts, and it may be offered in a moment. */
  noteSeen(store: Store, { sequence, form }: SeenMessage): void {
    if (form.kind !== 'message') return;
    this.#envelopes[store].set(sequence, form.envelope);
    this.#noteParts(store, sequence, form.parts);
  }

  #noteParts(store: Store, sequence: number, parts: readonly number[]): void {
    const [first] = parts;
    if (first !== undefined) this.parts[store].set(sequence, { first, count: parts.length });
  }

  /** The journal cannot be understood. */
  fail(error: Error): void {
    if (!this.#ended) this.#listener.onUnreadable(this, error);
  }

  #carryOut(command: OwnerCommand): void {
    switch (command.kind) {
      case 'live':
        this.#subject = this.context.layout.messageSubject(this.segment, 'spool', command.epoch);
        void this.pagers.spool.close();
        void this.pagers.defer.close();
        this.#askAgain();
        this.#listener.onClaimsChanged(this);
        return;
      case 'released':
        this.#startNothing();
        this.#listener.onClaimsChanged(this);
        return;
      case 'declined':
        this.#listener.onDeclined(this, command.session);
        return;
      case 'drop':
        this.#listener.onDropped(this, command.reason);
        return;
      case 'recorded':
        this.#recorded(command.outcomes);
        return;
      case 'started': {
        const key = groupKey(command.place, command.group);
        this.#starting.get(key)?.resolve('go');
        this.#starting.delete(key);
        return;
      }
      case 'offer':
      case 'held':
        this.#withEnvelope(command.place, (message) => {
          const live = new Map([...command.live].map(([group, { state }]) => [group, state]));
          if (command.kind === 'held') this.#listener.onHeld({ ...message, live });
          else this.#listener.onMail({ ...message, live });
        });
        return;
      default:
        carryOut(this, command);
    }
  }

  /** The envelope of what is offered was mostly read a moment ago; else it is fetched. */
  #withEnvelope(place: Place, give: (message: StoredMessage) => void): void {
    const { store, sequence, id } = place;
    const reference = { sequence: placeNumber(this.segment, store, sequence), id };
    const known = this.#envelopes[store].get(sequence);
    if (known !== undefined) return give({ reference, envelope: known, live: new Map() });
    this.context.reader.read(this.segment, store, sequence).then(
      (read) => {
        if (this.#ended || !this.owner.isOwned || read?.envelope.id !== id) return;
        give({ reference, envelope: read.envelope, live: new Map() });
      },
      () => setTimeout(() => this.#ended || this.#withEnvelope(place, give), READ_AGAIN_MS),
    );
  }

  #recorded(outcomes: number): void {
    let left = outcomes;
    for (let first = this.#waiting[0]; first !== undefined && left > 0; first = this.#waiting[0]) {
      const some = Math.min(left, first.left);
      first.left -= some;
      left -= some;
      if (first.left > 0) return;
      this.#waiting.shift();
      first.resolve();
    }
  }

  /** Transactions wait for the journal: what began in this turn of the event loop is told at once. */
  #flushSoon(): void {
    this.#urgent ??= setImmediate(() => {
      this.#urgent = undefined;
      this.handle({ kind: 'tick' });
    });
  }

  #schedule(): void {
    if (this.#flush !== undefined || this.#ended || this.owner.unjournalled === 0) return;
    this.#flush = setTimeout(() => {
      this.#flush = undefined;
      this.handle({ kind: 'tick' });
    }, FLUSH_MS);
  }
}
