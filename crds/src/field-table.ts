import { z } from 'zod';
import { expectations } from './expectation.ts';
import { type SchemaMember, schemaMember } from './schema-member.ts';

/** What a reference page tells about one field of a schema. Texts are Markdown that fits a cell. */
export interface FieldRow {
  /** `spec.sources[].address`; `[]` = each entry of the list. */
  readonly path: string;
  /** `duration 1s…1h`, `` `Active` `Draining` ``. */
  readonly form: string;
  /** Empty = there is none and the field may be left out. */
  readonly fallback: string;
  readonly description: string;
  /** Whether it holds other fields, which come in rows of their own. */
  readonly hasFields: boolean;
}

/** Rows for all fields of a schema, each before those that it holds. */
export function fieldRows(schema: z.core.$ZodType, prefix = ''): readonly FieldRow[] {
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => fieldRows(option, prefix));
  if (!(schema instanceof z.ZodObject)) return [];
  return Object.entries(schema.shape).flatMap(([name, outer]) => {
    const member = schemaMember(outer);
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const { schema: inner, description } = member;
    const below =
      inner instanceof z.ZodArray
        ? fieldRows(schemaMember(inner.element).schema, `${path}[]`)
        : fieldRows(inner, path);
    const row = { path, form: formOf(member), fallback: fallbackOf(member), description };
    return [{ ...row, hasFields: below.length > 0 }, ...below];
  });
}

/**
 * A table in Markdown; a `|` inside a cell is escaped.
 *
 * Example: `table(['field'], [['`a`']])` → `['| field |', '|---|', '| `a` |']`
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)];
}

function formOf({ schema, form }: SchemaMember): string {
  if (form !== undefined) return form.form;
  // Every schema of zod is a ZodType; only the types of what it holds say less.
  const expectation = schema instanceof z.ZodType ? expectations.get(schema) : undefined;
  if (expectation !== undefined) return expectation.expected.replace(/^(an?|the) /, '');
  if (schema instanceof z.ZodArray)
    return `list of ${entriesOf(schema)}${formOf(schemaMember(schema.element))}`;
  if (schema instanceof z.ZodEnum) return schema.options.map((value) => `\`${value}\``).join(' ');
  if (schema instanceof z.ZodLiteral)
    return [...schema.values].map((value) => `\`${String(value)}\``).join(' ');
  if (schema instanceof z.ZodNumber) return `number ${schema.minValue}…${schema.maxValue}`;
  if (schema instanceof z.ZodRecord) return 'names and texts';
  if (schema instanceof z.ZodString) return 'text';
  if (schema instanceof z.ZodUnion) return 'fields, by `type`';
  return 'fields';
}

/** `1…512 entries: `, if both are bounded. */
function entriesOf(list: z.ZodArray): string {
  const checks = list.def.checks ?? [];
  const min = checks.find((check) => check instanceof z.core.$ZodCheckMinLength)?._zod.def.minimum;
  const max = checks.find((check) => check instanceof z.core.$ZodCheckMaxLength)?._zod.def.maximum;
  return min === undefined || max === undefined ? '' : `${min}…${max} entries: `;
}

function fallbackOf({ required, fallback, form }: SchemaMember): string {
  if (required) return '**required**';
  if (fallback === undefined) return '';
  // The metadata's `show` belongs to this very schema, so it takes what the schema puts out.
  const shown = form?.show === undefined ? fallback : form.show(fallback as never);
  return `\`${typeof shown === 'string' ? shown : JSON.stringify(shown)}\``;
}
