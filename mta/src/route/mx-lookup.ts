import { hostsOfMx } from './mx-rules.ts';
import { noRoute, softened } from './no-route.ts';
import type { Resolver, TimedAnswer } from './resolver.ts';
import type { MxHost, NoRoute, Route } from './route.ts';

/** What DNS says about where a domain's mail goes, before it has a site name. */
export interface MxFinding {
  readonly result: { readonly origin: Route['origin']; readonly hosts: readonly MxHost[] } | NoRoute;
  readonly expiresAtMs: number;
}

/** An implicit MX has preference 0 (RFC 5321 §5.1). */
const IMPLICIT_PREFERENCE = 0;

/**
 * The MX rules: RFC 5321 §5.1, RFC 7505. A domain without MX is its own host if it has an address; one whose look-up fails is
 * never treated as one without MX.
 *
 * @param domain a name, lower case, A-labels
 * @param freshForMs see {@link Resolver.lookup}
 */
export async function lookUpMx(
  domain: string,
  port: number,
  resolver: Pick<Resolver, 'lookup'>,
  freshForMs: number,
): Promise<MxFinding> {
  const { answer, expiresAtMs, doubtful } = await resolver.lookup(domain, 'MX', freshForMs);
  const finding = (result: MxFinding['result']): MxFinding => ({
    result: doubtful && 'kind' in result ? softened(result) : result,
    expiresAtMs,
  });
  switch (answer.kind) {
    case 'failure':
      return finding(noRoute('DnsFailure', domain, `DNS look-up failed, MX of ${domain}: ${answer.reason}`));
    case 'no-name':
      return finding(noRoute('NoDomain', domain, `${domain} does not exist (NXDOMAIN)`));
    case 'no-data':
      return implicitMx(domain, answer.name, port, resolver, freshForMs, { expiresAtMs, doubtful });
    case 'records': {
      const hosts = hostsOfMx(answer.exchanges, port);
      if (hosts === 'null-mx') {
        return finding(noRoute('NullMx', domain, `${domain} accepts no mail (null MX)`));
      }
      if (hosts.length === 0) {
        return finding(noRoute('NoAddress', domain, `no MX of ${domain} names a host`));
      }
      return finding({ origin: 'mx', hosts });
    }
  }
}

/** @param name where the CNAMEs of the domain lead: RFC 5321 §5.1 treats it as if it were the initial name */
async function implicitMx(
  domain: string,
  name: string,
  port: number,
  resolver: Pick<Resolver, 'lookup'>,
  freshForMs: number,
  mx: Pick<TimedAnswer, 'expiresAtMs' | 'doubtful'>,
): Promise<MxFinding> {
  const both = await Promise.all([
    resolver.lookup(name, 'A', freshForMs),
    resolver.lookup(name, 'AAAA', freshForMs),
  ]);
  const expiresAtMs = Math.min(mx.expiresAtMs, ...both.map((timed) => timed.expiresAtMs));
  if (both.some(({ answer }) => answer.kind === 'records')) {
    const hosts = [{ name, preference: IMPLICIT_PREFERENCE, port }];
    return { result: { origin: 'implicit', hosts }, expiresAtMs };
  }
  const reason = both.map(failureReason).find((found) => found !== undefined);
  if (reason !== undefined) {
    const result = noRoute('DnsFailure', domain, `DNS look-up failed, address of ${name}: ${reason}`);
    return { result, expiresAtMs };
  }
  const none = noRoute('NoAddress', domain, `${domain} has neither MX nor address`);
  const doubtful = mx.doubtful || both.some((timed) => timed.doubtful);
  return { result: doubtful ? softened(none) : none, expiresAtMs };
}

function failureReason({ answer }: TimedAnswer): string | undefined {
  return answer.kind === 'failure' ? answer.reason : undefined;
}
