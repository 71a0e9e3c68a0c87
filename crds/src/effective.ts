import { type BasePolicy, type ConfigIndex, indexOf, type PoolRival } from './config-index.ts';
import { normalDomain } from './domain-name.ts';
import type { EffectiveLimit, EffectivePolicy, RivalLimit } from './effective-policy.ts';
import type { EgressConfig } from './egress-config.ts';
import type { PolicyView } from './policy-view.ts';

/** Finished policies remembered for one configuration; there are as many as combinations of destinations, not of domains. */
const MAX_REMEMBERED = 50_000;

/**
 * The policy in force for mail of a pool to a domain: every field filled in, every limit with the bounds of its widest to its
 * narrowest layer merged (DESIGN §3, "Who wins"). Domains of one classification get the same object, so it may be compared by
 * identity. Pure: what it remembers hangs on the configuration object.
 *
 * Example: `effectivePolicy(config, 'shared-a', 'gmail.com', ['gmail-smtp-in.l.google.com']).group` → `google`
 *
 * @param hosts names of the best-preference MX hosts; empty = none is known, so no MX suffix matches
 */
export function effectivePolicy(
  config: EgressConfig,
  pool: string,
  domain: string,
  hosts: readonly string[],
): EffectivePolicy {
  const index = indexOf(config);
  const name = normalDomain(domain);
  const mxHosts = hosts.map(normalDomain);
  const base = index.baseFor(index.viewOf(pool), name, mxHosts);
  const rivals = base.policy.limits.length === 0 ? [] : index.rivalsOf(pool);
  if (rivals.length === 0) return base.policy;
  const bases = new Map<PolicyView, BasePolicy>();
  const rivalBases = rivals.map((rival) => {
    const rivalBase = bases.get(rival.view) ?? index.baseFor(rival.view, name, mxHosts);
    bases.set(rival.view, rivalBase);
    return rivalBase;
  });
  const key = `${pool} ${base.id} ${[...bases.values()].map((rivalBase) => rivalBase.id).join(' ')}`;
  let finished = index.finished.get(key);
  if (finished === undefined) {
    const limits = base.policy.limits.map((limit) =>
      withRivals(
        index,
        limit,
        rivals.flatMap((rival, at) => {
          const policy = rivalBases[at]?.policy;
          // In another Group the counter that names it is another one.
          const other = policy?.group !== base.policy.group && limit.per.includes('Group');
          return policy === undefined || other ? [] : [{ rival, policy }];
        }),
      ),
    );
    finished = { ...base.policy, limits };
    if (index.finished.size >= MAX_REMEMBERED) index.finished.clear();
    index.finished.set(key, finished);
  }
  return finished;
}

function withRivals(
  index: ConfigIndex,
  limit: EffectiveLimit,
  others: readonly { readonly rival: PoolRival; readonly policy: EffectivePolicy }[],
): EffectiveLimit {
  const found = others.flatMap(({ rival, policy }) => {
    const other = policy.limits.find((candidate) => candidate.name === limit.name);
    return other === undefined ? [] : rivalLimit(index, limit, rival, other);
  });
  if (found.length === 0) return limit;
  const scope = found.some((rival) => rival.limit.scope === 'Cluster') ? 'Cluster' : limit.scope;
  return { ...limit, scope, rivals: found };
}

/** Whether the other pool's limit keeps the same counters and may bind them differently. */
function rivalLimit(
  index: ConfigIndex,
  limit: EffectiveLimit,
  rival: PoolRival,
  other: EffectiveLimit,
): readonly RivalLimit[] {
  if (!sameCounters(limit, other)) return [];
  const equal = limit === other || index.printOf(limit) === index.printOf(other);
  if (limit.per.includes('Source')) {
    const asksForSource = [limit, other].some(dependsOnSource);
    if (rival.shared.size === 0 || (equal && !asksForSource)) return [];
    return [{ pool: rival.pool, limit: other, sources: rival.shared }];
  }
  return equal ? [] : [{ pool: rival.pool, limit: other }];
}

/** Equal `per` without Pool: the identity of a counter does not tell which of the two pools it is for. */
export function sameCounters(a: EffectiveLimit, b: EffectiveLimit): boolean {
  return (
    !a.per.includes('Pool') && a.per.length === b.per.length && a.per.every((field) => b.per.includes(field))
  );
}

/** Whether a limit's bounds can be different for one address under two names or labels. */
export function dependsOnSource(limit: EffectiveLimit): boolean {
  return [limit.when, ...limit.overrides.map((override) => override.when)].some(
    (when) => when?.sources !== undefined || when?.sourceSelector !== undefined,
  );
}
