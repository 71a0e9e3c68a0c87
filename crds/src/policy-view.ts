import type { DestinationConfig, Layer, PolicyConfig } from './egress-config.ts';
import { byText } from './order.ts';

/** Kinds of claims, the strongest first. */
export const CLAIM_KINDS = ['domains', 'domainSuffixes', 'mxSuffixes'] as const;
export type ClaimKind = (typeof CLAIM_KINDS)[number];

/** A destination as the policies of one pool together state it. */
export interface Destination {
  readonly name: string;
  readonly match: DestinationConfig['match'];
  /** What each policy says about it, in the order in which they merge. */
  readonly layers: readonly Layer[];
  /** Who states the list of claims in force: for "the first by (priority, name)". */
  readonly claimants: { readonly [K in ClaimKind]?: PolicyConfig };
}

/** Two destinations claim the same; the winner has it. */
export interface ClaimConflict {
  readonly kind: ClaimKind;
  readonly value: string;
  readonly winner: { readonly destination: string; readonly policy: string };
  readonly loser: { readonly destination: string; readonly policy: string };
}

/** The policies that apply to a pool, ready for look-ups. Pools to which the same policies apply share one. */
export interface PolicyView {
  /** In the order in which they merge, the later wins. */
  readonly policies: readonly PolicyConfig[];
  readonly defaults: readonly Layer[];
  readonly destinations: ReadonlyMap<string, Destination>;
  /** Which destination has a claim: domain or suffix → destination. */
  readonly claims: { readonly [K in ClaimKind]: ReadonlyMap<string, Destination> };
  readonly conflicts: readonly ClaimConflict[];
}

/** Builds the view of the policies that apply to one pool, given in the order in which they merge. */
export function buildPolicyView(policies: readonly PolicyConfig[]): PolicyView {
  const destinations = new Map<string, Destination>();
  for (const policy of policies) {
    for (const entry of policy.destinations) {
      destinations.set(entry.name, refine(destinations.get(entry.name), entry, policy));
    }
  }
  const conflicts: ClaimConflict[] = [];
  const sorted = [...destinations.values()];
  return {
    policies,
    defaults: policies.flatMap((policy) => (policy.default === undefined ? [] : [policy.default])),
    destinations,
    claims: {
      domains: claimsOf('domains', sorted, conflicts),
      domainSuffixes: claimsOf('domainSuffixes', sorted, conflicts),
      mxSuffixes: claimsOf('mxSuffixes', sorted, conflicts),
    },
    conflicts,
  };
}

/** Destinations are a list by name and `match` is an object: it merges by field, its lists replace whole. */
function refine(lower: Destination | undefined, entry: DestinationConfig, policy: PolicyConfig): Destination {
  const { name, match } = entry;
  const claimants = Object.fromEntries(
    CLAIM_KINDS.filter((kind) => match[kind] !== undefined).map((kind) => [kind, policy]),
  );
  return {
    name,
    match: { ...lower?.match, ...match },
    layers: [...(lower?.layers ?? []), entry],
    claimants: { ...lower?.claimants, ...claimants },
  };
}

function claimsOf(
  kind: ClaimKind,
  destinations: readonly Destination[],
  conflicts: ClaimConflict[],
): ReadonlyMap<string, Destination> {
  const claims = new Map<string, Destination>();
  for (const destination of destinations.toSorted((a, b) => byClaimOrder(kind, a, b))) {
    for (const value of destination.match[kind] ?? []) {
      const winner = claims.get(value);
      if (winner === undefined) claims.set(value, destination);
      else conflicts.push({ kind, value, winner: party(kind, winner), loser: party(kind, destination) });
    }
  }
  return claims;
}

function party(kind: ClaimKind, destination: Destination) {
  return { destination: destination.name, policy: destination.claimants[kind]?.name ?? '' };
}

/** Who has an equal claim: highest priority of the policy, then its name, then the destination's. */
export function byClaimOrder(kind: ClaimKind, a: Destination, b: Destination): number {
  const [first, second] = [a.claimants[kind], b.claimants[kind]];
  return (
    (second?.priority ?? 0) - (first?.priority ?? 0) ||
    byText(first?.name ?? '', second?.name ?? '') ||
    byText(a.name, b.name)
  );
}
