import type { Envelope, MessageBody } from '../envelope.ts';
import { type GroupState, recipientGroups } from '../recipient-group.ts';
import type { OwnerCommand, OwnerEvent } from '../segment/owner-command.ts';
import { type Place, placeNumber, placeOf, type Store } from '../segment/place.ts';
import { SegmentOwner } from '../segment/segment-owner.ts';
import { SegmentState } from '../segment/segment-state.ts';
import type { AppendRefusal, Outcome, Reference, StoredMessage } from '../spool.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { readJournal } from './journal-entries.ts';
import { carryOut } from './owner-commands.ts';
import { SegmentAppender } from './segment-appender.ts';
import { type SeenMessage, seenMessage } from './store-items.ts';
import { StorePager } from './store-pager.ts';
import { walkStream } from './stream-walk.ts';

/** After so long unsent a message is put aside, so that SPOOL stays near-FIFO (DESIGN §5). */
export const MOVE_AFTER_MS = 180_000;
/** Messages that are being put aside at a time. */
const MOVES_AT_A_TIME = 64;
/** How often outcomes that wait are looked at: the owner appends them in batches of its own interval. */
const FLUSH_MS = 20;

interface WaitingRecord {
  left: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A segment in the hands of this process: the shell around {@link SegmentOwner}, which decides. */
export class OwnedSegment {
  readonly segment: number;
  readonly context: SpoolContext;
  readonly owner: SegmentOwner;
  readonly pagers: Readonly<Record<Store, StorePager>>;
  /** Messages whose body lies in parts: their sequence → that of the first part, by store. Nothing from there on may be purged. */
  readonly firstParts: Readonly<Record<Store, Map<number, number>>> = { spool: new Map(), defer: new Map() };
  readonly #appender: SegmentAppender;
  readonly #adopted = Promise.withResolvers<void>();
  #waiting: WaitingRecord[] = [];
  #flush: NodeJS.Timeout | undefined;
  #wasLive = false;
  #ended = false;
  #subject = '';

  constructor(context: SpoolContext, segment: number) {
    const { layout, publisher, session } = context;
    this.segment = segment;
    this.context = context;
    // At the start one pod alone may take over what others left; later nobody is dead by guess.
    this.owner = new SegmentOwner({
      session,
      nextNumber: context.nextBatchNumber,
      isDead: () => !this.#wasLive,
      maxJournalBatches: context.maxJournalBatches,
    });
    const pager = (store: Store): StorePager =>
      new StorePager(context, layout.streamOf(segment, store), layout.messageFilter(segment, store), (seen) =>
        this.noteParts(store, seen),
      );
    this.pagers = { spool: pager('spool'), defer: pager('defer') };
    this.#appender = new SegmentAppender({
      publisher,
      segment,
      subject: () => this.#subject,
      maxPayloadBytes: context.maxPayloadBytes,
      owner: this.owner,
      onParts: (sequence, first) => this.firstParts.spool.set(sequence, first),
    });
  }

  /** Takes the segment over; resolves when new mail may go to it, rejects when somebody else has it or NATS does not answer. */
  adopt(): Promise<void> {
    this.handle({ kind: 'adopt' });
    return this.#adopted.promise;
  }

  /** New mail may go to it now. */
  get takesMail(): boolean {
    return this.owner.takesMail;
  }

  get messages(): number {
    return this.owner.messages;
  }

  get idle(): boolean {
    return !this.owner.isOwned || (this.#appender.idle && this.owner.unjournalled === 0);
  }

  append(
    envelope: Envelope,
    body: MessageBody,
    bytes: number,
    sinceMs: number,
  ): Promise<Reference | AppendRefusal> {
    return this.#appender.append(envelope, body, bytes, sinceMs);
  }

  /** Where the message of a reference lies now; `undefined` = it is over, or was never here. */
  place({ sequence, id }: Reference): Place | undefined {
    const where = placeOf(sequence);
    const known = this.owner.known(where.store, where.sequence);
    return known === undefined || (id !== '' && known.id !== id) ? undefined : this.owner.current(known);
  }

  /** Resolves with the number of outcomes that match nothing, once the others are durable; rejects when the segment is not owned. */
  async record(outcomes: readonly Outcome[]): Promise<number> {
    if (this.owner.phase === 'idle') throw new Error(`segment ${this.segment} is not owned`);
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
    await new Promise<void>((resolve, reject) => this.#waiting.push({ left: recorded, resolve, reject }));
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
    if (this.owner.phase === 'live') this.#putAside(nowWallMs - this.context.moveAfterMs);
  }

  handle(event: OwnerEvent): void {
    if (this.#ended) return;
    for (const command of this.owner.handle(event, performance.now())) this.#carryOut(command);
    this.#schedule();
  }

  /** Nothing is done any more; what waits is told so. */
  end(reason: string): void {
    this.#ended = true;
    clearTimeout(this.#flush);
    this.#rejectWaiting(reason);
    this.#adopted.promise.catch(() => undefined);
    this.#adopted.reject(new Error(reason));
    void this.pagers.spool.close();
    void this.pagers.defer.close();
  }

  /** The body of this message may lie in parts. */
  noteParts(store: Store, { sequence, form }: SeenMessage): void {
    if (form.kind !== 'message') return;
    const [first] = form.parts;
    if (first !== undefined) this.firstParts[store].set(sequence, first);
  }

  /** Adoption cannot go on. */
  fail(error: Error): void {
    this.#adopted.reject(error);
  }

  #carryOut(command: OwnerCommand): void {
    switch (command.kind) {
      case 'live':
        this.#subject = this.context.layout.messageSubject(this.segment, 'spool', command.epoch);
        this.#wasLive = true;
        this.#adopted.resolve();
        void this.pagers.spool.close();
        void this.pagers.defer.close();
        return;
      case 'declined':
        this.fail(new Error(`segment ${this.segment} belongs to session ${command.session}`));
        return;
      case 'drop':
        this.#dropped(command.reason);
        return;
      case 'recorded':
        this.#recorded(command.outcomes);
        return;
      default:
        carryOut(this, command);
    }
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

  #dropped(reason: string): void {
    const { segment } = this;
    this.context.onNotice('a segment is not ours any more', { segment, reason });
    this.#rejectWaiting(reason);
    this.fail(new Error(`segment ${segment}: ${reason}`));
    this.firstParts.spool.clear();
    this.firstParts.defer.clear();
    // Ours again if nobody took it: its stores are read anew.
    if (this.#wasLive) this.handle({ kind: 'adopt' });
  }

  #rejectWaiting(reason: string): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(reason));
  }

  /** What waits for longer than a few minutes goes to DEFER. */
  #putAside(acceptedBeforeMs: number): void {
    const before = ulidTime(acceptedBeforeMs);
    for (const place of this.owner.oldest('spool', MOVES_AT_A_TIME)) {
      if (place.id.slice(0, before.length) >= before) return;
      for (const command of this.owner.move(place, performance.now())) this.#carryOut(command);
    }
  }

  #schedule(): void {
    if (this.#flush !== undefined || this.#ended || this.owner.unjournalled === 0) return;
    this.#flush = setTimeout(() => {
      this.#flush = undefined;
      this.handle({ kind: 'tick' });
    }, FLUSH_MS);
  }
}

const ULID_ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ULID_TIME_CHARACTERS = 10;

/** The first ten characters of a ULID of this wall time: ids compare by time as texts. */
function ulidTime(wallMs: number): string {
  let rest = Math.max(0, Math.floor(wallMs));
  let text = '';
  for (let index = 0; index < ULID_TIME_CHARACTERS; index++) {
    text = (ULID_ALPHABET[rest % 32] ?? '') + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
