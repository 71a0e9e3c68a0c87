import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RE2JS } from 're2js';
import { expressionCost, MAX_DEFINITION_COST, MAX_RULE_COST, memberAt, ruleCosts } from './cel-cost.ts';
import { RESOURCE_KINDS } from './resource.ts';
import { resourceSchema } from './resource-definition.ts';
import { type SchemaNode, structuralNodes } from './structural-walk.ts';

/** Given by the API machinery, which allows nothing to be said about them. */
const MACHINERY = new Set(['', 'apiVersion', 'kind', 'metadata']);
/** Words of CEL that a rule may not have as a field's name without an escape. */
const RESERVED =
  /\.(for|in|as|break|const|continue|else|function|if|import|let|loop|package|namespace|return|var|void|while)\b/;

/**
 * Rules in the spirit of kube-api-linter, and what `apiextensions` demands of a structural schema: the faults of one node,
 * in words. A CRD with one of the latter is refused, and with it the whole installation.
 */
const FAULTS: readonly (readonly [string, (node: SchemaNode) => boolean])[] = [
  ['has no description', ({ schema, path }) => schema.description === undefined && !isElement(path)],
  ['has no type', ({ schema }) => schema.type === undefined && !schema['x-kubernetes-int-or-string']],
  [
    'has another type than object, array, string, integer',
    ({ schema }) => !['object', 'array', 'string', 'integer', undefined].includes(schema.type),
  ],
  ['may be null', ({ schema }) => 'nullable' in schema],
  ['is a number without a width', ({ schema }) => schema.type === 'integer' && schema.format === undefined],
  [
    'is a number without bounds',
    ({ schema }) => schema.type === 'integer' && (schema.minimum === undefined || unboundedAbove(schema)),
  ],
  [
    'is a text of any length',
    ({ schema }) => schema.type === 'string' && schema.maxLength === undefined && schema.enum === undefined,
  ],
  ['is a list of any length', ({ schema }) => schema.type === 'array' && schema.maxItems === undefined],
  [
    'is a list whose merging is not said',
    ({ schema }) => schema.type === 'array' && schema['x-kubernetes-list-type'] === undefined,
  ],
  [
    'is a list-map whose keys are neither required nor have a default',
    ({ schema }) =>
      (schema['x-kubernetes-list-map-keys'] ?? []).some((key) => {
        const member = schema.items?.properties?.[key];
        return !schema.items?.required?.includes(key) && member?.default === undefined;
      }),
  ],
  [
    'is a map of objects',
    ({ schema }) =>
      schema.additionalProperties !== undefined && schema.additionalProperties.type !== 'string',
  ],
  [
    'is a map of any size',
    ({ schema }) => schema.additionalProperties !== undefined && schema.maxProperties === undefined,
  ],
  [
    'has additionalProperties beside properties',
    ({ schema }) => schema.properties !== undefined && schema.additionalProperties !== undefined,
  ],
  [
    'has values that are not PascalCase',
    ({ schema, path }) =>
      !path.endsWith('targetRefs[].group') &&
      (schema.enum ?? []).some((value) => !/^[A-Z][A-Za-z0-9]*$/.test(value)),
  ],
  [
    'requires a member that it does not have',
    ({ schema }) => (schema.required ?? []).some((name) => schema.properties?.[name] === undefined),
  ],
  [
    'requires a member that has a default',
    ({ schema }) => (schema.required ?? []).some((name) => schema.properties?.[name]?.default !== undefined),
  ],
  ['has members beyond those of CRDs', ({ schema }) => Object.keys(schema).some((key) => !KNOWN.has(key))],
];

const KNOWN = new Set(
  (
    'description type format default enum minimum maximum minLength maxLength pattern minItems maxItems minProperties ' +
    'maxProperties items properties additionalProperties required anyOf x-kubernetes-int-or-string x-kubernetes-list-type ' +
    'x-kubernetes-list-map-keys x-kubernetes-validations'
  ).split(' '),
);

/** A list's or map's element is described by the list. */
function isElement(path: string): boolean {
  return path.endsWith('[]') || path.endsWith('{}');
}

function unboundedAbove({ maximum, format }: SchemaNode['schema']): boolean {
  return maximum === undefined && format !== 'int64';
}

function faultsOf(node: SchemaNode): readonly string[] {
  return FAULTS.filter(([, isFault]) => isFault(node)).map(([fault]) => `${node.path} ${fault}`);
}

test('the lint sees each fault: a schema that has them all is told all of them', () => {
  const described = { description: 'x' } as const;
  const wrong: readonly (readonly [SchemaNode['schema'], string])[] = [
    [{ type: 'object' }, 'has no description'],
    [described, 'has no type'],
    [{ ...described, type: 'integer', minimum: 1, maximum: 2 }, 'is a number without a width'],
    [{ ...described, type: 'integer', format: 'int32', minimum: 1 }, 'is a number without bounds'],
    [{ ...described, type: 'string' }, 'is a text of any length'],
    [{ ...described, type: 'array', 'x-kubernetes-list-type': 'set' }, 'is a list of any length'],
    [{ ...described, type: 'array', maxItems: 1 }, 'is a list whose merging is not said'],
    [
      {
        ...described,
        type: 'array',
        maxItems: 1,
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      },
      'is a list-map whose keys are neither required nor have a default',
    ],
    [
      { ...described, type: 'object', additionalProperties: { type: 'object' }, maxProperties: 1 },
      'is a map of objects',
    ],
    [{ ...described, type: 'object', additionalProperties: { type: 'string' } }, 'is a map of any size'],
    [
      {
        ...described,
        type: 'object',
        properties: {},
        additionalProperties: { type: 'string' },
        maxProperties: 1,
      },
      'has additionalProperties beside properties',
    ],
    [{ ...described, type: 'string', enum: ['lower'] }, 'has values that are not PascalCase'],
    [
      { ...described, type: 'object', properties: {}, required: ['a'] },
      'requires a member that it does not have',
    ],
    [
      {
        ...described,
        type: 'object',
        properties: { a: { type: 'string', default: 'b' } },
        required: ['a'],
      },
      'requires a member that has a default',
    ],
  ];
  for (const [schema, fault] of wrong) {
    assert.deepEqual(faultsOf({ path: 'spec.x', schema, cardinality: 1 }), [`spec.x ${fault}`]);
  }
});

for (const kind of RESOURCE_KINDS) {
  const root = resourceSchema(kind);
  const nodes = [...structuralNodes(root)].filter(({ path }) => !MACHINERY.has(path));

  test(`${kind}: the CRD keeps the conventions of Kubernetes, so that the API server takes it and kubectl explains it`, () => {
    assert.ok(nodes.length > 60, `${nodes.length}`);
    assert.deepEqual(nodes.flatMap(faultsOf), []);
  });

  test(`${kind}: every pattern is one of Go's regular expressions, or the API server refuses the CRD`, () => {
    const patterns = nodes.flatMap(({ schema }) => (schema.pattern === undefined ? [] : [schema.pattern]));
    assert.ok(patterns.length > 10);
    for (const pattern of patterns) assert.doesNotThrow(() => RE2JS.compile(pattern), pattern);
  });

  test(`${kind}: every rule asks about fields that are there, or the API server refuses the CRD`, () => {
    const ruled = [...structuralNodes(root)].filter(({ schema }) => schema['x-kubernetes-validations']);
    assert.ok(ruled.length > 5);
    for (const { path, schema } of ruled) {
      for (const { rule, message } of schema['x-kubernetes-validations'] ?? []) {
        assert.ok(message.length > 0 && !message.includes('\n'), path);
        assert.doesNotMatch(rule, RESERVED, path);
        for (const [asked] of rule.matchAll(/\bself(\.\w+)+(?![\w(.])/g)) {
          // metadata.name is given by the API machinery.
          if (asked !== 'self.metadata.name') assert.ok(memberAt(schema, asked), `${path}: ${asked}`);
        }
      }
    }
  });

  test(`${kind}: its rules stay far below what the API server lets them cost, or it refuses the CRD`, () => {
    const costs = ruleCosts(root);
    assert.ok(costs.length > 10);
    for (const { path, rule, cost } of costs) {
      assert.ok(cost <= MAX_RULE_COST / 2, `${path}: ${rule} costs ${cost}`);
    }
    const total = costs.reduce((sum, { cost }) => sum + cost, 0);
    assert.ok(total <= MAX_DEFINITION_COST / 2, `${total}`);
  });
}

test('the estimate sees what makes rules dear: lists in lists, texts, and what has no bound', () => {
  const text = { type: 'string', maxLength: 1_000 } as const;
  const list = { type: 'array', maxItems: 100, items: { properties: { a: text }, type: 'object' } } as const;
  const self = { type: 'object', properties: { list, open: { type: 'array', items: text } } } as const;
  assert.ok(expressionCost("self.list.all(x, x.a == 'b')", self) > 100 * 100);
  assert.equal(expressionCost("self.open.all(x, x.a == 'b')", self), Number.POSITIVE_INFINITY);
  assert.equal(expressionCost("'a' in self.open", self), Number.POSITIVE_INFINITY);
  assert.ok(expressionCost("self.matches(r'^a+b$')", text) > 200);
  const outer = {
    type: 'array',
    maxItems: 50,
    items: { ...self, 'x-kubernetes-validations': [{ rule: 'has(self.list)', message: 'x' }] },
  } as const;
  assert.equal(ruleCosts(outer)[0]?.cost, 50 * expressionCost('has(self.list)', self));
});
