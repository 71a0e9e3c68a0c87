import type { SourceConfig } from '@sluice/crds';
import type { Session } from '../deliver/mod.ts';
import type { Target } from '../route/mod.ts';
import type { ConnectionGrant, KeySet, Shaper } from '../shape/mod.ts';
import type { ConnectionPlace } from './attempt-report.ts';
import type { Destination } from './destinations.ts';
import type { LaneSource } from './lane-source.ts';
import type { AttemptKeys } from './limit-keys.ts';

/** A session whose slot others wait for gives it up after so many messages or so long, whichever comes first (DESIGN §6, quantum). */
export const SLOT_QUANTUM_MESSAGES = 20;
export const SLOT_QUANTUM_MS = 10_000;

/** An open SMTP session of a lane with the slots it holds. */
export class CarryingSession {
  readonly smtp: Session;
  readonly target: Target;
  readonly laneSource: LaneSource;
  /** The destination for which it was opened: its session options hold for its whole life. */
  readonly destination: Destination;
  readonly openedAtMs: number;
  /** Slots of the lane and of the host; held until the peer has closed. */
  readonly #slots: ConnectionGrant[];
  #carrying: ConnectionGrant | undefined;
  #neededBy: AttemptKeys | undefined;
  #needed: KeySet = { keys: [] };
  /** Set when the session must not begin another transaction (its source changed, its slot is wanted). */
  retiring = false;
  /** Transactions that the peer answered. A session that ends before the first one is a failed attempt, not an idle one that was closed. */
  carried = 0;
  idleTimer: NodeJS.Timeout | undefined;
  /** Of the message that it carries; 0 = none. */
  carriesSequence = 0;

  constructor(
    smtp: Session,
    target: Target,
    laneSource: LaneSource,
    destination: Destination,
    slots: ConnectionGrant[],
    nowMs: number,
  ) {
    this.smtp = smtp;
    this.target = target;
    this.laneSource = laneSource;
    this.destination = destination;
    this.#slots = slots;
    this.openedAtMs = nowMs;
  }

  get source(): SourceConfig {
    return this.laneSource.source;
  }

  get exhausted(): boolean {
    return (
      this.retiring ||
      !this.smtp.usable ||
      this.smtp.transactions >= this.destination.policy.session.messagesPerConnection
    );
  }

  /** Carried so much, or lasted so long, that its slot may go to others. */
  pastQuantum(nowMs: number): boolean {
    return this.smtp.transactions >= SLOT_QUANTUM_MESSAGES || nowMs - this.openedAtMs >= SLOT_QUANTUM_MS;
  }

  /** Whether one of the slots it holds, the lane's or the carried unit's, satisfies the condition. */
  holds(condition: (keyId: string) => boolean): boolean {
    const inGrant = (grant: ConnectionGrant | undefined): boolean =>
      grant?.keys.keys.some((key) => key.bounds.connections !== undefined && condition(key.id)) ?? false;
    return this.#slots.some(inGrant) || inGrant(this.#carrying);
  }

  /**
   * Slots that carrying a unit needs beyond those of the connection: limits that name its tenant, domain, …, and limits of the whole lane that
   * only its own policy has (another domain opened the connection). Empty for most mail.
   */
  needs(keys: AttemptKeys): KeySet {
    if (this.#neededBy === keys) return this.#needed;
    const held = new Set(this.#slots.flatMap((slot) => slot.keys.keys.map((key) => key.id)));
    const more = [...keys.connection.keys, ...keys.host.keys].filter((key) => !held.has(key.id));
    this.#neededBy = keys;
    this.#needed = more.length === 0 ? keys.carrying : { keys: [...keys.carrying.keys, ...more] };
    return this.#needed;
  }

  /** Those slots are held already, or none is needed. */
  carries(keys: KeySet): boolean {
    return keys.keys.length === 0 ? this.#carrying === undefined : this.#carrying?.keys === keys;
  }

  /** Exchanges the slots of the unit that was carried for those of the next one. */
  carry(grant: ConnectionGrant | undefined, shaper: Shaper, nowMs: number): void {
    if (this.#carrying !== undefined) shaper.release(this.#carrying, nowMs);
    this.#carrying = grant;
  }

  /** Gives everything back. Only after the peer has closed: it counts the connection until then. */
  release(shaper: Shaper, nowMs: number): void {
    this.carry(undefined, shaper, nowMs);
    for (const slot of this.#slots) shaper.release(slot, nowMs);
    this.#slots.length = 0;
  }
}

/** Where a connection goes, as metrics name it. */
export function placeOf({
  laneSource,
  destination,
}: Pick<CarryingSession, 'laneSource' | 'destination'>): ConnectionPlace {
  return { pool: destination.pool, source: laneSource.source.name, group: destination.policy.group };
}
