import type { EgressConfig, EgressWay, PoolConfig, PoolMatch, SourceConfig } from './egress-config.ts';
import type { EgressPool } from './egress-pool.ts';
import { canonicalAddress } from './ip-address.ts';
import { byName, byText, sortedSet } from './order.ts';
import { isUsable } from './partial-support.ts';
import { present } from './present.ts';
import { recipientsPerDay, type WarmupSpec } from './warmup.ts';

/** Name of the entry of a pool that has none: such a pool takes everything. */
export const MATCH_EVERYTHING = 'everything';

type Egress = EgressPool['spec']['egress'];

/** One pool as the pods run it: defaults filled in, addresses in canonical form. */
export function compilePool(pool: EgressPool): PoolConfig {
  const { selection, sources, egress, urgency, fallbackPoolRef } = pool.spec;
  return present({
    name: pool.metadata.name,
    urgency,
    selection: {
      strategy: selection?.strategy ?? 'Weighted',
      onRetry: selection?.onRetry ?? 'PreferSameSource',
    },
    sources: sources.map((source) => compileSource(source, egress)).toSorted(byName),
    fallbackPool: fallbackPoolRef?.name,
  });
}

function compileSource(source: EgressPool['spec']['sources'][number], egress: Egress): SourceConfig {
  const compiled = present({
    name: source.name,
    address: canonical(source.address),
    ehlo: source.ehlo,
    weight: source.weight,
    state: source.state,
    labels: source.labels,
    egress: wayOut(source.egress ?? egress, source.address),
    warmup: source.warmup === undefined ? undefined : compileWarmup(source.warmup),
  });
  return isUsable(compiled) ? compiled : { ...compiled, state: 'Disabled' };
}

function compileWarmup(warmup: WarmupSpec): NonNullable<SourceConfig['warmup']> {
  const { startDate, schedule, advanceAtDeliveredPercent, onExhausted } = warmup;
  return { startDate, recipientsPerDay: recipientsPerDay(schedule), advanceAtDeliveredPercent, onExhausted };
}

function wayOut(egress: Egress, address: string): EgressWay {
  switch (egress?.type) {
    case 'Bind':
      return { type: 'Bind', bind: { address: canonical(egress.bind?.address ?? address) } };
    case 'HAProxy': {
      const { endpoint, protocol, sourceAddress = address } = memberOf(egress.haproxy);
      return { type: 'HAProxy', haproxy: { ...endpoint, protocol, sourceAddress: canonical(sourceAddress) } };
    }
    case 'SOCKS5': {
      const { endpoint, dialect, sourceAddress = address, tls, credentialName } = memberOf(egress.socks5);
      const told = dialect === 'BindConnect' ? canonical(sourceAddress) : undefined;
      return {
        type: 'SOCKS5',
        socks5: present({ ...endpoint, dialect, sourceAddress: told, tls, credentialName }),
      };
    }
    default:
      return { type: 'Direct' };
  }
}

/** The check has seen to it that a union has its member. */
function memberOf<T>(member: T | undefined): T {
  if (member === undefined) throw new TypeError('the check accepted a way out without its member');
  return member;
}

/** The schema has accepted it, so it has a canonical form. */
function canonical(address: string): string {
  return canonicalAddress(address) ?? address;
}

/** Entries of all pools in the order in which they are tried. */
export function compileMatches(pools: readonly EgressPool[]): EgressConfig['matches'] {
  return pools
    .flatMap(matchesOf)
    .toSorted((a, b) => b.priority - a.priority || byText(a.pool, b.pool) || byName(a, b));
}

function matchesOf(pool: EgressPool): readonly PoolMatch[] {
  const name = pool.metadata.name;
  const entries = pool.spec.match;
  if (entries === undefined) return [{ pool: name, name: MATCH_EVERYTHING, priority: 0 }];
  return entries.map((entry) =>
    present({
      pool: name,
      name: entry.name,
      priority: entry.priority,
      tenants: sortedSet(entry.tenants),
      tenantSelector: entry.tenantSelector?.matchLabels,
      classes: sortedSet(entry.classes),
      fromDomains: sortedSet(entry.fromDomains),
      recipientDomains: sortedSet(entry.recipientDomains),
    }),
  );
}
