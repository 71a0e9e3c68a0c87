import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { egressPoolSchema, shapingPolicySchema } from './mod.ts';

/** Every field of a schema: its name, its own schema, and the description that it or its list carries. */
function* fieldsOf(
  schema: z.core.$ZodTypes,
  name: string,
  described: boolean,
): Generator<readonly [string, z.core.$ZodTypes, boolean]> {
  const definition = schema._zod.def;
  const has = described || z.globalRegistry.get(schema)?.description !== undefined;
  if ('innerType' in definition) yield* fieldsOf(definition.innerType as z.core.$ZodTypes, name, has);
  else {
    yield [name, schema, has];
    if (definition.type === 'array')
      yield* fieldsOf(definition.element as z.core.$ZodTypes, `${name}[]`, true);
    if (definition.type === 'object') {
      for (const [key, member] of Object.entries(definition.shape))
        yield* fieldsOf(member as z.core.$ZodTypes, name === '' ? key : `${name}.${key}`, false);
    }
  }
}

/** Given by Kubernetes itself, or a container that its members explain. */
const EXPLAINED = new Set(['', 'apiVersion', 'kind', 'metadata', 'spec']);

for (const [kind, schema] of Object.entries({
  EgressPool: egressPoolSchema,
  ShapingPolicy: shapingPolicySchema,
})) {
  const fields = [...fieldsOf(schema, '', false)];

  test(`${kind}: every field says what it is, for the reference page and for kubectl explain`, () => {
    assert.ok(fields.length > 20);
    assert.deepEqual(
      fields.filter(([name, , described]) => !described && !EXPLAINED.has(name)).map(([name]) => name),
      [],
    );
  });

  test(`${kind}: no truth values and fractions, and every list has a length: the API server prices rules by size`, () => {
    for (const [
      name,
      {
        _zod: { def },
      },
    ] of fields) {
      assert.ok(
        !['boolean', 'any', 'unknown', 'bigint', 'date'].includes(def.type),
        `${name} is ${def.type}`,
      );
      const checks: readonly string[] = ('checks' in def ? (def.checks ?? []) : []).map(
        (check) => check._zod.def.check,
      );
      if (def.type === 'array') assert.ok(checks.includes('max_length'), `${name} has no greatest length`);
      if (def.type === 'number')
        assert.equal('format' in def && def.format, 'safeint', `${name} may be a fraction`);
      if (def.type === 'string' && !name.startsWith('metadata.annotations'))
        assert.ok(checks.includes('max_length'), `${name} has no greatest length`);
    }
  });
}
