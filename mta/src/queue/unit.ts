import type { Entry, UnitId, UnitKey } from './contract.ts';
import { NONE } from './entry-table.ts';
import type { Lane } from './lane.ts';
import type { RingMember } from './ring.ts';
import type { Stream } from './stream.ts';
import type { Tenant } from './tenant.ts';
import type { TenantTurn } from './turns.ts';

/** The entries that every limit treats alike (see `contract.ts`). */
export class Unit implements RingMember<Unit> {
  readonly id: UnitId;
  readonly key: UnitKey;
  readonly tenant: Tenant;
  readonly stream: Stream;
  lane: Lane;
  /** No offers until it is woken. */
  asleep = false;
  /** Heads of its lists of entries: those that may go, oldest readiness first; those that wait for their time; those taken. */
  readyHead: Entry = NONE;
  waitingHead: Entry = NONE;
  takenHead: Entry = NONE;
  ready = 0;
  waiting = 0;
  taken = 0;
  /** Set while the unit takes turns: it is awake and has a ready entry. */
  turn: TenantTurn | undefined;
  ringNext: Unit | undefined;
  ringPrevious: Unit | undefined;
  /** Neighbours among the units of the lane. */
  laneNext: Unit | undefined;
  lanePrevious: Unit | undefined;

  constructor(id: UnitId, key: UnitKey, tenant: Tenant, stream: Stream, lane: Lane) {
    this.id = id;
    this.key = key;
    this.tenant = tenant;
    this.stream = stream;
    this.lane = lane;
  }

  get empty(): boolean {
    return this.ready + this.waiting + this.taken === 0;
  }
}
