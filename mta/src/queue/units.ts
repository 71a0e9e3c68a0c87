import type { UnitId, UnitKey } from './contract.ts';
import type { Lane } from './lane.ts';
import { Tenant } from './tenant.ts';
import { Unit } from './unit.ts';

/** All units, by number and by key, and the tenants they belong to. */
export class Units {
  readonly #byId: (Unit | undefined)[] = [];
  readonly #byKey = new Map<string, Unit>();
  readonly #freeIds: UnitId[] = [];
  readonly tenants = new Map<string, Tenant>();

  get size(): number {
    return this.#byKey.size;
  }

  /** The unit of this key; a new one starts in `lane`. */
  open(key: UnitKey, lane: Lane): Unit {
    const text = keyText(key);
    const known = this.#byKey.get(text);
    if (known !== undefined) return known;
    const id = this.#freeIds.pop() ?? this.#byId.length;
    const tenant = this.#tenant(key.tenant);
    tenant.units++;
    // A copy: its identity tells a unit from a later one with the same number.
    const unit = new Unit(id, { ...key }, tenant, lane);
    lane.addUnit(unit);
    this.#byId[id] = unit;
    this.#byKey.set(text, unit);
    return unit;
  }

  find(id: UnitId): Unit | undefined {
    return this.#byId[id];
  }

  get(id: UnitId): Unit {
    const unit = this.#byId[id];
    if (unit === undefined) throw new RangeError(`there is no unit ${id}`);
    return unit;
  }

  forget(unit: Unit): void {
    unit.lane.removeUnit(unit);
    this.#byId[unit.id] = undefined;
    this.#byKey.delete(keyText(unit.key));
    this.#freeIds.push(unit.id);
    if (--unit.tenant.units === 0) this.tenants.delete(unit.tenant.name);
  }

  #tenant(name: string): Tenant {
    const known = this.tenants.get(name);
    if (known !== undefined) return known;
    const tenant = new Tenant(name);
    this.tenants.set(name, tenant);
    return tenant;
  }
}

function keyText(key: UnitKey): string {
  return `${key.domain}\n${key.tenant}\n${key.campaign}\n${key.class}\n${key.pool}\n${key.preferredSource}`;
}
