import type { UnitId, UnitKey } from './contract.ts';
import type { Lane } from './lane.ts';
import { Tenant } from './tenant.ts';
import { Unit } from './unit.ts';

/** All units, by number and by key, and the tenants they belong to. */
export class Units {
  readonly #byId: (Unit | undefined)[] = [];
  readonly #freeIds: UnitId[] = [];
  readonly #tenants = new Map<string, Tenant>();

  get size(): number {
    return this.#byId.length - this.#freeIds.length;
  }

  get tenants(): IterableIterator<Tenant> {
    return this.#tenants.values();
  }

  /** The unit of this key; a new one starts in `lane`. */
  open(key: UnitKey, lane: Lane): Unit {
    const tenant = this.#tenant(key.tenant);
    const stream = tenant.openStream(key);
    const known = stream.unitOfDomain.get(key.domain);
    if (known !== undefined) return known;
    const id = this.#freeIds.pop() ?? this.#byId.length;
    // A copy: its identity tells a unit from a later one with the same number.
    const unit = new Unit(id, { ...key }, tenant, stream, lane);
    lane.addUnit(unit);
    stream.unitOfDomain.set(key.domain, unit);
    this.#byId[id] = unit;
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
    const { tenant, stream } = unit;
    unit.lane.removeUnit(unit);
    this.#byId[unit.id] = undefined;
    this.#freeIds.push(unit.id);
    stream.unitOfDomain.delete(unit.key.domain);
    if (stream.unitOfDomain.size > 0) return;
    tenant.closeStream(stream);
    if (tenant.gone) this.#tenants.delete(tenant.name);
  }

  #tenant(name: string): Tenant {
    const known = this.#tenants.get(name);
    if (known !== undefined) return known;
    const tenant = new Tenant(name);
    this.#tenants.set(name, tenant);
    return tenant;
  }
}
