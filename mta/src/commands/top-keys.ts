import type { TopChoice } from './top-screen.ts';
import { TOP_SORTS } from './top-state.ts';

/** Longest filter, characters. */
const MAX_FILTER = 60;

const CTRL_C = '\x03';
const ESCAPE = '\x1b';
const BACKSPACES = new Set(['\x7f', '\b']);
const ENTERS = new Set(['\r', '\n']);

/**
 * What a key makes of the choice; `undefined` = the end. Pure.
 *
 * Example: `afterKey({ sort: 'queued', filter: '', typing: false }, 's')` → sorted by what leaves
 */
export function afterKey(choice: TopChoice, key: string): TopChoice | undefined {
  if (key === CTRL_C) return undefined;
  const { sort, filter, typing } = choice;
  if (typing) {
    if (ENTERS.has(key)) return { ...choice, typing: false };
    if (key === ESCAPE) return { ...choice, typing: false, filter: '' };
    if (BACKSPACES.has(key)) return { ...choice, filter: filter.slice(0, -1) };
    const printed = /^[^\p{Cc}]$/u.test(key) && filter.length < MAX_FILTER;
    return printed ? { ...choice, filter: filter + key } : choice;
  }
  switch (key) {
    case 'q':
    case 'Q':
      return undefined;
    case 's':
      return { ...choice, sort: TOP_SORTS[(TOP_SORTS.indexOf(sort) + 1) % TOP_SORTS.length] ?? sort };
    case '/':
      return { ...choice, typing: true };
    case ESCAPE:
      return { ...choice, filter: '' };
    default:
      return choice;
  }
}
