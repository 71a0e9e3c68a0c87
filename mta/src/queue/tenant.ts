import { Counts } from './counts.ts';
import type { TenantTurn, Turns } from './turns.ts';

/** A tenant with something in the queue. */
export class Tenant {
  readonly name: string;
  readonly counts = new Counts();
  /** Units of this tenant; at 0 the tenant is forgotten. */
  units = 0;
  /** Where it takes turns now. Kept here and not in each `Turns`: a map for every lane would cost more than the lane. */
  readonly turnIn = new Map<Turns, TenantTurn>();

  constructor(name: string) {
    this.name = name;
  }
}
