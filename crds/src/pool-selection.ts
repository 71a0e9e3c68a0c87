import { normalDomain } from './domain-name.ts';
import type { EgressConfig, PoolMatch } from './egress-config.ts';
import { selects } from './when.ts';

/** What decides about the pool. Empty texts = the message has none. */
export interface PoolFacts {
  readonly tenant: string;
  readonly tenantLabels: Readonly<Record<string, string>>;
  readonly class: string;
  /** Domain of the envelope sender; `''` for `<>`. */
  readonly fromDomain: string;
  readonly recipientDomain: string;
}

/**
 * Name of the pool that a message leaves from: that of the first entry whose conditions all hold. `undefined` = none.
 *
 * Example: `selectPool(config, { tenant: 'acme', tenantLabels: { plan: 'free' }, … })` → `free`
 */
export function selectPool(config: EgressConfig, facts: PoolFacts): string | undefined {
  return selectMatch(config, facts)?.pool;
}

/** The entry that decides about the pool: the first whose conditions all hold. */
export function selectMatch(config: EgressConfig, facts: PoolFacts): PoolMatch | undefined {
  const fromDomain = normalDomain(facts.fromDomain);
  const recipientDomain = normalDomain(facts.recipientDomain);
  const matches = (entry: PoolMatch) =>
    (entry.tenants?.includes(facts.tenant) ?? true) &&
    selects(entry.tenantSelector, facts.tenantLabels) &&
    (entry.classes?.includes(facts.class) ?? true) &&
    (entry.fromDomains?.includes(fromDomain) ?? true) &&
    (entry.recipientDomains?.includes(recipientDomain) ?? true);
  return config.matches.find(matches);
}
