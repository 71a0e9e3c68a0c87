import { z } from 'zod';
import type { CelRule } from './cel-rule.ts';

/** A schema as `apiextensions.k8s.io/v1` takes it: every node has a type, and combinations only where they add values. */
export interface StructuralSchema {
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer';
  readonly format?: 'int32' | 'int64' | 'date' | 'date-time';
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: StructuralSchema;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema;
  readonly required?: readonly string[];
  readonly anyOf?: readonly { readonly type: 'integer' | 'string' }[];
  readonly 'x-kubernetes-int-or-string'?: true;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
}

/** Members that identify the entries of a list, the first that fits. */
const LIST_KEYS = [['group', 'kind', 'name'], ['name']] as const;

/** What zod prints, as far as our schemas have it; `additionalProperties: false` = no other members. */
const printed: z.ZodType<Printed> = z.lazy(() =>
  z.looseObject({
    type: z.enum(['object', 'array', 'string', 'integer']).exactOptional(),
    items: printed.exactOptional(),
    properties: z.record(z.string(), printed).exactOptional(),
    additionalProperties: z.union([z.literal(false), printed]).exactOptional(),
    anyOf: z.array(printed).exactOptional(),
    required: z.array(z.string()).exactOptional(),
    enum: z.array(z.string()).exactOptional(),
    pattern: z.string().exactOptional(),
    maxLength: z.number().exactOptional(),
    minimum: z.number().exactOptional(),
    maximum: z.number().exactOptional(),
    'x-kubernetes-list-type': z.literal('atomic').exactOptional(),
  }),
);

interface Printed {
  readonly [member: string]: unknown;
  readonly type?: 'object' | 'array' | 'string' | 'integer';
  readonly items?: Printed;
  readonly properties?: Readonly<Record<string, Printed>>;
  readonly additionalProperties?: Printed | false;
  readonly anyOf?: readonly Printed[];
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly 'x-kubernetes-list-type'?: 'atomic';
}

/**
 * The structural schema of what a user writes (before defaults). Unknown fields need no rule: the API server prunes them, and
 * with `fieldValidation=Strict`, the default of kubectl, refuses them.
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    unrepresentable: 'any',
  });
  return structural(printed.parse(json));
}

function structural(node: Printed): StructuralSchema {
  const { anyOf, items, properties, additionalProperties, type, ...rest } = node;
  if (anyOf !== undefined) return { ...rest, ...combined(anyOf) };
  switch (type) {
    case 'object':
      return {
        ...rest,
        type,
        ...(properties && {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, member]) => [name, structural(member)]),
          ),
        }),
        ...(additionalProperties && { additionalProperties: structural(additionalProperties) }),
      };
    case 'array':
      return { ...rest, type, ...(items && { items: structural(items), ...listType(node, items) }) };
    case 'integer':
      return { ...rest, type, format: 'int32' };
    default:
      return { ...rest, type: 'string' };
  }
}

/** Texts with a common type become one pattern; a number or a text is what Kubernetes calls int-or-string. */
function combined(options: readonly Printed[]): StructuralSchema {
  const texts = options.filter((option) => option.type === 'string');
  const pattern = `^(${texts.map((text) => alternative(text)).join('|')})$`;
  const maxLength = Math.max(...texts.map((text) => text.maxLength ?? longest(text.enum)));
  const number = options.find((option) => option.type === 'integer');
  if (number === undefined) return { type: 'string', maxLength, pattern };
  const { minimum, maximum } = number;
  return {
    'x-kubernetes-int-or-string': true,
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    ...(minimum !== undefined && { minimum }),
    ...(maximum !== undefined && { maximum }),
    maxLength,
    pattern,
  };
}

function alternative(text: Printed): string {
  return text.enum?.join('|') ?? (text.pattern ?? '.*').replace(/^\^|\$$/g, '');
}

function longest(texts: readonly string[] | undefined): number {
  return Math.max(0, ...(texts ?? []).map((text) => text.length));
}

/** Named entries merge by name, plain values are a set unless the schema says that their order matters. */
function listType(list: Printed, items: Printed): Partial<StructuralSchema> {
  if (list['x-kubernetes-list-type'] !== undefined) return {};
  const members = items.properties;
  if (members === undefined) return { 'x-kubernetes-list-type': 'set' };
  const keys = LIST_KEYS.find((candidate) => candidate.every((key) => Object.hasOwn(members, key)));
  return keys === undefined
    ? { 'x-kubernetes-list-type': 'atomic' }
    : { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys };
}
