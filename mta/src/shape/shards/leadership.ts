import { LeaderLine } from './leader-line.ts';
import type { PodSessions } from './pod-sessions.ts';
import { SHARDS } from './shard-number.ts';

/** Who should lead an orphaned shard takes it at once; each one behind it waits so much longer, in case that it does not. */
export const NEXT_IN_LINE_MS = 2_000;

/** A leader hands a shard to the one who should lead it when that has been so for this long: pods that come and go do not move shards. */
export const BALANCE_AFTER_MS = 30_000;

/** Shards are handed over no faster than this: each time its pods must tell what they hold. */
export const HAND_OVER_EVERY_MS = 500;

/** A write to the store that was not answered is tried again. */
export const WRITE_TIMEOUT_MS = 5_000;

/** What stands in the store for a shard. */
export interface LeaderEntry {
  /** `undefined` = its leader has given it up. */
  readonly session: string | undefined;
  readonly term: number;
}

export interface StoredEntry extends LeaderEntry {
  readonly revision: number;
}

/** A write that only succeeds on this revision (0 = there is nothing yet). */
export interface LeaderWrite {
  readonly shard: number;
  readonly entry: LeaderEntry;
  readonly onRevision: number;
}

interface Shard {
  entry: StoredEntry | undefined;
  /** Since when it has no leader in this pod's eyes. */
  orphanedAtMs: number | undefined;
  /** Since when somebody else should lead what this pod leads. */
  misplacedAtMs: number | undefined;
  writtenAtMs: number | undefined;
  /** What stands in the store is to be given up: its allocator is gone already. */
  givingUp: boolean;
  /** It has a leader as long as nobody comes or goes: of {@link PodSessions.changes}. */
  ledSince: number;
}

/**
 * Which shards this pod should take and which it should give up. Pure.
 *
 * A shard is free when nobody ever led it, its leader gave it up, or its leader's session is dead by observation. Its lease is the leader's
 * session: the entry in the store has no time in it. Everybody prefers the same leader for a shard, so that they are spread evenly.
 */
export class Leadership {
  readonly #sessions: PodSessions;
  readonly #shards: readonly Shard[] = Array.from({ length: SHARDS }, () => ({
    entry: undefined,
    orphanedAtMs: undefined,
    misplacedAtMs: undefined,
    writtenAtMs: undefined,
    givingUp: false,
    ledSince: -1,
  }));
  /** Made when it is needed: most pods lead nothing most of the time. */
  #line: LeaderLine | undefined;
  #lineSince = -1;
  #handedOverAtMs = Number.NEGATIVE_INFINITY;
  #leaving = false;

  constructor(sessions: PodSessions) {
    this.#sessions = sessions;
  }

  entry(shard: number): StoredEntry | undefined {
    return this.#shards[shard]?.entry;
  }

  /** The store has told; older than what is known = nothing. */
  observed(shard: number, entry: StoredEntry): boolean {
    const state = this.#shards[shard];
    if (state === undefined || entry.revision <= (state.entry?.revision ?? 0)) return false;
    state.entry = entry;
    state.orphanedAtMs = undefined;
    state.misplacedAtMs = undefined;
    state.writtenAtMs = undefined;
    state.givingUp = false;
    state.ledSince = -1;
    return true;
  }

  /** A write was refused: somebody was faster, and the watch tells who. */
  refused(shard: number): void {
    const state = this.#shards[shard];
    if (state !== undefined) state.writtenAtMs = undefined;
  }

  /** From now on this pod takes nothing and gives up all that it leads. */
  leave(): void {
    this.#leaving = true;
  }

  /** Leads nothing any more and waits for nothing. */
  get left(): boolean {
    return this.#shards.every(
      ({ entry, writtenAtMs }) => entry?.session !== this.#sessions.id && writtenAtMs === undefined,
    );
  }

  /** Writes to make now. Only while the own session is valid, and only when the store has been read. */
  writes(nowMs: number): LeaderWrite[] {
    const writes: LeaderWrite[] = [];
    const { id } = this.#sessions;
    for (let shard = 0; shard < SHARDS; shard++) {
      const state = this.#shards[shard];
      if (state === undefined) continue;
      if (state.writtenAtMs !== undefined && nowMs < state.writtenAtMs + WRITE_TIMEOUT_MS) continue;
      const { entry } = state;
      const write =
        entry?.session === id ? this.#giveUp(shard, state, entry, nowMs) : this.#take(shard, state, nowMs);
      if (write === undefined) continue;
      state.writtenAtMs = nowMs;
      writes.push(write);
    }
    return writes;
  }

  #placeFor(shard: number): number {
    const { changes, id } = this.#sessions;
    if (this.#line === undefined || this.#lineSince !== changes) {
      this.#line = new LeaderLine(this.#sessions.living(), id);
      this.#lineSince = changes;
    }
    return this.#line.placeFor(shard);
  }

  #take(shard: number, state: Shard, nowMs: number): LeaderWrite | undefined {
    const { entry } = state;
    if (state.ledSince === this.#sessions.changes) return undefined;
    const led = entry?.session !== undefined && !this.#sessions.isDead(entry.session);
    if (led || this.#leaving) {
      if (led) state.ledSince = this.#sessions.changes;
      state.orphanedAtMs = undefined;
      return undefined;
    }
    state.orphanedAtMs ??= nowMs;
    if (nowMs < state.orphanedAtMs + this.#placeFor(shard) * NEXT_IN_LINE_MS) return undefined;
    return {
      shard,
      entry: { session: this.#sessions.id, term: (entry?.term ?? 0) + 1 },
      onRevision: entry?.revision ?? 0,
    };
  }

  #giveUp(shard: number, state: Shard, entry: StoredEntry, nowMs: number): LeaderWrite | undefined {
    const write = { shard, entry: { session: undefined, term: entry.term }, onRevision: entry.revision };
    if (this.#leaving) state.givingUp = true;
    if (state.givingUp) return write;
    if (this.#placeFor(shard) === 0) {
      state.misplacedAtMs = undefined;
      return undefined;
    }
    state.misplacedAtMs ??= nowMs;
    if (nowMs < state.misplacedAtMs + BALANCE_AFTER_MS) return undefined;
    if (nowMs < this.#handedOverAtMs + HAND_OVER_EVERY_MS) return undefined;
    this.#handedOverAtMs = nowMs;
    state.givingUp = true;
    return write;
  }
}
