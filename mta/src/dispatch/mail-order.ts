import type { UnitKey } from '../queue/mod.ts';
import type { Directive, DirectiveSet, SelectorFacts, SelectorField } from '../react/mod.ts';
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

/** {@link mailOrder} for a unit. A pool that is not in the configuration is no place to reroute to. */
export function unitOrder(generation: Generation, key: UnitKey): MailOrder {
  if (generation.directives.directives.length === 0) return CARRY;
  const order = mailOrder(generation.directives, unitFacts(generation, key));
  return order.kind === 'reroute' && !generation.pools.has(order.pool) ? CARRY : order;
}
