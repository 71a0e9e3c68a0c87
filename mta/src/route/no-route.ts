import type { NoRoute, NoRouteCause } from './route.ts';

/** RFC 5321 §4.2.2, RFC 3463 §3.2 and §3.5, RFC 7505 §4.2. */
const CODES: Readonly<Record<NoRouteCause, readonly [code: number, enhanced: string]>> = {
  // X.4.3: directory server failure.
  DnsFailure: [451, '4.4.3'],
  // X.1.2: bad destination system address.
  NoDomain: [550, '5.1.2'],
  NullMx: [556, '5.1.10'],
  // X.4.4: unable to route.
  NoAddress: [550, '5.4.4'],
  OtherFamily: [451, '4.4.4'],
  Forbidden: [550, '5.4.4'],
};

export function noRoute(cause: NoRouteCause, domain: string, text: string): NoRoute {
  const [code, enhanced] = CODES[cause];
  const kind = enhanced.startsWith('5') ? 'permanent' : 'transient';
  return { kind, cause, domain, reply: { code, enhanced, text, host: '' } };
}

/** The same by answers that may be wrong (see `TimedAnswer.doubtful`): mail waits until the servers give proof. */
export function softened(given: NoRoute): NoRoute {
  if (given.kind === 'transient') return given;
  return noRoute('DnsFailure', given.domain, `DNS look-up failed, unproven: ${given.reply.text}`);
}

/** The same where the user's own configuration is at fault: mail waits until it is mended instead of being returned. */
export function transientNoRoute(cause: NoRouteCause, domain: string, text: string): NoRoute {
  const enhanced = CODES[cause][1].replace(/^5/, '4');
  return { kind: 'transient', cause, domain, reply: { code: 451, enhanced, text, host: '' } };
}
