import type { StructuralSchema } from './structural-schema.ts';

/** A node of a structural schema. */
export interface SchemaNode {
  /** `spec.sources[].labels{}` */
  readonly path: string;
  readonly schema: StructuralSchema;
  /** Times that it can be in one resource; Infinity = nothing bounds it. */
  readonly cardinality: number;
}

/** All nodes of a schema, each before what is below it. */
export function* structuralNodes(
  schema: StructuralSchema,
  path = '',
  cardinality = 1,
): Generator<SchemaNode, void, undefined> {
  yield { path, schema, cardinality };
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    yield* structuralNodes(member, path === '' ? name : `${path}.${name}`, cardinality);
  }
  const { items, additionalProperties, maxItems, maxProperties } = schema;
  if (items !== undefined) {
    yield* structuralNodes(items, `${path}[]`, cardinality * (maxItems ?? Number.POSITIVE_INFINITY));
  }
  if (additionalProperties !== undefined) {
    const times = cardinality * (maxProperties ?? Number.POSITIVE_INFINITY);
    yield* structuralNodes(additionalProperties, `${path}{}`, times);
  }
}
