import type { MxRecord } from './dns-message.ts';
import { isHostName } from './mail-domain.ts';
import type { MxHost } from './route.ts';

/** More hosts than this are not kept, the best stay. The largest known sets have a dozen. */
export const MAX_HOSTS = 50;

/**
 * Hosts of an MX set, sorted. `'null-mx'` = the domain takes no mail (RFC 7505 §3: one MX, and it is the root);
 * an empty list = there are MX records, but none names a host.
 *
 * Names that cannot be host names (an address, say) are left out; of a host that is named twice the better preference counts.
 */
export function hostsOfMx(exchanges: readonly MxRecord[], port: number): readonly MxHost[] | 'null-mx' {
  if (exchanges.length > 0 && exchanges.every(({ exchange }) => exchange === '.')) return 'null-mx';
  const best = new Map<string, number>();
  for (const { exchange, preference } of exchanges) {
    if (isHostName(exchange)) {
      best.set(exchange, Math.min(preference, best.get(exchange) ?? preference));
    }
  }
  const hosts = [...best].map(([name, preference]) => ({ name, preference, port }));
  return sortHosts(hosts).slice(0, MAX_HOSTS);
}

/** By preference, then name, then port. */
export function sortHosts(hosts: readonly MxHost[]): MxHost[] {
  return hosts.toSorted(
    (a, b) => a.preference - b.preference || compareText(a.name, b.name) || a.port - b.port,
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
