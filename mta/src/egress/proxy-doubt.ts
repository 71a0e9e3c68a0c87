import type { SourceConfig } from '@sluice/crds';
import { proxyName } from './hop-failure.ts';

/**
 * What else a silent end before the greeting may mean. A HAProxy takes the connection before it connects to the target and has no way to say
 * that it could not, or that it has not got the address of the source: it just closes. `undefined` = the target itself was reached.
 *
 * Example: `or proxy egress-a.mail.svc:2525 did not reach it, or has not got 192.0.2.10`
 */
export function proxyDoubt({ egress }: SourceConfig): string | undefined {
  if (egress.type !== 'HAProxy') return undefined;
  const { host, port, sourceAddress } = egress.haproxy;
  return `or proxy ${proxyName(host, port)} did not reach it, or has not got ${sourceAddress}`;
}
