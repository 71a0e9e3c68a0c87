import type { z } from 'zod';
import type { FieldPath } from './field-path.ts';

/** The schema of the field at a path; `undefined` = the schema has no such field. */
export function schemaAt(root: z.ZodType, path: FieldPath): z.core.$ZodTypes | undefined {
  let current = unwrapped(root);
  for (const part of path) {
    const definition: z.core.$ZodTypes['_zod']['def'] | undefined = current?._zod.def;
    if (definition === undefined) return undefined;
    let next: z.core.$ZodType | undefined;
    if (definition.type === 'object') {
      next = Object.hasOwn(definition.shape, part) ? definition.shape[String(part)] : undefined;
    } else if (definition.type === 'array') next = definition.element;
    else if (definition.type === 'record') next = definition.valueType;
    current = unwrapped(next);
  }
  return current;
}

/** Names of the fields that an object has; empty for everything else. */
export function memberNames(schema: z.core.$ZodTypes | undefined): readonly string[] {
  const definition = schema?._zod.def;
  return definition?.type === 'object' ? Object.keys(definition.shape) : [];
}

/** Takes off `optional` and `default`. */
function unwrapped(schema: z.core.$ZodType | undefined): z.core.$ZodTypes | undefined {
  let current = schema as z.core.$ZodTypes | undefined;
  while (current !== undefined && 'innerType' in current._zod.def) {
    current = current._zod.def.innerType as z.core.$ZodTypes;
  }
  return current;
}
