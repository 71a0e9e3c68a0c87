import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsLevel } from '@sluice/crds';

/** What `tls.connect` is given besides the socket. */
export interface TlsUpgrade {
  readonly servername?: string;
  /** The name that the certificate must be for. */
  readonly host: string;
  readonly rejectUnauthorized: boolean;
  readonly secureContext: SecureContext;
}

/** Oldest version spoken; RFC 8996 retired what is older. */
const MIN_VERSION = 'TLSv1.2';

/** Whether mail may only go encrypted. */
export function requiresTls(level: TlsLevel): boolean {
  return level === 'Encrypt' || level === 'Verify';
}

/**
 * Settings of a handshake. Only `Verify` looks at the certificate: mailbox providers' MX certificates often name another
 * host, and a refused handshake would send the mail in clear or not at all (RFC 7435, opportunistic security).
 */
export function tlsUpgrade(level: TlsLevel, hostName: string, ca: readonly string[] | undefined): TlsUpgrade {
  return {
    host: hostName,
    // RFC 6066 §3: no address literals in the server name indication.
    ...(isIP(hostName) === 0 ? { servername: hostName } : {}),
    rejectUnauthorized: level === 'Verify',
    secureContext: contextFor(ca),
  };
}

const contexts = new Map<string, SecureContext>();
/** Different lists of roots whose contexts are kept; configuration names few. */
const MAX_CONTEXTS = 64;

/** A context costs milliseconds and is the same for every connection. */
function contextFor(ca: readonly string[] | undefined): SecureContext {
  const key = ca === undefined ? '' : ca.join('\n');
  const known = contexts.get(key);
  if (known !== undefined) return known;
  const made = createSecureContext({ minVersion: MIN_VERSION, ...(ca === undefined ? {} : { ca: [...ca] }) });
  if (contexts.size >= MAX_CONTEXTS) contexts.clear();
  contexts.set(key, made);
  return made;
}
