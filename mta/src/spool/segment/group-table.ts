import type { GroupState } from '../recipient-group.ts';
import type { Reply } from '../reply.ts';
import { type GroupFacts, NO_FACTS } from './group-facts.ts';
import { Interned } from './interned.ts';
import { NO_ROW, PlaceTable, type Row } from './place-table.ts';

/** The message itself was read or stored, not only spoken of in the journal. */
export const SEEN = 1 << 0;
/** Every group is done, or the message was withdrawn or moved away. */
export const RETIRED = 1 << 1;
/** Retired because it moved. */
export const MOVED = 1 << 2;
/** In DEFER: a `moved` names it, so it is no garbage. */
export const NAMED = 1 << 3;
/** Its groups are in the book: it has several. */
const MANY = 1 << 4;
const DONE = 1 << 5;
const INFLIGHT = 1 << 6;
const AWAITED = 1 << 7;
const STATE = 1 << 8;
const REPLY = 1 << 9;
/** The state says more than words of the row can: not just recipient 0 is pending, or reports are owed. */
const SPECIAL = 1 << 10;
const ENDS_SHIFT = 11;
const MAX_ENDS = 15;
const FACTS = DONE | INFLIGHT | AWAITED | STATE | REPLY | SPECIAL | (MAX_ENDS << ENDS_SHIFT);

/** Characters of replies kept in memory while a journal is folded; longer ones lose their text there, never in the journal. */
const MAX_REPLY_CHARACTERS = 4 * 1024 * 1024;
const MAX_SOURCES = 0xffff;

/** Replies and sources of all segments of a process, each kept once. */
export class StateWords {
  readonly replies = new Interned<Reply>(
    ({ code, enhanced, host, text }) => `${code} ${enhanced} ${host} ${text}`,
  );
  readonly sources = new Interned<string>((name) => name);

  replyNumber(reply: Reply): number {
    return this.replies.numberOf(
      this.replies.size < MAX_REPLY_CHARACTERS ? reply : { ...reply, host: '', text: '' },
    );
  }

  sourceNumber(name: string): number {
    // So many names cannot be configured at a time; names that do not fit any more are forgotten, which costs a preference.
    return this.sources.count < MAX_SOURCES ? this.sources.numberOf(name) : this.sources.numberOf('');
  }
}

export interface KnownGroups {
  readonly facts: readonly (readonly [group: number, facts: GroupFacts])[];
  /** How many groups the message has; `undefined` = one, or not seen yet. */
  readonly groups: number | undefined;
}

/** The facts about the groups of all messages of one store: in the row for a message with one group, else in a book beside it. */
export class GroupTable extends PlaceTable {
  /** `undefined` = states were handed to the queue, which knows better from then on. */
  #words: StateWords | undefined;
  readonly #books = new Map<number, Map<number, GroupFacts>>();
  /** States that do not fit into the row. */
  readonly #special = new Map<number, GroupState>();
  /** Groups of the messages in {@link #books}; absent = the message was not seen yet. */
  readonly #counts = new Map<number, number>();

  constructor(words: StateWords) {
    super();
    this.#words = words;
  }

  /** From now on states are not kept: their memory is given back. */
  forgetStates(): void {
    this.#words = undefined;
    this.#special.clear();
  }

  override remove(row: Row): void {
    this.#forget(this.sequence(row), this.flags(row));
    super.remove(row);
  }

  /** The row of this very message. */
  rowOf(sequence: number, id: string): Row {
    const row = this.find(sequence);
    return row !== NO_ROW && this.isId(row, id) ? row : NO_ROW;
  }

  /** The row of this very message; made when there is none, and instead of the row of another message in the same place. */
  rowFor(sequence: number, id: string): Row {
    const row = this.rowOf(sequence, id);
    return row === NO_ROW ? this.add(sequence, id) : row;
  }

  /** The message was seen: it has so many groups. */
  setGroups(row: Row, groups: number): void {
    if (groups > 1) this.#book(row);
    if ((this.flags(row) & MANY) !== 0) this.#counts.set(this.sequence(row), groups);
  }

  /** How many groups the message has, once it was seen. */
  groupCount(row: Row): number {
    return (this.flags(row) & MANY) === 0 ? 1 : (this.#counts.get(this.sequence(row)) ?? 0);
  }

  /** Numbers of the groups that are not done; only for messages that were seen. */
  liveGroups(row: Row): number[] {
    if ((this.flags(row) & MANY) === 0) return (this.flags(row) & DONE) === 0 ? [0] : [];
    const sequence = this.sequence(row);
    const book = this.#books.get(sequence);
    const live: number[] = [];
    for (let group = 0; group < (this.#counts.get(sequence) ?? 0); group++)
      if (book?.get(group)?.done !== true) live.push(group);
    return live;
  }

  /** Groups of which something is known. */
  knownGroups(row: Row): readonly number[] {
    if ((this.flags(row) & MANY) === 0) return [0];
    return [...(this.#books.get(this.sequence(row))?.keys() ?? [])];
  }

  facts(row: Row, group: number): GroupFacts {
    const flags = this.flags(row);
    if ((flags & MANY) !== 0) return this.#books.get(this.sequence(row))?.get(group) ?? NO_FACTS;
    if (group !== 0 || (flags & FACTS) === 0) return NO_FACTS;
    return {
      done: (flags & DONE) !== 0,
      inflight: (flags & INFLIGHT) !== 0,
      awaited: (flags & AWAITED) !== 0,
      uncleanEnds: (flags >>> ENDS_SHIFT) & MAX_ENDS,
      stateAt: this.stateAt(row),
      state:
        (flags & STATE) === 0 || this.#words === undefined ? undefined : this.#state(row, flags, this.#words),
    };
  }

  setFacts(row: Row, group: number, facts: GroupFacts): void {
    if (group !== 0 || (this.flags(row) & MANY) !== 0) {
      this.#book(row).set(group, this.#words === undefined ? { ...facts, state: undefined } : facts);
      return;
    }
    let flags = this.flags(row) & ~FACTS;
    if (facts.done) flags |= DONE;
    if (facts.inflight) flags |= INFLIGHT;
    if (facts.awaited) flags |= AWAITED;
    flags |= Math.min(facts.uncleanEnds, MAX_ENDS) << ENDS_SHIFT;
    this.setStateAt(row, facts.stateAt);
    if (facts.state !== undefined && this.#words !== undefined) {
      flags |= this.#setState(row, facts.state, this.#words);
    }
    this.setFlags(row, flags);
  }

  /** All that is known of a message's groups, to be given to another row by {@link restore}. */
  known(row: Row): KnownGroups {
    const facts = this.knownGroups(row).map((group) => [group, this.facts(row, group)] as const);
    return { facts, groups: this.#counts.get(this.sequence(row)) };
  }

  /** Gives a row what is known from elsewhere; what it already knows itself is newer. */
  restore(row: Row, { facts, groups }: KnownGroups): void {
    for (const [group, each] of facts)
      if (each !== NO_FACTS && this.facts(row, group) === NO_FACTS) this.setFacts(row, group, each);
    if (groups !== undefined) this.setGroups(row, groups);
  }

  #state(row: Row, flags: number, words: StateWords): GroupState {
    const special = (flags & SPECIAL) === 0 ? undefined : this.#special.get(this.sequence(row));
    if (special !== undefined) return special;
    const state = {
      pending: [0],
      attempts: this.attempts(row),
      nextAttemptAtMs: this.number(row),
      lastSource: words.sources.value(this.source(row)) ?? '',
    };
    const lastReply = (flags & REPLY) === 0 ? undefined : words.replies.value(this.reply(row));
    return lastReply === undefined ? state : { ...state, lastReply };
  }

  #setState(row: Row, state: GroupState, words: StateWords): number {
    const isPlain = state.pending.length === 1 && state.pending[0] === 0;
    if (!isPlain || state.owed !== undefined || state.toldOfDelay === true) {
      this.#special.set(this.sequence(row), state);
      return STATE | SPECIAL;
    }
    let flags = STATE;
    this.setAttemptsAndSource(row, state.attempts, words.sourceNumber(state.lastSource));
    this.setNumber(row, Math.max(0, state.nextAttemptAtMs));
    if (state.lastReply !== undefined) {
      flags |= REPLY;
      this.setReply(row, words.replyNumber(state.lastReply));
    }
    return flags;
  }

  #book(row: Row): Map<number, GroupFacts> {
    const sequence = this.sequence(row);
    let book = this.#books.get(sequence);
    if (book === undefined) {
      book = new Map();
      const first = this.facts(row, 0);
      if (first !== NO_FACTS) book.set(0, first);
      this.#books.set(sequence, book);
      this.setFlags(row, (this.flags(row) & ~FACTS) | MANY);
    }
    return book;
  }

  #forget(sequence: number, flags: number): void {
    if ((flags & MANY) !== 0) {
      this.#books.delete(sequence);
      this.#counts.delete(sequence);
    }
    if ((flags & SPECIAL) !== 0) this.#special.delete(sequence);
  }
}
