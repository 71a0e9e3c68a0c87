import type { EffectiveLimit, Facts, LimitField } from './effective-policy.ts';
import { LIMIT_FIELDS } from './limit.ts';

/**
 * Identity of the counter that a limit keeps for a message: the limit's name and the values of its `per` fields, in the order
 * of {@link LIMIT_FIELDS}. Two pods, and two pools, build the same text. Source is the PUBLIC address.
 *
 * Example: `source-site|Source=192.0.2.10|Site=mx.example`
 */
export function limitKeyId(limit: Pick<EffectiveLimit, 'name' | 'per'>, facts: Facts): string {
  let id = limit.name;
  for (const field of LIMIT_FIELDS) {
    if (limit.per.includes(field)) id += `|${field}=${escaped(factOf(field, facts))}`;
  }
  return id;
}

/** What a message has for a field of `per`; `''` = nothing, or not chosen yet. */
export function factOf(field: LimitField, facts: Facts): string {
  switch (field) {
    case 'Pool':
      return facts.pool;
    case 'Source':
      return facts.sourceAddress;
    case 'Site':
      return facts.site;
    case 'Group':
      return facts.group;
    case 'Domain':
      return facts.domain;
    case 'MxHost':
      return facts.mxHost;
    case 'Tenant':
      return facts.tenant;
    case 'Campaign':
      return facts.campaign;
    case 'Class':
      return facts.class;
  }
}

function escaped(value: string): string {
  return /[|=%]/.test(value)
    ? value.replaceAll('%', '%25').replaceAll('|', '%7C').replaceAll('=', '%3D')
    : value;
}
