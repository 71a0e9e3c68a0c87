import type { EgressPool } from './egress-pool.ts';
import type { FieldPath } from './field-path.ts';
import { addressFamily, canonicalAddress } from './ip-address.ts';
import type { Finding } from './problem.ts';
import { repeatedNames, repeatedValues } from './repeated-values.ts';

type Egress = NonNullable<EgressPool['spec']['egress']>;

/** What the schema of an EgressPool cannot say. */
export function checkEgressPool(pool: EgressPool): readonly Finding[] {
  const { match, egress, sources } = pool.spec;
  return [
    ...repeatedNames(match, ['spec', 'match']),
    ...(match ?? []).flatMap((entry, index) =>
      (['tenants', 'classes', 'fromDomains', 'recipientDomains'] as const).flatMap((list) =>
        repeatedValues(entry[list], ['spec', 'match', index, list]),
      ),
    ),
    ...checkUnion(egress, ['spec', 'egress']),
    ...repeatedNames(sources, ['spec', 'sources']),
    ...sources.flatMap((source, index) => [
      ...checkUnion(source.egress, ['spec', 'sources', index, 'egress']),
      ...checkFamily(source.address, source.egress ?? egress, ['spec', 'sources', index, 'address']),
    ]),
  ];
}

/** A union carries exactly the member that its `type` names. */
function checkUnion(egress: Egress | undefined, path: FieldPath): readonly Finding[] {
  if (egress?.type === 'Bind' && egress.bind === undefined) {
    return [contradiction(path, 'has type Bind and no member bind', 'Add bind: {address: …}.')];
  }
  if (egress?.type === 'Direct' && egress.bind !== undefined) {
    return [
      contradiction([...path, 'bind'], 'is not a member of type Direct', 'Write type: Bind, or remove bind.'),
    ];
  }
  return [];
}

/** The receiver sees the family that the pod connects with. */
function checkFamily(address: string, egress: Egress | undefined, path: FieldPath): readonly Finding[] {
  const local = canonicalAddress(egress?.bind?.address ?? address);
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
