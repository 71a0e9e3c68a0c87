const MAX_LENGTH = 63;

/**
 * Names of lists in our resources (DNS labels) for names that other systems allow, each given out once.
 *
 * Example: `names.give('Gmail.com')` → `gmail-com`; the next such one → `gmail-com-2`
 */
export class EntryNames {
  readonly #given = new Set<string>();

  give(wanted: string, fallback = 'unnamed'): string {
    const base = entryNameOf(wanted) || fallback;
    for (let number = 1; ; number++) {
      const suffix = number === 1 ? '' : `-${number}`;
      const name = `${base.slice(0, MAX_LENGTH - suffix.length).replace(/-+$/, '')}${suffix}`;
      if (this.#given.has(name)) continue;
      this.#given.add(name);
      return name;
    }
  }
}

/** The nearest DNS label; `''` = nothing in it is a letter or a digit. */
export function entryNameOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, MAX_LENGTH)
    .replace(/-+$/, '');
}
