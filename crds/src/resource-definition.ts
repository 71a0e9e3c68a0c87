import { RESOURCE_SCHEMAS, type ResourceKind } from './resource.ts';
import { API_GROUP, API_VERSION } from './resource-metadata.ts';
import { STATUS_SCHEMAS } from './status-schema.ts';
import { type StructuralSchema, structuralSchema } from './structural-schema.ts';

interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** Above 0 = only with `-o wide`. */
  readonly priority?: number;
}

/** What `kubectl` needs to know of a kind beside its schema. */
interface KindNames {
  readonly plural: string;
  readonly shortName: string;
  readonly description: string;
  readonly columns: readonly PrinterColumn[];
}

const KINDS: Readonly<Record<ResourceKind, KindNames>> = {
  EgressPool: {
    plural: 'egresspools',
    shortName: 'epool',
    description: 'Which addresses mail leaves from.',
    columns: [
      conditionColumn('Accepted', 'Whether it is in force as it stands.'),
      conditionColumn('Programmed', 'Whether every pod runs it.'),
      {
        name: 'Urgency',
        type: 'string',
        jsonPath: '.spec.urgency',
        description: 'Whether its mail goes first.',
        priority: 1,
      },
    ],
  },
  ShapingPolicy: {
    plural: 'shapingpolicies',
    shortName: 'shape',
    description: 'How fast mail goes, to whom, under which conditions.',
    columns: [
      {
        name: 'Priority',
        type: 'integer',
        jsonPath: '.spec.priority',
        description: 'Higher refines lower.',
      },
      conditionColumn('Accepted', 'Whether it is in force as it stands.'),
      conditionColumn('Programmed', 'Whether every pod runs it.'),
    ],
  },
};

function conditionColumn(type: string, description: string): PrinterColumn {
  return {
    name: type,
    type: 'string',
    jsonPath: `.status.conditions[?(@.type=="${type}")].status`,
    description,
  };
}

const REASON: PrinterColumn = {
  name: 'Reason',
  type: 'string',
  jsonPath: '.status.conditions[?(@.type=="Accepted")].message',
  description: 'What the condition Accepted says.',
  priority: 1,
};

const AGE: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since it was created.',
};

/** The schema of a whole resource, as the API server checks it. */
export function resourceSchema(kind: ResourceKind): StructuralSchema {
  const { properties, ...root } = structuralSchema(RESOURCE_SCHEMAS[kind]);
  return {
    description: KINDS[kind].description,
    ...root,
    // The API server knows the first three itself and allows nothing to be said about them.
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: { description: 'What is wanted.', ...properties?.spec },
      status: STATUS_SCHEMAS[kind],
    },
  };
}

/** The CustomResourceDefinition of a kind. Example: `resourceDefinition('EgressPool').metadata.name` → `egresspools.sluice.email` */
export function resourceDefinition(kind: ResourceKind) {
  const { plural, shortName, columns } = KINDS[kind];
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${API_GROUP}` },
    spec: {
      group: API_GROUP,
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ['sluice'],
      },
      versions: [
        {
          name: API_VERSION.slice(API_GROUP.length + 1),
          served: true,
          storage: true,
          schema: { openAPIV3Schema: resourceSchema(kind) },
          subresources: { status: {} },
          additionalPrinterColumns: [...columns, REASON, AGE],
        },
      ],
    },
  } as const;
}
