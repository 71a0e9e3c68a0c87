import type { EgressPool } from './egress-pool.ts';
import { EGRESS_MEMBERS, type EgressWaySpec } from './egress-way.ts';
import type { FieldPath } from './field-path.ts';
import { addressFamily, canonicalAddress } from './ip-address.ts';
import type { Finding } from './problem.ts';
import { repeatedNames, repeatedValues } from './repeated-values.ts';
import { checkUnion } from './union.ts';
import { SCHEDULE_MEMBERS } from './warmup.ts';

/** What the schema of an EgressPool cannot say. */
export function checkEgressPool(pool: EgressPool): readonly Finding[] {
  const { match, egress, sources, fallbackPoolRef } = pool.spec;
  return [
    ...repeatedNames(match, ['spec', 'match']),
    ...(match ?? []).flatMap((entry, index) =>
      (['tenants', 'classes', 'fromDomains', 'recipientDomains'] as const).flatMap((list) =>
        repeatedValues(entry[list], ['spec', 'match', index, list]),
      ),
    ),
    ...checkWay(egress, ['spec', 'egress']),
    ...repeatedNames(sources, ['spec', 'sources']),
    ...sources.flatMap((source, index) => {
      const path = ['spec', 'sources', index];
      return [
        ...checkWay(source.egress, [...path, 'egress']),
        ...checkFamily(source.address, source.egress ?? egress, [...path, 'address']),
        ...checkUnion(source.warmup?.schedule, SCHEDULE_MEMBERS, [...path, 'warmup', 'schedule']),
      ];
    }),
    ...(fallbackPoolRef?.name === pool.metadata.name
      ? [
          contradiction(
            ['spec', 'fallbackPoolRef', 'name'],
            'is the pool itself',
            'Name another pool, or remove fallbackPoolRef.',
          ),
        ]
      : []),
  ];
}

function checkWay(egress: EgressWaySpec | undefined, path: FieldPath): readonly Finding[] {
  const { socks5 } = egress ?? {};
  const ignored = socks5?.dialect === 'Connect' && socks5.sourceAddress !== undefined;
  return [
    ...checkUnion(egress, EGRESS_MEMBERS, path),
    ...(ignored
      ? [
          contradiction(
            [...path, 'socks5', 'sourceAddress'],
            'is not told to a proxy that speaks the dialect Connect',
            'Write dialect: BindConnect, or remove sourceAddress.',
          ),
        ]
      : []),
  ];
}

/** The receiver sees the family that the pod connects with. */
function checkFamily(
  address: string,
  egress: EgressWaySpec | undefined,
  path: FieldPath,
): readonly Finding[] {
  const { bind, haproxy, socks5 } = egress ?? {};
  const own = bind?.address ?? haproxy?.sourceAddress ?? socks5?.sourceAddress;
  const local = canonicalAddress(own ?? address);
  const seen = canonicalAddress(address);
  if (local === undefined || seen === undefined || addressFamily(local) === addressFamily(seen)) return [];
  return [
    contradiction(
      path,
      `is an IPv${addressFamily(seen)} address, but the source binds ${local}`,
      'Bind an address of the same family.',
    ),
  ];
}

function contradiction(path: FieldPath, reason: string, cure: string): Finding {
  return { code: 'SLUICE_FIELD_CONTRADICTION', path, parameters: { reason, cure } };
}
