import type { PeerCertificate, TLSSocket } from 'node:tls';
import { printable } from './reply-text.ts';

/**
 * Why the certificate is not good for the host, in words that let a person act; `undefined` = it is good.
 *
 * OpenSSL checks the chain against the trusted roots, Node the names (RFC 6125): the MX host name must be among the DNS names of the subject
 * alternative names (a `*` stands for the first label), an address among its IP addresses; the common name counts only where there are no alternative names.
 *
 * Example: `the certificate CN=mx.example (issued by CN=Example CA) expired on Jan  1 00:00:00 2026 GMT`
 */
export function certificateFault(secure: TLSSocket, hostName: string): string | undefined {
  if (secure.authorized) return undefined;
  // Typed as Error; it is the code where there is one.
  const code = String(secure.authorizationError);
  const peer = secure.getPeerCertificate();
  return printable(`the certificate ${nameOf(peer)} ${faultOf(code, peer, hostName)}`);
}

function faultOf(code: string, peer: PeerCertificate, hostName: string): string {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return `expired on ${peer.valid_to}, or one above it did`;
    case 'CERT_NOT_YET_VALID':
      return `is valid from ${peer.valid_from} only, or one above it is not valid yet`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return 'is self-signed';
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return 'leads to a root that is not trusted here';
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return 'leads to no trusted root: its issuer is not known, or the host leaves intermediate certificates out';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `is for ${peer.subjectaltname ?? 'no host at all'}, not for ${hostName}`;
    default:
      return `is not valid for ${hostName} (${code})`;
  }
}

function nameOf(peer: PeerCertificate): string {
  // An empty object when the peer sent none.
  if (peer.subject === undefined) return 'is missing;';
  return `${distinguished(peer.subject)} (issued by ${distinguished(peer.issuer)})`;
}

function distinguished(name: PeerCertificate['subject'] | undefined): string {
  const first = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value);
  const common = first(name?.CN);
  const organisation = first(name?.O);
  if (common !== undefined) return `CN=${common}`;
  return organisation === undefined ? 'without a subject' : `O=${organisation}`;
}
