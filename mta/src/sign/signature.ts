import { createHash, sign } from 'node:crypto';
import { type Canonicalization, relaxedValue } from './canonical-header.ts';
import type { SigningKey } from './key-file.ts';

/**
 * The `b=` of a signature in base64: over the canonical covered fields and the signature's own field, which comes last, without its value of `b=`
 * and without a line end (RFC 6376 §3.7). The expensive step runs on libuv's threads.
 *
 * @param covered canonical fields, one character an octet
 * @param field the field up to and with `b=`
 */
export function signatureOf(
  { algorithm, key }: SigningKey,
  covered: string,
  field: string,
  canonicalization: Canonicalization,
): Promise<string> {
  const own = canonicalization === 'simple' ? field : relaxedField(field);
  const octets = Buffer.from(covered + own, 'latin1');
  const ed25519 = algorithm === 'ed25519-sha256';
  // RFC 8463 §3: Ed25519 signs the SHA-256 of the octets; RSA has the hash inside its own scheme.
  const input = ed25519 ? createHash('sha256').update(octets).digest() : octets;
  return new Promise((resolve, reject) => {
    sign(ed25519 ? null : 'sha256', input, key, (error, signature) => {
      if (error === null) resolve(signature.toString('base64'));
      else reject(error);
    });
  });
}

function relaxedField(field: string): string {
  const colon = field.indexOf(':');
  return `${field.slice(0, colon).toLowerCase()}:${relaxedValue(field.slice(colon + 1))}`;
}
