/**
 * The queue index: what is queued, in which order, until when it sleeps. Pure: no I/O, no clock (every call that needs
 * the time is given it), no randomness. Bodies and envelopes are not here, only numbers in typed arrays.
 *
 * Words. An *entry* is one recipient group of one message. A *unit* is the queue of all entries that agree in
 * pool, domain, tenant, campaign, class and preferred source: every limit that does not name Source or MxHost
 * treats them alike, so a unit is the smallest thing that ever sleeps on a limit. A *lane* is (pool, site): the units
 * that the same sessions can carry. A unit may move to another lane as a whole when the MX of its domain changes.
 */

/** Slot of an entry in the typed arrays, ≥ 1, reused after `remove`. */
export type Entry = number;
/** Unit numbers are dense and reused when the unit is gone; a unit's {@link UnitKey} object is its identity. */
export type UnitId = number;
/** Lane numbers rise and are never reused: a stale one names nothing, never another site. */
export type LaneId = number;

export interface UnitKey {
  readonly pool: string;
  readonly domain: string;
  readonly tenant: string;
  readonly campaign: string;
  readonly class: string;
  /** Name of the source that a retry prefers; `''` = any. */
  readonly preferredSource: string;
}

export interface LaneKey {
  readonly pool: string;
  readonly site: string;
}

export interface NewEntry {
  /** {@link Reference.sequence} of the message. */
  readonly sequence: number;
  /** A 32-bit hash of {@link Reference.id}: see `idCheck` in `id-check.ts`. */
  readonly idCheck: number;
  /** {@link RecipientGroup.group}. */
  readonly group: number;
  readonly acceptedAtMs: number;
  /** Due at this wall time; ≤ now = ready at once. */
  readonly dueAtMs: number;
  readonly expireAtMs: number;
  readonly attempts: number;
  readonly recipients: number;
  readonly sizeBytes: number;
}

/** What becomes of a taken entry that waits for another attempt. */
export interface Deferral {
  readonly dueAtMs: number;
  /** Attempts made so far, the last one included. */
  readonly attempts: number;
  /** The entry moves to the unit that prefers this source; absent = it stays where it is. */
  readonly preferredSource?: string;
  /** Absent = it expires when it would have. */
  readonly expireAtMs?: number;
}

/** What the dispatcher answers when it is offered an entry. */
export type Admission =
  /** The entry leaves the ready list; the caller must `remove`, `defer` or `giveBack` it later. */
  | 'take'
  /** The unit sleeps until `wakeUnit`; the next unit is offered. */
  | 'sleep'
  /** Not for this source, perhaps for another one: the unit stays awake, behind the others of its tenant; the next unit is offered. */
  | 'skip'
  /** Nothing in this lane can go now (the limit touches the whole lane): stop offering. */
  | 'stop';

/** How a message left this process while its entry was taken: its outcome is recorded still, or nothing of it is. */
export type Fate = 'released' | 'lost';

/** Entries by what they wait for. */
export interface EntryCounts {
  /** Could be offered now. */
  readonly ready: number;
  /** Their time has come, but their unit sleeps on a limit. */
  readonly asleep: number;
  /** Their time has not come. */
  readonly waiting: number;
  /** At the dispatcher: in a transaction, or expired and being reported. */
  readonly taken: number;
}

/** A unit as a listing shows it. */
export interface UnitCounts extends EntryCounts {
  /** Recipients of all its entries. */
  readonly recipients: number;
  /** Wall time, to the tick; 0 = the unit is empty. */
  readonly oldestAcceptedAtMs: number;
  /** Wall time at which the first waiting entry is due, to the tick; 0 = none waits. */
  readonly nextDueAtMs: number;
}

/** A lane as the admin view shows it. */
export interface LaneCounts extends EntryCounts {
  /** Wall time, never later than the truth and early by at most a few hundredths of the age; 0 = the lane is empty. */
  readonly oldestAcceptedAtMs: number;
  /** Wall time at which the first waiting entry is due, as exact as `oldestAcceptedAtMs`; 0 = none waits. */
  readonly nextDueAtMs: number;
}
