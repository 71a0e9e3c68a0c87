import type { FieldPath } from './field-path.ts';
import type { Finding } from './problem.ts';

/** Findings for names that a list of named entries has twice; at the later one. */
export function repeatedNames(
  entries: readonly { readonly name: string }[] | undefined,
  path: FieldPath,
): readonly Finding[] {
  return repeated(entries?.map((entry) => entry.name) ?? [], (index) => [...path, index, 'name']);
}

/** Findings for values that a list has twice; at the later one. */
export function repeatedValues(values: readonly string[] | undefined, path: FieldPath): readonly Finding[] {
  return repeated(values ?? [], (index) => [...path, index]);
}

function repeated(values: readonly string[], pathOf: (index: number) => FieldPath): readonly Finding[] {
  const seen = new Set<string>();
  const findings: Finding[] = [];
  values.forEach((value, index) => {
    if (seen.has(value)) {
      findings.push({
        code: 'SLUICE_FIELD_REPEATED',
        path: pathOf(index),
        parameters: { value: JSON.stringify(value) },
      });
    }
    seen.add(value);
  });
  return findings;
}
