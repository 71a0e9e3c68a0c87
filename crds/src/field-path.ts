/** Place of a field in a resource: `['spec', 'sources', 0, 'weight']`. */
export type FieldPath = readonly PropertyKey[];

/** `['spec', 'sources', 0, 'weight']` → `spec.sources[0].weight`. */
export function fieldName(path: FieldPath): string {
  return path.reduce<string>((name, part) => {
    if (typeof part === 'number') return `${name}[${part}]`;
    return name === '' ? String(part) : `${name}.${String(part)}`;
  }, '');
}

/** What is at a path; `undefined` = nothing. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, part)) return undefined;
    current = Reflect.get(current, part);
  }
  return current;
}
