import type { z } from 'zod';
import { expectations } from './expectation.ts';
import { type FieldPath, fieldName, valueAt } from './field-path.ts';
import { nearestName } from './nearest-name.ts';
import type { Finding } from './problem.ts';
import { memberNames, schemaAt } from './schema-walk.ts';

const MAX_QUOTED_LENGTH = 60;
/** Findings told per resource: a file of something else has thousands, and each is looked up. */
const MAX_FINDINGS = 200;

/** What is wrong with a value that its schema refuses, in words. */
export function shapeFindings(schema: z.ZodType, value: unknown, error: z.ZodError): readonly Finding[] {
  const findings = error.issues
    .slice(0, MAX_FINDINGS)
    .flatMap((issue) => findingsOf(schema, value, issue))
    .slice(0, MAX_FINDINGS);
  // Two checks of one field (its form, its value) say the same in words.
  const told = new Map(
    findings.map((finding) => [JSON.stringify([finding.path, finding.parameters]), finding]),
  );
  return [...told.values()];
}

function findingsOf(root: z.ZodType, value: unknown, issue: z.core.$ZodIssue): readonly Finding[] {
  const { path } = issue;
  const schema = schemaAt(root, path);
  const given = valueAt(value, path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const absent = memberNames(schema).filter((member) => !Object.hasOwn(Object(given), member));
      return issue.keys
        .slice(0, MAX_FINDINGS)
        .map((key) => unknownField([...path, key], key, memberNames(schema), absent));
    }
    case 'invalid_key':
      return [
        invalid(path, 'a label key as Kubernetes has them', given, 'For example: plan.', String(path.at(-1))),
      ];
    case 'invalid_value':
      if (given !== undefined) return [unknownValue(path, given, issue.values.map(String))];
      break;
    case 'too_big':
    case 'too_small':
      if (issue.origin === 'array') return [wrongLength(path, given, issue)];
      break;
  }
  const expected = expectedOf(schema);
  if (given === undefined) return [{ code: 'SLUICE_FIELD_REQUIRED', path, parameters: { expected } }];
  const expectation = schema === undefined ? undefined : expectations.get(schema as z.core.$ZodType);
  const suggestion = expectation?.suggest?.(given);
  if (suggestion !== undefined) return [invalid(path, expected, given, `Write ${suggestion}.`)];
  return [
    invalid(
      path,
      expected,
      given,
      expectation === undefined ? `Write ${expected} here.` : `For example: ${expectation.example}.`,
    ),
  ];
}

/** Only a field that is not there yet (`absent`) can be the one that was meant. */
function unknownField(
  path: FieldPath,
  name: string,
  known: readonly string[],
  absent: readonly string[],
): Finding {
  const near = nearestName(name, absent);
  const cure = near === undefined ? `Remove it; known here: ${known.join(', ')}.` : `Did you mean "${near}"?`;
  return { code: 'SLUICE_FIELD_UNKNOWN', path, atKey: true, parameters: { name, cure } };
}

function unknownValue(path: FieldPath, given: unknown, values: readonly string[]): Finding {
  const known = oneOf(values);
  const near = typeof given === 'string' ? nearestName(given, values) : undefined;
  return invalid(path, known, given, `Write ${near ?? (values.length > 1 ? 'one of these' : known)}.`);
}

/** Lists at the top of a spec may go on in another resource; what one entry holds may not. */
function splits(path: FieldPath): boolean {
  return path.length === 2;
}

function wrongLength(
  path: FieldPath,
  given: unknown,
  issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall,
): Finding {
  const length = Array.isArray(given) ? given.length : 0;
  if (issue.code === 'too_big') {
    const expected = `a list of at most ${issue.maximum} items`;
    const cure = splits(path)
      ? 'Split the resource in two.'
      : 'Remove some; one selector can replace many names.';
    return invalid(path, expected, given, cure, `one of ${length}`);
  }
  return invalid(
    path,
    'a list of at least one item',
    given,
    'Add an item or leave the field out.',
    'an empty one',
  );
}

function invalid(
  path: FieldPath,
  expected: string,
  value: unknown,
  cure: string,
  given = quoted(value),
): Finding {
  return { code: 'SLUICE_FIELD_INVALID', path, parameters: { expected, given, cure } };
}

function expectedOf(schema: z.core.$ZodTypes | undefined): string {
  if (schema === undefined) return 'something else';
  const registered = expectations.get(schema as z.core.$ZodType);
  if (registered !== undefined) return registered.expected;
  const definition = schema._zod.def;
  switch (definition.type) {
    case 'array':
      return 'a list';
    case 'object':
      return `fields (${Object.keys(definition.shape).join(', ')})`;
    case 'record':
      return 'a map of names to texts';
    case 'enum':
      return oneOf(Object.values(definition.entries).map(String));
    case 'literal':
      return oneOf(definition.values.map(String));
    default:
      return 'text';
  }
}

/** `A`, `A or B`, `A, B or C`. */
export function oneOf(values: readonly string[]): string {
  const last = values.at(-1) ?? '';
  return values.length < 2 ? last : `${values.slice(0, -1).join(', ')} or ${last}`;
}

/** A value as a message shows it: short, on one line. */
export function quoted(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value !== 'string') return String(value);
  const text = value.length > MAX_QUOTED_LENGTH ? `${value.slice(0, MAX_QUOTED_LENGTH)}…` : value;
  return JSON.stringify(text);
}

const SETTINGS_CURE = 'An MtaConfig holds the settings: move it to the file that sluice run --config names.';

/** Which schema is meant by `kind`, for the message about one that is not known. */
export function unknownIdentity(
  field: 'kind' | 'apiVersion',
  given: unknown,
  known: readonly string[],
): Finding {
  const near = typeof given === 'string' ? nearestName(given, known) : undefined;
  if (given === undefined) {
    return { code: 'SLUICE_FIELD_REQUIRED', path: [field], parameters: { expected: oneOf(known) } };
  }
  const isSettings =
    field === 'kind' && near === undefined && nearestName(String(given), ['MtaConfig']) !== undefined;
  return {
    code: 'SLUICE_RESOURCE_UNKNOWN',
    path: [field],
    parameters: {
      field: fieldName([field]),
      expected: oneOf(known),
      given: quoted(given),
      cure: isSettings ? SETTINGS_CURE : `Write ${near ?? oneOf(known)}.`,
    },
  };
}
