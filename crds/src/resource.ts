import type { z } from 'zod';
import { type EgressPool, egressPoolSchema } from './egress-pool.ts';
import { checkEgressPool } from './egress-pool-check.ts';
import type { Place } from './errors.ts';
import type { Finding, Problem } from './problem.ts';
import { type ShapingPolicy, shapingPolicySchema } from './shaping-policy.ts';
import { checkShapingPolicy } from './shaping-policy-check.ts';

export type Resource = EgressPool | ShapingPolicy;
export type ResourceKind = Resource['kind'];

export const RESOURCE_SCHEMAS = {
  EgressPool: egressPoolSchema,
  ShapingPolicy: shapingPolicySchema,
} as const satisfies Record<ResourceKind, z.ZodType>;

export const RESOURCE_KINDS = ['EgressPool', 'ShapingPolicy'] as const satisfies readonly ResourceKind[];

/** A resource whose shape and meaning are right by themselves. */
export interface ParsedResource {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly resource: Resource;
  /** Where it begins. */
  readonly place: Place;
}

/** A resource that is there and is wrong: `compile` keeps its last good form. */
export interface RejectedResource {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly problems: readonly Problem[];
  readonly place: Place;
}

/** Key of `lastGood`: `EgressPool/shared-a`. */
export function resourceKey(resource: { readonly kind: ResourceKind; readonly name: string }): string {
  return `${resource.kind}/${resource.name}`;
}

/** What the schema cannot say: names that repeat, members of a union, `when` outside `per`, … */
export function checkResource(resource: Resource): readonly Finding[] {
  return resource.kind === 'EgressPool' ? checkEgressPool(resource) : checkShapingPolicy(resource);
}
