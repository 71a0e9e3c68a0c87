import type { Entry } from './contract.ts';
import { Counts } from './counts.ts';
import { appended, eachEntry, prepended, without } from './entry-list.ts';
import { type EntryTable, READY, TAKEN, WAITING } from './entry-table.ts';
import type { Lane } from './lane.ts';
import type { Unit } from './unit.ts';

/**
 * Where each entry stands: in exactly one of its unit's lists (ready, waiting, taken), and counted once in its lane, its tenant and
 * the whole. Every change of place goes through here, so lists and counts cannot come apart.
 */
export class Placement {
  readonly counts = new Counts();
  readonly #table: EntryTable;

  constructor(table: EntryTable) {
    this.#table = table;
  }

  /** A new entry is in none of the lists yet. */
  enter(unit: Unit, entry: Entry): void {
    unit.lane.accepted.add(this.#table.acceptedTick(entry));
  }

  /** An entry that stands in no list leaves for good, or for another unit. */
  exit(unit: Unit, entry: Entry): void {
    unit.lane.accepted.delete(this.#table.acceptedTick(entry));
  }

  ready(unit: Unit, entry: Entry, where: 'head' | 'tail'): void {
    const add = where === 'head' ? prepended : appended;
    this.#table.setState(entry, READY);
    unit.readyHead = add(this.#table, unit.readyHead, entry);
    unit.ready++;
    this.#addReady(unit, 1);
  }

  waiting(unit: Unit, entry: Entry): void {
    this.#table.setState(entry, WAITING);
    unit.waitingHead = appended(this.#table, unit.waitingHead, entry);
    this.#addWaiting(unit, 1);
    unit.lane.due.add(this.#table.dueTick(entry));
  }

  taken(unit: Unit, entry: Entry): void {
    this.#table.setState(entry, TAKEN);
    unit.takenHead = appended(this.#table, unit.takenHead, entry);
    this.#addTaken(unit, 1);
  }

  /** Takes the entry out of the list it stands in. */
  leave(unit: Unit, entry: Entry): void {
    const table = this.#table;
    switch (table.state(entry)) {
      case READY:
        unit.readyHead = without(table, unit.readyHead, entry);
        unit.ready--;
        this.#addReady(unit, -1);
        if (unit.ready === 0) unit.turn?.turns.leave(unit);
        break;
      case WAITING:
        unit.waitingHead = without(table, unit.waitingHead, entry);
        this.#addWaiting(unit, -1);
        unit.lane.due.delete(table.dueTick(entry));
        break;
      default:
        unit.takenHead = without(table, unit.takenHead, entry);
        this.#addTaken(unit, -1);
    }
  }

  /** No offers of this unit until `wake`. */
  sleep(unit: Unit): void {
    unit.turn?.turns.leave(unit);
    this.#addReady(unit, -unit.ready);
    unit.asleep = true;
    this.#addReady(unit, unit.ready);
  }

  wake(unit: Unit): void {
    this.#addReady(unit, -unit.ready);
    unit.asleep = false;
    this.#addReady(unit, unit.ready);
  }

  /** The unit goes to another lane with all its entries; it visits each of them. */
  move(unit: Unit, to: Lane): void {
    unit.turn?.turns.leave(unit);
    this.#countInLane(unit, unit.lane, -1);
    unit.lane.removeUnit(unit);
    to.addUnit(unit);
    this.#countInLane(unit, to, 1);
  }

  #addReady(unit: Unit, count: number): void {
    const where = unit.asleep ? 'asleep' : 'ready';
    unit.lane.counts[where] += count;
    unit.tenant.counts[where] += count;
    this.counts[where] += count;
  }

  #addWaiting(unit: Unit, count: number): void {
    unit.waiting += count;
    unit.lane.counts.waiting += count;
    unit.tenant.counts.waiting += count;
    this.counts.waiting += count;
  }

  #addTaken(unit: Unit, count: number): void {
    unit.taken += count;
    unit.lane.counts.taken += count;
    unit.tenant.counts.taken += count;
    this.counts.taken += count;
  }

  #countInLane(unit: Unit, lane: Lane, times: 1 | -1): void {
    const { ready, waiting, taken, asleep } = unit;
    lane.counts.add({ ready: asleep ? 0 : ready, asleep: asleep ? ready : 0, waiting, taken }, times);
    const change = times === 1 ? 'add' : 'delete';
    const table = this.#table;
    for (const head of [unit.readyHead, unit.waitingHead, unit.takenHead]) {
      eachEntry(table, head, (entry) => lane.accepted[change](table.acceptedTick(entry)));
    }
    eachEntry(table, unit.waitingHead, (entry) => lane.due[change](table.dueTick(entry)));
  }
}
