import { z } from 'zod';

/** What the reference page says about a field's form, kept in its schema's metadata. */
export interface FieldForm {
  /** Words for the form: `duration 1s…1h`. */
  readonly form: string;
  /** Writes a default as a user would. */
  readonly show?: (value: never) => string;
}

/** A member of an object's schema, the wrappers around it (`optional`, `default`, …) taken off and told apart. */
export interface SchemaMember {
  /** The schema inside all wrappers. */
  readonly schema: z.core.$ZodType;
  readonly required: boolean;
  /** `undefined` = there is none. */
  readonly fallback: unknown;
  readonly description: string;
  readonly form: FieldForm | undefined;
}

/** Takes a schema apart for the pages under docs/reference. */
export function schemaMember(outer: z.core.$ZodType): SchemaMember {
  let schema = outer;
  let required = true;
  let fallback: unknown;
  let description: string | undefined;
  let form: FieldForm | undefined;
  for (;;) {
    const meta = z.globalRegistry.get(schema);
    description ??= meta?.description;
    if (meta !== undefined && hasForm(meta)) form ??= meta;
    if (schema instanceof z.ZodDefault) fallback = schema.def.defaultValue;
    if (!isWrapper(schema)) return { schema, required, fallback, description: description ?? '', form };
    if (!(schema instanceof z.ZodReadonly)) required = false;
    schema = schema.unwrap();
  }
}

type Wrapper = z.ZodOptional | z.ZodExactOptional | z.ZodDefault | z.ZodPrefault | z.ZodReadonly;

function isWrapper(schema: z.core.$ZodType): schema is Wrapper {
  const wrappers = [z.ZodOptional, z.ZodExactOptional, z.ZodDefault, z.ZodPrefault, z.ZodReadonly];
  return wrappers.some((wrapper) => schema instanceof wrapper);
}

function hasForm(meta: object): meta is FieldForm {
  return 'form' in meta && typeof meta.form === 'string';
}
