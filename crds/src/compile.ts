import { boundConflicts } from './bound-conflicts.ts';
import { claimConflicts } from './claim-conflicts.ts';
import { byMergeOrder, compilePolicy } from './compile-policy.ts';
import { compileMatches, compilePool } from './compile-pool.ts';
import { type Condition, conditionOf, type Remark, type ResourceStatus } from './condition.ts';
import { type ConfigIndex, indexOf } from './config-index.ts';
import { configHash } from './config-text.ts';
import type { EgressConfig, PolicyConfig, PoolConfig } from './egress-config.ts';
import type { EgressPool } from './egress-pool.ts';
import { formHash } from './form-hash.ts';
import { type CompileInput, formsInForce, type ResourceForm } from './form-in-force.ts';
import { byName } from './order.ts';
import { partialSupport } from './partial-support.ts';
import { unresolvedFallback, unresolvedReferences } from './policy-references.ts';
import { type Resource, type ResourceKind, resourceKey } from './resource.ts';
import type { ShapingPolicy } from './shaping-policy.ts';

export interface CompileOptions {
  /** All resources of one namespace, right and wrong ones: `[...parsed.resources, ...parsed.rejected]`. */
  readonly resources: readonly CompileInput[];
  /** Forms that the last `compile` had in force, by `Kind/name`; what is wrong now keeps its form. */
  readonly lastGood?: ReadonlyMap<string, Resource>;
  /** `true` = a document cannot be told by kind and name (`complete: false`): last good forms that are missing stay. */
  readonly keepMissing?: boolean;
}

export interface Compiled {
  readonly config: EgressConfig;
  /** One for each kind and name, sorted by them. */
  readonly statuses: readonly ResourceStatus[];
  /** Forms in force: hand them to the next `compile`. */
  readonly lastGood: ReadonlyMap<string, Resource>;
}

/**
 * Compiles resources to what the pods run. Pure and deterministic: no clock, no I/O, and the order of the resources never
 * matters. A wrong resource changes nothing but its own status.
 *
 * Example: `compile({ resources: parseResources(text, 'pools.yaml').resources }).config.hash`
 */
export function compile({ resources, lastGood, keepMissing }: CompileOptions): Compiled {
  const forms = formsInForce(resources, lastGood ?? new Map(), keepMissing ?? false);
  const inForce = forms.flatMap(({ form }) => (form === undefined ? [] : [form]));
  const config = compileConfig(inForce);
  return {
    config,
    statuses: statusesOf(forms, config),
    lastGood: new Map(
      inForce.map((form) => [resourceKey({ kind: form.kind, name: form.metadata.name }), form]),
    ),
  };
}

function compileConfig(forms: readonly Resource[]): EgressConfig {
  const pools = forms.filter((form): form is EgressPool => form.kind === 'EgressPool');
  const policies = forms.filter((form): form is ShapingPolicy => form.kind === 'ShapingPolicy');
  const content = {
    formatVersion: 1,
    pools: pools.map((pool) => once(POOLS, pool, compilePool)).toSorted(byName),
    matches: compileMatches(pools),
    policies: policies.map((policy) => once(POLICIES, policy, compilePolicy)).toSorted(byMergeOrder),
  } as const;
  return { ...content, hash: configHash(content) };
}

/** Resources never change, and of many only one does between two compiles. */
const POOLS = new WeakMap<EgressPool, PoolConfig>();
const POLICIES = new WeakMap<ShapingPolicy, PolicyConfig>();

function once<From extends object, To>(known: WeakMap<From, To>, from: From, make: (from: From) => To): To {
  const made = known.get(from) ?? make(from);
  known.set(from, made);
  return made;
}

function statusesOf(forms: readonly ResourceForm[], config: EgressConfig): readonly ResourceStatus[] {
  const index = indexOf(config);
  const views = [
    ...new Set(['', ...config.pools.map((pool) => pool.name)].map((name) => index.viewOf(name))),
  ];
  const conflicts = { EgressPool: boundConflicts(config, index), ShapingPolicy: claimConflicts(views) };
  return forms.map((form) => ({
    kind: form.kind,
    name: form.name,
    place: form.place,
    ...(form.form === undefined ? {} : { formHash: formHash(form.form) }),
    conditions: conditionsOf(form, config, index, conflicts[form.kind].get(form.name) ?? []),
  }));
}

const ACCEPTED: Remark = { reason: 'Accepted', sentence: 'It is in force as it stands.' };
const RESOLVED: Remark = { reason: 'ResolvedRefs', sentence: 'All that it refers to is there.' };

function conditionsOf(
  form: ResourceForm,
  config: EgressConfig,
  index: ConfigIndex,
  conflicts: readonly Remark[],
): readonly Condition[] {
  const { refused } = form;
  const accepted =
    refused === undefined && form.form !== undefined
      ? (conditionOf('Accepted', 'True', partialSupport(form.form)) ??
        conditionOf('Accepted', 'True', [ACCEPTED]))
      : conditionOf('Accepted', 'False', refused === undefined ? [] : [refused]);
  if (form.form === undefined) return accepted === undefined ? [] : [accepted];
  const unresolved = unresolvedOf(form.kind, form.name, config, index);
  const resolved =
    conditionOf('ResolvedRefs', 'False', unresolved) ?? conditionOf('ResolvedRefs', 'True', [RESOLVED]);
  return [accepted, resolved, conditionOf('Conflicted', 'True', conflicts)].filter(
    (condition) => condition !== undefined,
  );
}

function unresolvedOf(
  kind: ResourceKind,
  name: string,
  config: EgressConfig,
  index: ConfigIndex,
): readonly Remark[] {
  if (kind === 'EgressPool') return unresolvedFallback(config, name);
  const policy = config.policies.find((candidate) => candidate.name === name);
  return policy === undefined ? [] : unresolvedReferences(config, index, policy);
}
