import { MAX_REPORT_TEXT } from './egress-report.ts';
import type { ResourceKind } from './resource.ts';
import type { StructuralSchema } from './structural-schema.ts';

/** Conditions of one resource that a status holds; there are six types. */
const MAX_CONDITIONS = 8;
/** As the API machinery bounds them in its own type of a condition. */
const MAX_REASON_LENGTH = 1_024;
const MAX_MESSAGE_LENGTH = 32_768;
const MAX_TYPE_LENGTH = 316;
/** Entries that a status holds; what is beyond is counted beside. */
export const MAX_STATUS_SOURCES = 32;
export const MAX_STATUS_SUSPENSIONS = 16;
const MAX_COUNT = 1_000_000;
/** Room for an address and a selector with it. */
const MAX_TEXT = MAX_REPORT_TEXT;

const generation: StructuralSchema = {
  description: 'Generation of the resource that this was found for.',
  type: 'integer',
  format: 'int64',
  minimum: 0,
};

function count(description: string): StructuralSchema {
  return { description, type: 'integer', format: 'int32', minimum: 0, maximum: MAX_COUNT };
}

function text(description: string): StructuralSchema {
  return { description, type: 'string', maxLength: MAX_TEXT };
}

function time(description: string): StructuralSchema {
  return { description, type: 'string', format: 'date-time', maxLength: 64 };
}

/** As `metav1.Condition` has them. */
const conditions: StructuralSchema = {
  description: 'Accepted, ResolvedRefs, Conflicted, Programmed, Ready.',
  type: 'array',
  maxItems: MAX_CONDITIONS,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
  items: {
    description: 'One aspect of the state.',
    type: 'object',
    required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
    properties: {
      type: { description: 'Name of the aspect.', type: 'string', maxLength: MAX_TYPE_LENGTH },
      status: { description: 'Whether it is so.', type: 'string', enum: ['True', 'False', 'Unknown'] },
      observedGeneration: generation,
      lastTransitionTime: {
        description: 'When the status last changed.',
        type: 'string',
        format: 'date-time',
        maxLength: 64,
      },
      reason: {
        description: 'Why, in one word.',
        type: 'string',
        minLength: 1,
        maxLength: MAX_REASON_LENGTH,
        pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$',
      },
      message: { description: 'Why, in sentences.', type: 'string', maxLength: MAX_MESSAGE_LENGTH },
    },
  },
};

const suspensions: StructuralSchema = {
  description: 'What stops or slows mail down for a while: directives, given by hand or by a reaction.',
  type: 'array',
  maxItems: MAX_STATUS_SUSPENSIONS,
  'x-kubernetes-list-type': 'atomic',
  items: {
    description: 'One of them.',
    type: 'object',
    required: ['effect', 'mail', 'origin', 'reason', 'since'],
    properties: {
      effect: text('What it does: Suspend, Hold, Bounce, SetLimit, Scale, Reroute.'),
      limitName: text('The limit that it bounds.'),
      mail: text('Which mail, as source=192.0.2.10,group=google.'),
      origin: { description: 'Who gave it.', type: 'string', enum: ['Operator', 'Reaction'] },
      reason: text('The reaction and the reply that caused it, or what was said by hand.'),
      since: time('When it was given.'),
      until: time('When it ends; absent = when it is taken back.'),
    },
  },
};

const sources: StructuralSchema = {
  description: 'Sources that are not in order; all others are.',
  type: 'array',
  maxItems: MAX_STATUS_SOURCES,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['name'],
  items: {
    description: 'A source and what is wrong with it.',
    type: 'object',
    required: ['name'],
    properties: {
      name: text('Name of the source.'),
      unreachable: {
        description: 'Pods cannot connect from it by its way out.',
        type: 'object',
        required: ['way', 'pods', 'since', 'reason'],
        properties: {
          way: text('The way out, as SOCKS5 egress-a.mail.svc:1080.'),
          pods: count('Pods that say so.'),
          since: time('First failure since it last worked.'),
          reason: text('Why, in the words of a pod.'),
        },
      },
      suspensions,
    },
  },
};

/** Written by the operator. */
function status(more: Readonly<Record<string, StructuralSchema>>): StructuralSchema {
  return {
    description: 'What became of it; written by the operator.',
    type: 'object',
    properties: {
      observedGeneration: generation,
      conditions,
      pods: {
        description: 'Pods that live; absent = it is not known.',
        type: 'object',
        required: ['programmed', 'total'],
        properties: {
          programmed: count('Pods that run the form in force.'),
          total: count('All that take mail or finish what they have.'),
        },
      },
      ...more,
      suspensions,
      suspensionsOmitted: count('Suspensions that are not listed.'),
    },
  };
}

export const STATUS_SCHEMAS: Readonly<Record<ResourceKind, StructuralSchema>> = {
  EgressPool: status({ sources, sourcesOmitted: count('Sources that are not listed.') }),
  ShapingPolicy: status({}),
};
