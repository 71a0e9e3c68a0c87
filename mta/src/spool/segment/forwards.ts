import type { Place, Store } from './place.ts';
import { NO_ROW, PlaceTable } from './place-table.ts';

/** Batches of the journal still speak of the former place. */
const MENTIONED = 1 << 0;
/** The queue knows the message by the former place, or by one that leads here. */
const KNOWN = 1 << 1;

/** Former places of messages that moved, and where to. An entry stays while the journal or the queue names the former place. */
export class Forwards {
  readonly #tables: Readonly<Record<Store, PlaceTable>> = {
    spool: new PlaceTable(),
    defer: new PlaceTable(),
  };

  get bytes(): number {
    return this.#tables.spool.bytes + this.#tables.defer.bytes;
  }

  /** `replayed`: read from the journal, so the queue never knew the former place. */
  add(from: Place, to: Place, replayed: boolean): void {
    const table = this.#tables[from.store];
    const row = table.add(from.sequence, from.id);
    table.setNumber(row, to.sequence);
    table.setFlags(row, replayed ? MENTIONED : MENTIONED | KNOWN);
  }

  /** Where the way from a place ends; the place itself when it did not move. */
  last(place: Place): Place {
    let last = place;
    for (let next = this.#next(last); next !== undefined; next = this.#next(next)) last = next;
    return last;
  }

  /** Id of the message that had this place. */
  idAt(store: Store, sequence: number): string | undefined {
    const table = this.#tables[store];
    const row = table.find(sequence);
    return row === NO_ROW ? undefined : table.id(row);
  }

  drop(from: Place): void {
    const table = this.#tables[from.store];
    const row = table.find(from.sequence);
    if (row !== NO_ROW && table.isId(row, from.id)) table.remove(row);
  }

  /** The journal does not name the place any more. */
  unmention(from: Place): void {
    this.#clear(from, MENTIONED);
  }

  /** The queue does not name the place any more. */
  forget(place: Place): void {
    for (let from: Place | undefined = place; from !== undefined; ) {
      const next = this.#next(from);
      this.#clear(from, KNOWN);
      from = next;
    }
  }

  #next(place: Place): Place | undefined {
    const table = this.#tables[place.store];
    const row = table.find(place.sequence);
    if (row === NO_ROW || !table.isId(row, place.id)) return undefined;
    return { store: 'defer', sequence: table.number(row), id: place.id };
  }

  #clear(from: Place, flag: number): void {
    const table = this.#tables[from.store];
    const row = table.find(from.sequence);
    if (row === NO_ROW || !table.isId(row, from.id)) return;
    const flags = table.flags(row) & ~flag;
    if (flags === 0) table.remove(row);
    else table.setFlags(row, flags);
  }
}
