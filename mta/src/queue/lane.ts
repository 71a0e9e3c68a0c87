import type { LaneId, LaneKey } from './contract.ts';
import { Counts } from './counts.ts';
import { TimeSpread } from './time-spread.ts';
import { Turns } from './turns.ts';
import type { Unit } from './unit.ts';

/** The units that the same sessions can carry: (pool, site). */
export class Lane {
  readonly id: LaneId;
  readonly key: LaneKey;
  readonly counts = new Counts();
  /** Acceptance of all its entries, and due times of those that wait, in ticks. */
  readonly accepted = new TimeSpread();
  readonly due = new TimeSpread();
  turns: Turns[] = [];
  /** How often the dispatcher holds on to it. */
  pins = 0;
  firstUnit: Unit | undefined;

  constructor(id: LaneId, key: LaneKey) {
    this.id = id;
    this.key = key;
  }

  /** Nobody needs it: no unit, no pin. */
  get abandoned(): boolean {
    return this.firstUnit === undefined && this.pins === 0;
  }

  /** The turns that units of this class and preferred source take part in. */
  turnsOf(className: string, preferredSource: string): Turns {
    for (const turns of this.turns) {
      if (turns.className === className && turns.preferredSource === preferredSource) return turns;
    }
    const turns = new Turns(className, preferredSource);
    this.turns = [...this.turns, turns];
    return turns;
  }

  addUnit(unit: Unit): void {
    unit.lane = this;
    unit.lanePrevious = undefined;
    unit.laneNext = this.firstUnit;
    if (this.firstUnit !== undefined) this.firstUnit.lanePrevious = unit;
    this.firstUnit = unit;
  }

  removeUnit(unit: Unit): void {
    if (unit.lanePrevious === undefined) this.firstUnit = unit.laneNext;
    else unit.lanePrevious.laneNext = unit.laneNext;
    if (unit.laneNext !== undefined) unit.laneNext.lanePrevious = unit.lanePrevious;
    unit.laneNext = undefined;
    unit.lanePrevious = undefined;
  }
}
