import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { domainToASCII } from 'node:url';
import type { TlsLevel } from '@sluice/crds';
import type { ClientCertificate } from './client-certificates.ts';
import { hostPlace } from './host-memory.ts';
import type { SessionOptions } from './session.ts';

/** What `tls.connect` is given besides the socket. */
export interface TlsUpgrade {
  readonly servername?: string;
  /** The name that the certificate is compared with. */
  readonly host: string;
  readonly secureContext: SecureContext;
  /** Of an earlier connection, to be resumed. */
  readonly session?: Buffer;
}

/** Oldest version spoken; RFC 8996 retired what is older. Cipher suites are those of OpenSSL. */
const MIN_VERSION = 'TLSv1.2';

/** Whether mail may only go encrypted. */
export function requiresTls(level: TlsLevel): boolean {
  return level === 'Encrypt' || level === 'Verify';
}

/** Settings of a handshake with a host. */
export function tlsUpgrade(
  hostName: string,
  ca: readonly string[] | undefined,
  certificate: ClientCertificate | undefined,
  session: Buffer | undefined,
): TlsUpgrade {
  const name = serverName(hostName);
  return {
    host: name ?? hostName,
    ...(name === undefined ? {} : { servername: name }),
    ...(session === undefined ? {} : { session }),
    secureContext: contextFor(ca, certificate),
  };
}

/**
 * The name for the server name indication: A-labels (RFC 5890), no final dot; `undefined` for addresses, which it must not name (RFC 6066 §3).
 *
 * Example: `serverName('mx.bücher.example.')` → `mx.xn--bcher-kva.example`
 */
export function serverName(hostName: string): string | undefined {
  const bare = hostName.endsWith('.') ? hostName.slice(0, -1) : hostName;
  if (bare.startsWith('[') || isIP(bare) !== 0) return undefined;
  return domainToASCII(bare) || undefined;
}

/**
 * Whom a TLS session may be resumed with: the same host, from the same source (a ticket would tell that two sources are one sender), under the
 * same demands and with the same client certificate. A resumed handshake checks no names, so sessions of another level never count as verified.
 */
export function resumptionKey(options: SessionOptions, certificate: ClientCertificate | undefined): string {
  const roots = options.tls.ca === undefined ? '' : options.tls.ca.join('\n');
  return [hostPlace(options), options.ehlo, options.tls.level, certificate?.fingerprint ?? '', roots].join(
    ' ',
  );
}

const contexts = new Map<string, SecureContext>();
/** Different lists of roots and client certificates whose contexts are kept; configuration names few. */
const MAX_CONTEXTS = 64;

/** A context costs milliseconds and is the same for every connection. */
function contextFor(
  ca: readonly string[] | undefined,
  certificate: ClientCertificate | undefined,
): SecureContext {
  const key = `${certificate?.fingerprint ?? ''} ${ca === undefined ? '' : ca.join('\n')}`;
  const known = contexts.get(key);
  if (known !== undefined) return known;
  const made = createSecureContext({
    minVersion: MIN_VERSION,
    ...(ca === undefined ? {} : { ca: [...ca] }),
    ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
  });
  if (contexts.size >= MAX_CONTEXTS) contexts.clear();
  contexts.set(key, made);
  return made;
}
