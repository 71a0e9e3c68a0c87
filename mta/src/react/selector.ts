import type { LimitField } from '@sluice/crds';
import { z } from 'zod';

/** Fields by which a directive chooses mail, in the order in which they are written; with the names that `per` has for them. */
export const SELECTOR_FIELDS = {
  pool: 'Pool',
  source: 'Source',
  site: 'Site',
  group: 'Group',
  domain: 'Domain',
  mxHost: 'MxHost',
  tenant: 'Tenant',
  campaign: 'Campaign',
  class: 'Class',
} as const satisfies Readonly<Record<string, LimitField>>;

export type SelectorField = keyof typeof SELECTOR_FIELDS;

/** The fields, in their order. */
export const selectorFields: readonly SelectorField[] = [
  'pool',
  'source',
  'site',
  'group',
  'domain',
  'mxHost',
  'tenant',
  'campaign',
  'class',
];

const value = z.exactOptional(z.string().min(1).max(1_000));

/** Fields are ANDed; at least one must be there, so that nothing speaks of all mail by mistake. `source` is a name or a public address. */
export const selectorSchema = z
  .strictObject({
    pool: value,
    source: value,
    site: value,
    group: value,
    domain: value,
    mxHost: value,
    tenant: value,
    campaign: value,
    class: value,
  })
  .refine((selector) => Object.keys(selector).length > 0, 'a selector needs at least one field');

export type Selector = Readonly<z.infer<typeof selectorSchema>>;

/** What is known of mail or of a connection; `''` or absent = not known, or there is none. */
export interface SelectorFacts {
  readonly pool?: string;
  readonly sourceName?: string;
  /** Public address. */
  readonly sourceAddress?: string;
  readonly site?: string;
  readonly group?: string;
  readonly domain?: string;
  readonly mxHost?: string;
  readonly tenant?: string;
  readonly campaign?: string;
  readonly class?: string;
}

/** Whether the facts are among what the selector chooses. A field that is not known is not chosen. */
export function selects(selector: Selector, facts: SelectorFacts): boolean {
  return selectorFields.every((field) => {
    const wanted = selector[field];
    if (wanted === undefined) return true;
    if (field === 'source') return wanted === facts.sourceAddress || wanted === facts.sourceName;
    return wanted === facts[field];
  });
}

/**
 * The selector as one text, the same for the same choice.
 *
 * Example: `{ group: 'google', source: '192.0.2.10' }` → `source=192.0.2.10,group=google`
 */
export function selectorText(selector: Selector): string {
  return selectorFields
    .flatMap((field) => {
      const wanted = selector[field];
      return wanted === undefined ? [] : [`${field}=${wanted.replaceAll(/[%,=]/g, encodeURIComponent)}`];
    })
    .join(',');
}

/**
 * The values of `per` that the facts have. Where there is no Group its place is taken by the site: what came from a destination
 * without a Group must not stop all destinations that have none. Other values that are missing are left out.
 *
 * Example: per [Source, Group] at a Group → `{ source: '192.0.2.10', group: 'google' }`
 */
export function selectorOf(per: readonly LimitField[], facts: SelectorFacts): Selector {
  const chosen: { -readonly [F in SelectorField]?: string } = {};
  for (const field of selectorFields) {
    if (!per.includes(SELECTOR_FIELDS[field])) continue;
    const known = field === 'source' ? facts.sourceAddress : facts[field];
    if (known !== undefined && known !== '') chosen[field] = known;
    else if (field === 'group' && facts.site !== undefined && facts.site !== '') chosen.site = facts.site;
  }
  return chosen;
}
