/** Separates the parts of a path; no key contains it, and if one did only a line number would be wrong. */
const SEPARATOR = '\u0000';

/**
 * Lines of tables and keys in a TOML text: the parser does not tell them. Only for messages: where the text is unusual (a
 * table in a line with others, a header inside a long text), the line of the table around it is told.
 *
 * Example: `new TomlLines('["a.b"]\nc = 1').of(['a.b', 'c'])` → `2`
 */
export class TomlLines {
  readonly #lines = new Map<string, number>();

  constructor(text: string) {
    const arrays = new Map<string, number>();
    let table: readonly string[] = [];
    let closing: string | undefined;
    for (const [index, line] of text.split('\n').entries()) {
      if (closing !== undefined) {
        if (line.includes(closing)) closing = undefined;
        continue;
      }
      const trimmed = line.trim();
      if (trimmed.startsWith('[')) {
        const isArray = trimmed.startsWith('[[');
        const keys = keysOf(trimmed.slice(isArray ? 2 : 1), ']');
        if (keys === undefined) continue;
        const name = keys.join(SEPARATOR);
        const number = arrays.get(name) ?? 0;
        if (isArray) arrays.set(name, number + 1);
        table = isArray ? [...keys, String(number)] : keys;
        this.#add(table, index + 1);
        continue;
      }
      const keys = keysOf(trimmed, '=');
      if (keys !== undefined) this.#add([...table, ...keys], index + 1);
      closing = opened(trimmed);
    }
  }

  /** Line of what the path leads to, or of the nearest thing around it. */
  of(path: readonly (string | number)[]): number {
    for (let length = path.length; length > 0; length--) {
      const line = this.#lines.get(path.slice(0, length).map(String).join(SEPARATOR));
      if (line !== undefined) return line;
    }
    return 1;
  }

  #add(path: readonly string[], line: number): void {
    // A table is known by its parents too: `["a".sources."b"]` may be all there is of "a".
    for (let length = path.length; length > 0; length--) {
      const key = path.slice(0, length).join(SEPARATOR);
      if (this.#lines.has(key) && length < path.length) return;
      this.#lines.set(key, line);
    }
  }
}

const KEY = /^\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*/;

/** Keys of a header or before a value, up to `end`; `undefined` = the line is neither. */
function keysOf(text: string, end: string): readonly string[] | undefined {
  const keys: string[] = [];
  for (let rest = text; ; ) {
    const [head, quoted, literal, bare] = KEY.exec(rest) ?? [];
    if (head === undefined) return undefined;
    keys.push(quoted ?? literal ?? bare ?? '');
    rest = rest.slice(head.length);
    if (rest.startsWith(end)) return keys;
    if (!rest.startsWith('.')) return undefined;
    rest = rest.slice(1);
  }
}

/** What ends the text of several lines that begins in this one. */
function opened(line: string): string | undefined {
  return ['"""', "'''"].find((quotes) => line.split(quotes).length % 2 === 0);
}
