import { canonicalJson } from './canonical-json.ts';
import type { Remark } from './condition.ts';
import type { ConfigIndex } from './config-index.ts';
import { effectivePolicy } from './effective.ts';
import type { EffectiveLimit, RivalLimit } from './effective-policy.ts';
import type { EgressConfig, PoolConfig } from './egress-config.ts';
import { CLAIM_KINDS, type ClaimConflict, type PolicyView } from './policy-view.ts';
import { sourceHolds } from './when.ts';

/** Remarks by name of the resource that they are about. */
export type RemarksByName = ReadonlyMap<string, readonly Remark[]>;

/** Destinations of policies that claim the same domain or suffix; both policies are told, with the other's name. */
export function claimConflicts(views: readonly PolicyView[]): RemarksByName {
  const remarks = new Map<string, Remark[]>();
  for (const conflict of views.flatMap((view) => view.conflicts)) {
    const { winner, loser } = conflict;
    add(remarks, winner.policy, claimSentence(conflict, winner, loser, 'this one applies'));
    if (loser.policy !== winner.policy) {
      add(remarks, loser.policy, claimSentence(conflict, loser, winner, 'that one applies'));
    }
  }
  return remarks;
}

function claimSentence(
  conflict: ClaimConflict,
  own: ClaimConflict['winner'],
  rival: ClaimConflict['winner'],
  outcome: string,
): Remark {
  const owner = rival.policy === own.policy ? 'the same policy' : `ShapingPolicy "${rival.policy}"`;
  return {
    reason: 'EqualClaims',
    sentence: `${conflict.kind} "${conflict.value}" of destination "${own.destination}" is also claimed by destination "${rival.destination}" of ${owner}; ${outcome}.`,
  };
}

interface Probe {
  /** Where it looks: `every destination`, `destination "google"`. */
  readonly where: string;
  readonly domain: string;
  readonly hosts: readonly string[];
}

/**
 * Counters that two pools bind differently; both pools are told, with the other's name. Looked for at the default layer and at
 * each claim of each policy, not at every combination of a Group with a domain.
 */
export function boundConflicts(config: EgressConfig, index: ConfigIndex): RemarksByName {
  const remarks = new Map<string, Remark[]>();
  for (const pool of config.pools) {
    const rivals = index.rivalsOf(pool.name);
    if (rivals.length === 0) continue;
    const views = [...new Set([index.viewOf(pool.name), ...rivals.map((rival) => rival.view)])];
    for (const probe of probesOf(views)) {
      const { limits } = effectivePolicy(config, pool.name, probe.domain, probe.hosts);
      for (const limit of limits) {
        for (const rival of limit.rivals ?? []) {
          const sentence = boundSentence(pool, limit, rival, probe);
          if (sentence !== undefined) add(remarks, pool.name, { reason: 'BoundsDiffer', sentence });
        }
      }
    }
  }
  return remarks;
}

function probesOf(views: readonly PolicyView[]): readonly Probe[] {
  const probes = new Map<string, Probe>([['', { where: 'every destination', domain: '', hosts: [] }]]);
  for (const view of views) {
    for (const kind of CLAIM_KINDS) {
      for (const [value, destination] of view.claims[kind]) {
        const where = `destination "${destination.name}"`;
        const probe = kind === 'mxSuffixes' ? { domain: '', hosts: [value] } : { domain: value, hosts: [] };
        probes.set(`${kind} ${value}`, { where, ...probe });
      }
    }
  }
  return [...probes.values()];
}

function boundSentence(
  pool: PoolConfig,
  limit: EffectiveLimit,
  rival: RivalLimit,
  probe: Probe,
): string | undefined {
  const told = `differently by EgressPool "${rival.pool}" for ${probe.where}; the smaller bound applies.`;
  if (rival.sources === undefined) return `Limit "${limit.name}" is set ${told}`;
  const addresses = pool.sources
    .filter((source) => {
      const other = rival.sources?.get(source.address);
      return other !== undefined && boundsSeenBy(limit, source) !== boundsSeenBy(rival.limit, other);
    })
    .map((source) => source.address);
  if (addresses.length === 0) return undefined;
  return `Limit "${limit.name}" of ${addresses.join(', ')} is set ${told}`;
}

/** A limit as one source meets it: its conditions on the source answered, so that equal texts bind the source alike. */
function boundsSeenBy(
  limit: EffectiveLimit,
  source: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
): string {
  const answered = (when: EffectiveLimit['when']) => {
    const { sources, sourceSelector, ...rest } = when ?? {};
    return { ...rest, source: when === undefined || sourceHolds(when, source.name, source.labels) };
  };
  return canonicalJson({
    scope: limit.scope,
    when: answered(limit.when),
    bounds: limit.bounds,
    overrides: limit.overrides
      .map((override) => ({ when: answered(override.when), bounds: override.bounds }))
      .filter((override) => override.when.source),
  });
}

function add(remarks: Map<string, Remark[]>, name: string, remark: Remark): void {
  const known = remarks.get(name);
  if (known === undefined) remarks.set(name, [remark]);
  else known.push(remark);
}
