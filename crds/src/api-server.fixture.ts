import { isIP } from 'node:net';
import { parseDuration } from './duration.ts';
import { isCalendarDate } from './schema-fields.ts';
import type { StructuralSchema } from './structural-schema.ts';

/**
 * What the API server would say to an object: a small reading of structural schemas and of the rules that ours use, so that CRD
 * and zod are compared in milliseconds. The API server itself is the judge in the cluster tests.
 *
 * Returns faults as `path: what`; none = accepted.
 *
 * @param before the same object before an update, for rules about `oldSelf`
 */
export function faultsOf(schema: StructuralSchema, given: unknown, before?: unknown): readonly string[] {
  return [...check(schema, withDefaults(schema, given), withDefaults(schema, before), '')];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withDefaults(schema: StructuralSchema, value: unknown): unknown {
  const { items, properties } = schema;
  if (Array.isArray(value))
    return items === undefined ? value : value.map((item) => withDefaults(items, item));
  if (!isRecord(value) || properties === undefined) return value;
  const missing = Object.entries(properties).flatMap(([name, member]) =>
    member.default === undefined || Object.hasOwn(value, name) ? [] : [[name, member.default]],
  );
  const given = Object.entries(value).map(([name, member]) => {
    const own = properties[name];
    return [name, own === undefined ? member : withDefaults(own, member)];
  });
  return Object.fromEntries([...given, ...missing]);
}

function* check(
  schema: StructuralSchema,
  value: unknown,
  before: unknown,
  path: string,
): Generator<string, void, undefined> {
  yield* checkValue(schema, value, path);
  const { items, properties, additionalProperties } = schema;
  if (Array.isArray(value) && items !== undefined) {
    const keys = schema['x-kubernetes-list-map-keys'];
    const old = Array.isArray(before) ? before : [];
    for (const [index, item] of value.entries()) {
      const same = keys && old.find((other) => keyOf(keys, other) === keyOf(keys, item));
      yield* check(items, item, same, `${path}[${index}]`);
    }
  }
  if (isRecord(value)) {
    const unstated = path === 'metadata' || (properties === undefined && additionalProperties === undefined);
    for (const [name, member] of Object.entries(value)) {
      const own = properties?.[name] ?? additionalProperties;
      const at = path === '' ? name : `${path}.${name}`;
      if (own === undefined) {
        if (!unstated) yield `${at}: unknown field`;
      } else yield* check(own, member, isRecord(before) ? before[name] : undefined, at);
    }
  }
  for (const { rule, message } of schema['x-kubernetes-validations'] ?? []) {
    if (rule.includes('oldSelf') && before === undefined) continue;
    if (!evaluate(rule, value, before)) yield `${path}: ${message}`;
  }
}

function* checkValue(
  schema: StructuralSchema,
  value: unknown,
  path: string,
): Generator<string, void, undefined> {
  const kind = kindOf(value);
  const intOrString = schema['x-kubernetes-int-or-string'] && (kind === 'integer' || kind === 'string');
  if (!intOrString && kind !== schema.type) yield `${path}: is ${kind}, not ${schema.type}`;
  if (typeof value === 'string') {
    if (value.length > (schema.maxLength ?? Number.POSITIVE_INFINITY)) yield `${path}: too long`;
    if (value.length < (schema.minLength ?? 0)) yield `${path}: too short`;
    if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value))
      yield `${path}: pattern`;
    if (schema.enum !== undefined && !schema.enum.includes(value)) yield `${path}: enum`;
    if (schema.format === 'date' && !isCalendarDate(value)) yield `${path}: no date`;
  }
  if (typeof value === 'number') {
    if (value < (schema.minimum ?? Number.NEGATIVE_INFINITY)) yield `${path}: too small`;
    if (value > (schema.maximum ?? Number.POSITIVE_INFINITY)) yield `${path}: too large`;
  }
  if (Array.isArray(value)) {
    if (value.length > (schema.maxItems ?? Number.POSITIVE_INFINITY)) yield `${path}: too many items`;
    if (value.length < (schema.minItems ?? 0)) yield `${path}: too few items`;
    const keys = schema['x-kubernetes-list-map-keys'] ?? [];
    const identities = value.map((item) => (keys.length > 0 ? keyOf(keys, item) : JSON.stringify(item)));
    const unique = schema['x-kubernetes-list-type'] === 'atomic' || new Set(identities).size === value.length;
    if (!unique) yield `${path}: repeated`;
  }
  if (isRecord(value)) {
    const size = Object.keys(value).length;
    if (size > (schema.maxProperties ?? Number.POSITIVE_INFINITY)) yield `${path}: too many members`;
    if (size < (schema.minProperties ?? 0)) yield `${path}: too few members`;
    for (const name of schema.required ?? []) {
      if (!Object.hasOwn(value, name)) yield `${path}: ${name} is missing`;
    }
  }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (isRecord(value)) return 'object';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function keyOf(keys: readonly string[], item: unknown): string {
  return keys.map((key) => (isRecord(item) ? String(item[key]) : '')).join(' ');
}

/** Our rules are CEL of which all but these forms are JavaScript too. */
function evaluate(rule: string, self: unknown, oldSelf: unknown): boolean {
  const script = rule
    .replace(/has\(([\w.]+)\)/g, '($1 !== undefined)')
    .replace(/'(\w+)' in ([\w.]+)/g, "$2.includes('$1')")
    .replace(/\.all\((\w+), /g, '.every(($1) => ')
    .replace(/type\(([\w.]+)\) == int/g, "(typeof $1 === 'number')")
    .replace(/self\.matches\(r'([^']*)'\)/g, (_, pattern: string) => `/${pattern}/.test(self)`)
    .replace(/ == /g, ' === ');
  const run = new Function('self', 'oldSelf', 'isIP', 'duration', `return ${script};`);
  const duration = (text: string) => parseDuration(text) ?? 0;
  return run(self, oldSelf, (text: string) => isIP(text) !== 0, duration) === true;
}
