import { createPublicKey } from 'node:crypto';
import type { SigningKey } from './key-file.ts';

/** Octets of a raw Ed25519 public key, which end its SPKI form. */
const ED25519_OCTETS = 32;
/** RFC 1035 §3.3: a character string of a TXT record. */
const MAX_STRING = 255;

/** The TXT record that lets receivers verify (RFC 6376 §3.6.1; RFC 8463 §4 for Ed25519, whose key stands in it raw). */
export function dnsRecord({ algorithm, key }: SigningKey): string {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return algorithm === 'ed25519-sha256'
    ? `v=DKIM1; k=ed25519; p=${spki.subarray(-ED25519_OCTETS).toString('base64')}`
    : `v=DKIM1; k=rsa; p=${spki.toString('base64')}`;
}

/**
 * The same as a line of a zone file, in strings of at most 255 characters.
 *
 * Example: `s1._domainkey.shop.example. IN TXT "v=DKIM1; k=ed25519; p=…"`
 */
export function zoneLine(domain: string, selector: string, key: SigningKey): string {
  const strings = dnsRecord(key).match(new RegExp(`.{1,${MAX_STRING}}`, 'g')) ?? [];
  return `${selector}._domainkey.${domain}. IN TXT ${strings.map((text) => `"${text}"`).join(' ')}`;
}
