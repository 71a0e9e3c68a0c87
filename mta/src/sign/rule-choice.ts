import type { DkimRuleSettings } from '../config/mod.ts';

/** Finds the rule of a message: the first one, in the order written, whose conditions all hold. */
export type RuleChoice = (authorDomain: string, tenant: string) => DkimRuleSettings | undefined;

/**
 * Rules that name domains are found by table, so that thousands of them cost as little as one.
 *
 * Example: `ruleChoice(rules)('shop.example', 'acme')?.name` → `customers`
 */
export function ruleChoice(rules: readonly DkimRuleSettings[]): RuleChoice {
  const exact = new Map<string, number[]>();
  const suffix = new Map<string, number[]>();
  const general: number[] = [];
  for (const [index, { match }] of rules.entries()) {
    for (const domain of match.fromDomains) addTo(exact, domain, index);
    for (const domain of match.fromDomainSuffixes) addTo(suffix, domain, index);
    if (match.fromDomains.length === 0 && match.fromDomainSuffixes.length === 0) general.push(index);
  }
  return (authorDomain, tenant) => {
    let first = Number.POSITIVE_INFINITY;
    const look = (candidates: readonly number[] | undefined): void => {
      for (const index of candidates ?? []) {
        if (index >= first) return;
        const tenants = rules[index]?.match.tenants ?? [];
        if (tenants.length === 0 || tenants.includes(tenant)) first = index;
      }
    };
    look(general);
    if (authorDomain !== '') {
      look(exact.get(authorDomain));
      // A suffix means the domain itself and all below it, by whole labels.
      for (let start = 0; start !== -1 && suffix.size > 0; ) {
        look(suffix.get(authorDomain.slice(start)));
        const dot = authorDomain.indexOf('.', start);
        start = dot === -1 ? -1 : dot + 1;
      }
    }
    return rules[first];
  };
}

function addTo(map: Map<string, number[]>, key: string, index: number): void {
  const indexes = map.get(key);
  if (indexes === undefined) map.set(key, [index]);
  else indexes.push(index);
}
