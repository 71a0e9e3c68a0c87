import type { z } from 'zod';
import type { egressPoolSchema } from './egress-pool.ts';
import type { shapingPolicySchema } from './shaping-policy.ts';

/**
 * What the language has and this version cannot carry out yet. Who writes it is told so, instead of being told that there is
 * no such field. A line goes away when the field comes into the schema.
 */
type Kind = z.output<typeof egressPoolSchema>['kind'] | z.output<typeof shapingPolicySchema>['kind'];

/** Patterns as `fieldPattern` makes them; what is below a pattern belongs to it. */
const LATER_FIELDS: Readonly<Record<Kind, ReadonlySet<string>>> = {
  EgressPool: new Set([
    'spec.urgency',
    'spec.fallbackPoolRef',
    'spec.egress.haproxy',
    'spec.egress.socks5',
    'spec.sources[].egress.haproxy',
    'spec.sources[].egress.socks5',
    'spec.sources[].warmup',
  ]),
  ShapingPolicy: new Set([
    'spec.default.session.tls.mtaSTS',
    'spec.default.session.tls.dane',
    'spec.default.reactions',
    'spec.destinations[].session.tls.mtaSTS',
    'spec.destinations[].session.tls.dane',
    'spec.destinations[].reactions',
  ]),
};

const LATER_VALUES: Readonly<Record<Kind, Readonly<Record<string, readonly string[]>>>> = {
  EgressPool: {
    'spec.selection.strategy': ['Sticky'],
    'spec.egress.type': ['HAProxy', 'SOCKS5'],
    'spec.sources[].egress.type': ['HAProxy', 'SOCKS5'],
  },
  ShapingPolicy: {},
};

export function isLaterField(kind: Kind, pattern: string): boolean {
  return LATER_FIELDS[kind].has(pattern);
}

export function isLaterValue(kind: Kind, pattern: string, value: unknown): boolean {
  return LATER_VALUES[kind][pattern]?.some((later) => later === value) ?? false;
}

/** All of it, for documentation and tests. */
export function laterFields(kind: Kind): {
  readonly fields: readonly string[];
  readonly values: readonly { readonly field: string; readonly value: string }[];
} {
  return {
    fields: [...LATER_FIELDS[kind]],
    values: Object.entries(LATER_VALUES[kind]).flatMap(([field, values]) =>
      values.map((value) => ({ field, value })),
    ),
  };
}
