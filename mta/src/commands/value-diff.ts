import { type Spelled, spelledField, spelledValue } from './spelling.ts';

/** One field that differs, as users write it. An absent side = it is not there. */
export interface FieldChange {
  /** `session.timeouts.connect`, `limits.source-site.connections`; items of named lists by their name. */
  readonly field: string;
  readonly old?: Spelled;
  readonly new?: Spelled;
}

/**
 * Fields in which two values of one kind differ: maps field by field, lists of named items by name, other lists whole.
 *
 * Example: `diffValues('retry', { expireAfterMs: 1_000 }, { expireAfterMs: 2_000 })` →
 * `[{ field: 'retry.expireAfter', old: '1s', new: '2s' }]`
 */
export function diffValues(field: string, old: unknown, now: unknown): readonly FieldChange[] {
  if (old === now) return [];
  const [oldMembers, newMembers] = [membersOf(old), membersOf(now)];
  if (oldMembers !== undefined && newMembers !== undefined) {
    const names = new Set([...oldMembers.keys(), ...newMembers.keys()]);
    return [...names].flatMap((name) =>
      diffValues(field === '' ? name : `${field}.${name}`, oldMembers.get(name), newMembers.get(name)),
    );
  }
  const [oldValue, newValue] = [spelled(field, old), spelled(field, now)];
  if (JSON.stringify(oldValue) === JSON.stringify(newValue)) return [];
  return [
    {
      field: spelledField(field),
      ...(oldValue === undefined ? {} : { old: oldValue }),
      ...(newValue === undefined ? {} : { new: newValue }),
    },
  ];
}

function spelled(field: string, value: unknown): Spelled | undefined {
  return value === undefined ? undefined : spelledValue(field, value);
}

/** Members of a map, or items of a list by name; `undefined` = it is one value. */
function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || 'periodMs' in value) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  const items: readonly unknown[] = value;
  const named = new Map<string, unknown>();
  for (const item of items) {
    if (typeof item !== 'object' || item === null || !('name' in item)) return undefined;
    const { name, ...rest } = item;
    named.set(String(name), rest);
  }
  return named;
}
