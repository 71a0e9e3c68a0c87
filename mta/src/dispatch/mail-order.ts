import type { UnitKey } from '../queue/mod.ts';
import {
  type Directive,
  type DirectiveSet,
  type SelectorFacts,
  type SelectorField,
  selects,
} from '../react/mod.ts';
import type { Generation } from './generation.ts';

/** What directives say about mail before a source is chosen. */
export type MailOrder =
  | { readonly kind: 'carry' }
  /** Suspended, or held. */
  | { readonly kind: 'wait'; readonly directive: Directive }
  | { readonly kind: 'bounce'; readonly directive: Directive }
  | { readonly kind: 'reroute'; readonly pool: string };

const CARRY: MailOrder = { kind: 'carry' };

/** Fields by which mail is known before a source is chosen. */
const MAIL_FIELDS: ReadonlySet<SelectorField> = new Set([
  'pool',
  'site',
  'group',
  'domain',
  'tenant',
  'campaign',
  'class',
]);

/** The directive that holds for mail with these facts: the one that changes most goes first. */
export function mailOrder(directives: DirectiveSet, facts: SelectorFacts): MailOrder {
  if (directives.directives.length === 0) return CARRY;
  const bounce = directives.find('Bounce', facts, MAIL_FIELDS);
  if (bounce !== undefined) return { kind: 'bounce', directive: bounce };
  const wait = directives.find('Hold', facts, MAIL_FIELDS) ?? directives.find('Suspend', facts, MAIL_FIELDS);
  if (wait !== undefined) return { kind: 'wait', directive: wait };
  const effect = directives.find('Reroute', facts, MAIL_FIELDS)?.effect;
  return effect?.type === 'Reroute' && effect.pool !== facts.pool
    ? { kind: 'reroute', pool: effect.pool }
    : CARRY;
}

/** What is known of a unit's mail now: its site and Group only while its route is. */
export function unitFacts({ destinations }: Generation, key: UnitKey): SelectorFacts {
  const found = destinations.peek(key.pool, key.domain);
  const routed = found !== undefined && 'policy' in found ? found : undefined;
  return {
    pool: key.pool,
    site: routed?.route.site ?? '',
    group: routed?.policy.group ?? '',
    domain: key.domain,
    tenant: key.tenant,
    campaign: key.campaign,
    class: key.class,
  };
}

/**
 * {@link mailOrder} for a unit. A pool that is not in the configuration is no place to reroute to, and mail that other directives would send
 * back to the pool it is in stays there: pools that send their mail to each other must not keep it, and the pod, going round.
 */
export function unitOrder(generation: Generation, key: UnitKey): MailOrder {
  if (generation.directives.directives.length === 0) return CARRY;
  const order = stepFrom(generation, key);
  return order.kind === 'reroute' && comesBack(generation, key, order.pool) ? CARRY : order;
}

function stepFrom(generation: Generation, key: UnitKey): MailOrder {
  const order = mailOrder(generation.directives, unitFacts(generation, key));
  return order.kind === 'reroute' && !generation.pools.has(order.pool) ? CARRY : order;
}

/** Whether mail of this unit that goes to the pool is sent on from there, and so on, until it is where it was. */
function comesBack(generation: Generation, key: UnitKey, first: string): boolean {
  const visited = new Set<string>();
  let pool = first;
  while (!visited.has(pool)) {
    visited.add(pool);
    const next = stepFrom(generation, { ...key, pool });
    if (next.kind !== 'reroute') return false;
    pool = next.pool;
    if (pool === key.pool) return true;
  }
  return false;
}

/** Whether a directive would hold mail of this unit if its route led to the site, or its Group were the one, that the directive names. */
export function holdDependsOnRoute({ directives }: Generation, key: UnitKey): boolean {
  return directives.directives.some(({ effect, selector: { site, group, ...rest } }) => {
    if (effect.type !== 'Hold' || (site === undefined && group === undefined)) return false;
    return selects(rest, key);
  });
}
