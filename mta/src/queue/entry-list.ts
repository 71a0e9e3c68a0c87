import type { Entry } from './contract.ts';
import { type EntryTable, NONE } from './entry-table.ts';

/*
 * Circular doubly linked lists of entries inside the table: a list is its head, `NONE` when empty, and the head's
 * predecessor is the tail. Every function returns the head of the changed list. An entry is in at most one list.
 */

/** Puts an entry at the tail. */
export function appended(table: EntryTable, head: Entry, entry: Entry): Entry {
  if (head === NONE) {
    table.setNext(entry, entry);
    table.setPrevious(entry, entry);
    return entry;
  }
  const tail = table.previous(head);
  table.setNext(tail, entry);
  table.setPrevious(entry, tail);
  table.setNext(entry, head);
  table.setPrevious(head, entry);
  return head;
}

/** Puts an entry at the head. */
export function prepended(table: EntryTable, head: Entry, entry: Entry): Entry {
  appended(table, head, entry);
  return entry;
}

/** Takes an entry out, wherever it stands. */
export function without(table: EntryTable, head: Entry, entry: Entry): Entry {
  const next = table.next(entry);
  if (next === entry) return NONE;
  const previous = table.previous(entry);
  table.setNext(previous, next);
  table.setPrevious(next, previous);
  return entry === head ? next : head;
}

/** Visits the entries from head to tail; the list must not change meanwhile. */
export function eachEntry(table: EntryTable, head: Entry, visit: (entry: Entry) => void): void {
  if (head === NONE) return;
  let entry = head;
  do {
    visit(entry);
    entry = table.next(entry);
  } while (entry !== head);
}
