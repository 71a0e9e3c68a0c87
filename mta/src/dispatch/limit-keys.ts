import { boundsFor, type EffectiveLimit, type Facts, type LimitField, limitKeyId } from '@sluice/crds';
import type { DirectiveSet } from '../react/mod.ts';
import type { KeySet, LimitKey } from '../shape/mod.ts';

/** Fields that every message of a lane through one source and host agrees in. All others tell units of a lane apart. */
const LANE_FIELDS: ReadonlySet<LimitField> = new Set(['Pool', 'Source', 'Site', 'Group', 'MxHost']);
const DESTINATION_FIELDS: ReadonlySet<LimitField> = new Set(['Site', 'Group', 'Domain', 'MxHost']);

/** The limits of one unit through one source and host, sorted by what they ask for. */
export interface AttemptKeys {
  /** Slots and connection rates of the whole lane: taken before a connection is opened. */
  readonly connection: KeySet;
  /** The same for limits that name MxHost: taken when the host is known. */
  readonly host: KeySet;
  /** Slots of limits that name Domain, Tenant, Campaign or Class: held while a session carries this unit's mail. */
  readonly carrying: KeySet;
  /** Token rates: taken at MAIL. */
  readonly transaction: KeySet;
  /** Keys of `transaction` that touch the whole lane: a refusal stops the session, not the unit. */
  readonly laneWide: ReadonlySet<string>;
  /** Keys that name Source and touch one unit: a refusal speaks of this source, another one may carry the unit. */
  readonly perSource: ReadonlySet<string>;
}

/**
 * Resolves limits for the facts of one unit, source and host, as directives bound them now.
 *
 * Example: a limit per [Source, Site] with `connections: 10, recipientRate: 100/s` is a key in `connection` and in `transaction`.
 */
export function attemptKeys(
  limits: readonly EffectiveLimit[],
  facts: Facts,
  generation: number,
  directives: DirectiveSet,
): AttemptKeys {
  const connection: LimitKey[] = [];
  const host: LimitKey[] = [];
  const carrying: LimitKey[] = [];
  const transaction: LimitKey[] = [];
  const laneWide = new Set<string>();
  const perSource = new Set<string>();
  for (const limit of limits) {
    const stated = boundsFor(limit, facts);
    if (stated === undefined) continue;
    const bounds = directives.boundsOf(limit.name, facts, stated);
    const wholeLane = limit.per.every((field) => LANE_FIELDS.has(field));
    const key: LimitKey = {
      id: limitKeyId(limit, facts),
      limitName: limit.name,
      scope: limit.scope,
      bounds,
      generation,
      shard: limit.per.some((field) => DESTINATION_FIELDS.has(field)) ? facts.group || facts.site : '',
    };
    if (wholeLane) laneWide.add(key.id);
    else if (limit.per.includes('Source')) perSource.add(key.id);
    if (bounds.connections !== undefined || bounds.connectionRate !== undefined) {
      if (!wholeLane) carrying.push(key);
      else if (limit.per.includes('MxHost')) host.push(key);
      else connection.push(key);
    }
    if (bounds.recipientRate ?? bounds.messageRate ?? bounds.byteRate) transaction.push(key);
  }
  return {
    connection: { keys: connection },
    host: { keys: host },
    carrying: { keys: carrying },
    transaction: { keys: transaction },
    laneWide,
    perSource,
  };
}

/**
 * The limits of a host that belongs to another Group than the destination, laid over the destination's own: mail that falls to a backup
 * host at Google counts at Google (DESIGN §3). All of them are taken when the host is known. A counter that both name is taken once, as the
 * destination states it.
 *
 * Example: `withHostLimits(attemptKeys(policy.limits, facts, 1), attemptKeys(google.limits, { ...facts, group: 'google', site: host }, 1))`
 */
export function withHostLimits(own: AttemptKeys, ofHost: AttemptKeys): AttemptKeys {
  const beyond = (known: readonly KeySet[], more: readonly KeySet[]): readonly LimitKey[] => {
    const ids = new Set(known.flatMap(({ keys }) => keys.map(({ id }) => id)));
    return more.flatMap(({ keys }) => keys.filter(({ id }) => !ids.has(id)));
  };
  const connections = beyond([own.connection, own.host], [ofHost.connection, ofHost.host]);
  const carrying = beyond([own.carrying], [ofHost.carrying]);
  const transaction = beyond([own.transaction], [ofHost.transaction]);
  return {
    connection: own.connection,
    host: { keys: [...own.host.keys, ...connections] },
    carrying: carrying.length === 0 ? own.carrying : { keys: [...own.carrying.keys, ...carrying] },
    transaction: { keys: [...own.transaction.keys, ...transaction] },
    laneWide: new Set([...own.laneWide, ...ofHost.laneWide]),
    perSource: new Set([...own.perSource, ...ofHost.perSource]),
  };
}
