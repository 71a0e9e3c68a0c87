import { boundsFor, type EffectiveLimit, type Facts, type LimitField, limitKeyId } from '@sluice/crds';
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
}

/**
 * Resolves limits for the facts of one unit, source and host.
 *
 * Example: a limit per [Source, Site] with `connections: 10, recipientRate: 100/s` is a key in `connection` and in `transaction`.
 */
export function attemptKeys(
  limits: readonly EffectiveLimit[],
  facts: Facts,
  generation: number,
): AttemptKeys {
  const connection: LimitKey[] = [];
  const host: LimitKey[] = [];
  const carrying: LimitKey[] = [];
  const transaction: LimitKey[] = [];
  const laneWide = new Set<string>();
  for (const limit of limits) {
    const bounds = boundsFor(limit, facts);
    if (bounds === undefined) continue;
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
  };
}
