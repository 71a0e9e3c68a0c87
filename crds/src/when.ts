import type { Facts, LimitField, When } from './effective-policy.ts';

/** The field of `per` that each member of a condition asks about. */
export const FIELD_OF_MEMBER = {
  pools: 'Pool',
  sources: 'Source',
  sourceSelector: 'Source',
  groups: 'Group',
  domains: 'Domain',
  tenants: 'Tenant',
  tenantSelector: 'Tenant',
  campaigns: 'Campaign',
  classes: 'Class',
} as const satisfies Record<keyof When, LimitField>;

const MEMBERS = Object.entries(FIELD_OF_MEMBER).map(([member, field]) => ({ member, field }));

/** What a condition asks about: the members that are there, and the field of `per` that each belongs to. */
export function whenFields(when: object): readonly { readonly member: string; readonly field: LimitField }[] {
  return MEMBERS.filter(({ member }) => Object.hasOwn(when, member));
}

/** Whether the facts fulfil a condition: all members that are there must hold. */
export function holds(when: When, facts: Facts): boolean {
  return (
    includes(when.pools, facts.pool) &&
    sourceHolds(when, facts.sourceName, facts.sourceLabels) &&
    includes(when.groups, facts.group) &&
    includes(when.domains, facts.domain) &&
    includes(when.tenants, facts.tenant) &&
    selects(when.tenantSelector, facts.tenantLabels) &&
    includes(when.campaigns, facts.campaign) &&
    includes(when.classes, facts.class)
  );
}

/** The part of a condition that is about the source. */
export function sourceHolds(when: When, name: string, labels: Readonly<Record<string, string>>): boolean {
  return includes(when.sources, name) && selects(when.sourceSelector, labels);
}

/** Whether all labels of a selector are there; no selector selects everything. */
export function selects(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  if (selector === undefined) return true;
  for (const key of Object.keys(selector)) {
    if (!Object.hasOwn(labels, key) || labels[key] !== selector[key]) return false;
  }
  return true;
}

function includes(list: readonly string[] | undefined, value: string): boolean {
  return list === undefined || list.includes(value);
}
