import type { Remark } from './condition.ts';
import { appliesTo, type ConfigIndex } from './config-index.ts';
import type { LimitField } from './effective-policy.ts';
import type { ActionConfig, EgressConfig, Layer, LayerLimit, PolicyConfig } from './egress-config.ts';
import { nearestName } from './nearest-name.ts';
import type { Destination, PolicyView } from './policy-view.ts';
import { whenFields } from './when.ts';

/** A pool that no resource can be: what applies to it applies to every pool. */
const ANY_POOL = '';

/** References of a policy that lead nowhere: target pools, destinations and limits that it refines. */
export function unresolvedReferences(
  config: EgressConfig,
  index: ConfigIndex,
  policy: PolicyConfig,
): readonly Remark[] {
  const pools = config.pools.filter((pool) => appliesTo(policy, pool.name)).map((pool) => pool.name);
  const missing = (policy.pools ?? []).filter((name) => !pools.includes(name));
  const known = config.pools.map((pool) => pool.name);
  const remarks = missing.map((name) => poolNotFound(name, known));
  const anywhere = pools.length === 0 && policy.pools === undefined ? [ANY_POOL] : pools;
  const views = [...new Set(anywhere.map((name) => index.viewOf(name)))];
  if (views.length === 0) return remarks;
  return [
    ...remarks,
    ...lostDestinations(policy, views),
    ...lostLimits(policy, views),
    ...lostReactions(config, policy, views),
  ];
}

/** The pool that another one falls back to. */
export function unresolvedFallback(config: EgressConfig, pool: string): readonly Remark[] {
  const name = config.pools.find((candidate) => candidate.name === pool)?.fallbackPool;
  if (name === undefined || hasPool(config, name)) return [];
  const others = config.pools.map((candidate) => candidate.name).filter((candidate) => candidate !== pool);
  return [poolNotFound(name, others)];
}

function hasPool(config: EgressConfig, name: string): boolean {
  return config.pools.some((pool) => pool.name === name);
}

function poolNotFound(name: string, known: readonly string[]): Remark {
  return { reason: 'TargetNotFound', sentence: `There is no EgressPool "${name}".${meant(name, known)}` };
}

/** The one that was most likely meant, as a sentence of its own. */
function meant(name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  return near === undefined ? '' : ` Did you mean "${near}"?`;
}

function lostDestinations(policy: PolicyConfig, views: readonly PolicyView[]): readonly Remark[] {
  const lost = policy.destinations.filter(
    ({ name }) => !views.some((view) => claimsSomething(view.destinations.get(name))),
  );
  if (lost.length === 0) return [];
  const known = views.flatMap(({ destinations }) =>
    [...destinations].filter(([, destination]) => claimsSomething(destination)).map(([name]) => name),
  );
  return lost.map(({ name }) => ({
    reason: 'DestinationNotFound',
    sentence: `Destination "${name}" has no match and no other policy for the same pools has one of that name to refine.${meant(name, known)}`,
  }));
}

function claimsSomething(destination: Destination | undefined): boolean {
  return Object.values(destination?.match ?? {}).some((list) => list.length > 0);
}

/** A limit without `per` of its own refines one that another layer defines. */
function lostLimits(policy: PolicyConfig, views: readonly PolicyView[]): readonly Remark[] {
  const definitions = new Map<string, (readonly LimitField[])[]>();
  for (const limit of views.flatMap((view) => view.policies.flatMap(limitsOf))) {
    if (limit.per === undefined) continue;
    const known = definitions.get(limit.name);
    if (known === undefined) definitions.set(limit.name, [limit.per]);
    else known.push(limit.per);
  }
  return limitsOf(policy)
    .filter((limit) => limit.per === undefined)
    .flatMap((limit): readonly Remark[] => {
      const known = definitions.get(limit.name);
      if (known === undefined) {
        const sentence = `Limit "${limit.name}" has no per and no other layer defines a limit of that name.`;
        return [{ reason: 'LimitNotFound', sentence }];
      }
      return askedOutside(limit, known).map((member) => ({
        reason: 'LimitNotFound',
        sentence: `Limit "${limit.name}" asks for ${member}, which the per of the limit that it refines does not name, so it takes no part.`,
      }));
    });
}

/** Reactions that refine one that no layer defines, that act on a limit that no layer defines, or send mail to no pool. */
function lostReactions(
  config: EgressConfig,
  policy: PolicyConfig,
  views: readonly PolicyView[],
): readonly Remark[] {
  const layers = views.flatMap((view) => view.policies.flatMap(layersOf));
  const byName = Map.groupBy(
    layers.flatMap((layer) => layer.reactions ?? []),
    (reaction) => reaction.name,
  );
  const limits = new Set(layers.flatMap((layer) => layer.limits ?? []).map((limit) => limit.name));
  return layersOf(policy)
    .flatMap((layer) => layer.reactions ?? [])
    .flatMap(({ name, state, match, actions }): readonly Remark[] => {
      const others = byName.get(name) ?? [];
      const lacks = [
        ...(match === undefined && others.every((other) => other.match === undefined) ? ['match'] : []),
        ...(actions === undefined && others.every((other) => other.actions === undefined) ? ['actions'] : []),
      ];
      const [lack] = state === 'Disabled' ? [] : lacks;
      return [
        ...(lack === undefined
          ? []
          : [
              {
                reason: 'ReactionNotFound' as const,
                sentence: `Reaction "${name}" has no ${lack} and no other layer defines a reaction of that name.`,
              },
            ]),
        ...(actions ?? []).flatMap((action): readonly Remark[] => {
          if (action.type === 'Reroute') {
            const known = config.pools.map((pool) => pool.name);
            return hasPool(config, action.reroute.pool) ? [] : [poolNotFound(action.reroute.pool, known)];
          }
          const limit = limitNameOf(action);
          if (limit === undefined || limits.has(limit)) return [];
          const sentence = `Reaction "${name}" acts on limit "${limit}", which no layer defines.`;
          return [{ reason: 'LimitNotFound', sentence }];
        }),
      ];
    });
}

function limitNameOf(action: ActionConfig): string | undefined {
  if (action.type === 'Scale') return action.scale.limitName;
  return action.type === 'SetLimit' ? action.setLimit.limitName : undefined;
}

/** Members of `when` that no definition's `per` covers. */
function askedOutside(limit: LayerLimit, definitions: readonly (readonly LimitField[])[]): readonly string[] {
  const conditions = [limit.when ?? {}, ...(limit.overrides ?? []).map((override) => override.when)];
  return conditions
    .flatMap((when) => whenFields(when))
    .filter(({ field }) => !definitions.some((per) => per.includes(field)))
    .map(({ member }) => member);
}

function limitsOf(policy: PolicyConfig): readonly LayerLimit[] {
  return layersOf(policy).flatMap((layer) => layer.limits ?? []);
}

function layersOf(policy: PolicyConfig): readonly Layer[] {
  return [...(policy.default ? [policy.default] : []), ...policy.destinations];
}
