import { type Problem, schemaMember } from '@sluice/crds';
import { z } from 'zod';
import { fieldName, type YamlSource } from './yaml-source.ts';

/** What a bound counts, where it is not the number itself. */
const COUNTED: Readonly<Record<string, string>> = { array: ' entries', string: ' characters' };

/** Words for the kinds of values that a schema expects. */
const EXPECTED: Readonly<Record<string, string>> = {
  string: 'a text',
  int: 'a whole number',
  number: 'a whole number',
  array: 'a list',
  object: 'a group of fields',
  record: 'a group of names and texts',
};

/**
 * Checks a parsed file against its schema and tells every mistake in words, with its line.
 *
 * Example: an unknown `spec.dns.server` → `{ what: 'Unknown field "server".', cure: 'Did you mean "servers"?', … }`
 */
export function checkShape<T extends z.ZodType>(
  source: YamlSource,
  schema: T,
): { readonly value: z.output<T> } | { readonly problems: readonly Problem[] } {
  const result = schema.safeParse(source.value);
  if (result.success) return { value: result.data };
  return { problems: result.error.issues.flatMap((issue) => problemsOf(source, schema, issue)) };
}

function problemsOf(source: YamlSource, schema: z.ZodType, issue: z.core.$ZodIssue): readonly Problem[] {
  const { path } = issue;
  const required = (cure: string): readonly Problem[] => [
    source.problem('SLUICE_FIELD_REQUIRED', path, `${name} is missing.`, cure),
  ];
  const invalid = (what: string, cure: string): readonly Problem[] => [
    source.problem('SLUICE_FIELD_INVALID', path, what, cure),
  ];
  const given = valueAt(source.value, path);
  const name = fieldName(path) || 'The file';
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = membersAt(schema, path, source.value);
      return issue.keys.map((key) =>
        source.problem('SLUICE_FIELD_UNKNOWN', path, `Unknown field "${key}".`, knownCure(key, known), key),
      );
    }
    case 'invalid_type': {
      const expected = EXPECTED[issue.expected] ?? issue.expected;
      if (given === undefined) return required(`Add "${String(path.at(-1) ?? '')}", ${expected}.`);
      return invalid(`${name} must be ${expected}.`, `Write ${expected} here.`);
    }
    case 'invalid_value': {
      const cure = `Write ${oneOf(issue.values.map(String))}.`;
      return given === undefined
        ? required(cure)
        : invalid(`${name} cannot be ${JSON.stringify(given)}.`, cure);
    }
    case 'invalid_union': {
      const options = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
      const cure = `Write ${oneOf(options)}.`;
      return given === undefined
        ? required(cure)
        : invalid(`${name} cannot be ${JSON.stringify(given)}.`, cure);
    }
    case 'too_small':
    case 'too_big': {
      const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum;
      const word = issue.code === 'too_small' ? 'at least' : 'at most';
      const unit = COUNTED[issue.origin] ?? '';
      return invalid(`${name} must be ${word} ${bound}${unit}.`, `Write ${word} ${bound}${unit}.`);
    }
    default: {
      const cure = 'params' in issue ? issue.params?.cure : undefined;
      return invalid(`${name}: ${issue.message}`, typeof cure === 'string' ? cure : 'Correct the value.');
    }
  }
}

function knownCure(key: string, known: readonly string[]): string {
  const near = known.find((name) => isNear(key, name));
  if (near !== undefined) return `Did you mean "${near}"?`;
  return known.length === 0 ? 'Remove it.' : `Remove it; the fields known here are ${known.join(', ')}.`;
}

/** Same letters apart from case, one is the other's beginning, or one edit apart. */
function isNear(a: string, b: string): boolean {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  if (x === y || (Math.min(x.length, y.length) >= 3 && (x.startsWith(y) || y.startsWith(x)))) return true;
  if (Math.abs(x.length - y.length) > 1) return false;
  let head = 0;
  while (head < x.length && x[head] === y[head]) head++;
  let tail = 0;
  while (tail < Math.min(x.length, y.length) - head && x.at(-1 - tail) === y.at(-1 - tail)) tail++;
  return Math.max(x.length, y.length) - head - tail <= 1;
}

/** Names of the members that the schema has at a path; empty where it cannot be told. */
function membersAt(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): readonly string[] {
  let current: z.core.$ZodType | undefined = memberOfType(schema, value);
  for (const [depth, part] of path.entries()) {
    let next: z.core.$ZodType | undefined;
    if (current instanceof z.ZodArray) next = current.element;
    else if (current instanceof z.ZodObject) next = current.shape[String(part)];
    if (next === undefined) return [];
    current = memberOfType(next, valueAt(value, path.slice(0, depth + 1)));
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

/** The schema without its wrappers; of a union the member that the value's `type` names. */
function memberOfType(outer: z.core.$ZodType, value: unknown): z.core.$ZodType | undefined {
  const { schema } = schemaMember(outer);
  if (!(schema instanceof z.ZodUnion)) return schema;
  const type = valueAt(value, ['type']);
  return schema.options.find((option) => typeof type === 'string' && option._zod.propValues?.type?.has(type));
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (current, part) =>
      typeof current === 'object' && current !== null ? Reflect.get(current, part) : undefined,
    value,
  );
}

function oneOf(values: readonly string[]): string {
  return values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}
