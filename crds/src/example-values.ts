import { parse } from 'yaml';

/**
 * Values that texts in YAML give to each field, in the order in which they come: `spec.sources[].weight` → `[1, 3]`. A field of
 * `same` counts for the one that it holds the same as.
 */
export function fieldsOfExamples(
  texts: readonly string[],
  same: Readonly<Record<string, string>> = {},
): ReadonlyMap<string, readonly unknown[]> {
  const values = new Map<string, unknown[]>();
  for (const text of texts) collect(parse(text), '', same, values);
  return values;
}

function collect(
  value: unknown,
  given: string,
  same: Readonly<Record<string, string>>,
  values: Map<string, unknown[]>,
): void {
  const path = same[given] ?? given;
  const known = values.get(path);
  if (known === undefined) values.set(path, [value]);
  else known.push(value);
  if (Array.isArray(value)) {
    for (const entry of value) collect(entry, `${path}[]`, same, values);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      collect(member, path === '' ? name : `${path}.${name}`, same, values);
    }
  }
}
