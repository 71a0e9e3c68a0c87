import { type EntryTable, NONE } from './entry-table.ts';
import { Ring, type RingMember } from './ring.ts';
import type { Tenant } from './tenant.ts';
import type { Unit } from './unit.ts';

/** Recipients that a tenant may send in one turn (the quantum of deficit round robin). */
export const QUANTUM_RECIPIENTS = 10;
/**
 * An entry costs its recipients, at least 1 and at most this: a transaction carries no more by default, and a dearer entry
 * would only make the round longer for everybody.
 */
export const MAX_COST_RECIPIENTS = 100;

/** A tenant that has something to offer: its units take turns, one entry each. */
export class TenantTurn implements RingMember<TenantTurn> {
  readonly tenant: Tenant;
  readonly turns: Turns;
  readonly units = new Ring<Unit>();
  /** Recipients that it may still send in this turn. */
  deficit = 0;
  ringNext: TenantTurn | undefined;
  ringPrevious: TenantTurn | undefined;

  constructor(tenant: Tenant, turns: Turns) {
    this.tenant = tenant;
    this.turns = turns;
  }
}

/**
 * The offerable units of a lane that agree in class and preferred source. Tenants take turns by deficit round robin
 * (Shreedhar and Varghese 1995), all with the same weight; inside a tenant its units do; inside a unit entries go first in, first out.
 */
export class Turns {
  readonly className: string;
  readonly preferredSource: string;
  readonly #tenants = new Ring<TenantTurn>();
  /** Priority of the class. */
  priority = 0;
  /** Since when the next entry was passed over: it became ready, or another one of these was taken. */
  waitingSinceMs = 0;
  /** Number of the last take: among equals the one whose take is longest ago goes first. */
  lastTake = 0;

  constructor(className: string, preferredSource: string) {
    this.className = className;
    this.preferredSource = preferredSource;
  }

  get idle(): boolean {
    return this.#tenants.head === undefined;
  }

  /** The unit takes part from now on, behind the others of its tenant. */
  join(unit: Unit): void {
    let turn = unit.tenant.turnIn.get(this);
    if (turn === undefined) {
      turn = new TenantTurn(unit.tenant, this);
      unit.tenant.turnIn.set(this, turn);
      if (this.idle) turn.deficit = QUANTUM_RECIPIENTS;
      this.#tenants.join(turn);
    }
    turn.units.join(unit);
    unit.turn = turn;
  }

  leave(unit: Unit): void {
    const { turn } = unit;
    if (turn === undefined) return;
    turn.units.leave(unit);
    unit.turn = undefined;
    if (turn.units.head !== undefined) return;
    // What a tenant did not use is lost with its turn: credit is for those who have mail to send.
    turn.tenant.turnIn.delete(this);
    const wasNext = this.#tenants.head === turn;
    this.#tenants.leave(turn);
    if (wasNext) this.#beginTurn();
  }

  /** The unit whose head entry goes next. Asking again gives the same answer until something is taken, joins or leaves. */
  next(table: EntryTable): Unit | undefined {
    for (;;) {
      const turn = this.#tenants.head;
      const unit = turn?.units.head;
      if (turn === undefined || unit === undefined) return undefined;
      if (turn.deficit >= costOf(table, unit)) return unit;
      this.#tenants.rotate();
      this.#beginTurn();
    }
  }

  /** The unit's head entry is about to be taken: its tenant pays, its next unit is next. */
  charge(table: EntryTable, unit: Unit): void {
    const { turn } = unit;
    if (turn === undefined) return;
    turn.deficit -= costOf(table, unit);
    if (turn.units.head === unit) turn.units.rotate();
  }

  #beginTurn(): void {
    const turn = this.#tenants.head;
    if (turn !== undefined) turn.deficit += QUANTUM_RECIPIENTS;
  }
}

function costOf(table: EntryTable, unit: Unit): number {
  if (unit.readyHead === NONE) return 0;
  return Math.min(Math.max(table.recipients(unit.readyHead), 1), MAX_COST_RECIPIENTS);
}
