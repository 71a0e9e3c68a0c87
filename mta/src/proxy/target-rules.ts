import { isIPv6 } from 'node:net';
import { REPLY, type SocksAddress, type SocksReply } from '../egress/mod.ts';
import { refusalOf } from '../route/mod.ts';
import type { ProxyOptions, ProxyRefusal } from './proxy-options.ts';

/** A request that is not carried out: what the client reads, and why for the log. */
export interface RefusedRequest {
  readonly reply: SocksReply;
  readonly reason: ProxyRefusal;
  readonly detail: string;
}

type Rules = Pick<ProxyOptions, 'allowedSources' | 'allowedPorts' | 'allowedTargets'>;

/** Whether connections may come from this address. `undefined` = yes. */
export function refusedSource(
  { address, port }: SocksAddress,
  { allowedSources }: Rules,
): RefusedRequest | undefined {
  const refuse = (detail: string): RefusedRequest => ({ reply: REPLY.notAllowed, reason: 'source', detail });
  // Two connections from one port to one host cannot be; the kernel knows which are free.
  if (port !== 0) return refuse(`source port ${port} is asked for`);
  if (allowedSources.length === 0 || allowedSources.some((network) => network.contains(address)))
    return undefined;
  return refuse(`source ${address} is not allowed`);
}

/** Whether this target may be connected to. `source` undefined = the client named none. */
export function refusedTarget(
  { address, port }: SocksAddress,
  source: string | undefined,
  { allowedSources, allowedPorts, allowedTargets }: Rules,
): RefusedRequest | undefined {
  if (source === undefined && allowedSources.length > 0) {
    const detail = 'the client names no source, and only some are allowed';
    return { reply: REPLY.notAllowed, reason: 'source', detail };
  }
  if (source !== undefined && isIPv6(source) !== isIPv6(address)) {
    const detail = `source ${source} and target ${address} are not of one family`;
    return { reply: REPLY.addressTypeNotSupported, reason: 'target', detail };
  }
  if (!allowedPorts.has(port)) {
    return { reply: REPLY.notAllowed, reason: 'port', detail: `port ${port} is not allowed` };
  }
  const range = refusalOf(address, allowedTargets);
  if (range === undefined) return undefined;
  return { reply: REPLY.notAllowed, reason: 'target', detail: `target ${address} is ${range}` };
}
