import { createPrivateKey, type KeyObject } from 'node:crypto';

/** RFC 8301 §3.2: signers must use RSA keys of at least 1024 bits. */
export const MIN_RSA_BITS = 1024;

/** A private key that signs, with the `a=` of RFC 6376 §3.3 and RFC 8463 §3 that follows from it. */
export interface SigningKey {
  readonly algorithm: 'rsa-sha256' | 'ed25519-sha256';
  readonly key: KeyObject;
}

/**
 * The private key in a PEM file (PKCS#8 or PKCS#1), or in words why it cannot sign.
 *
 * Example: `parseKey('-----BEGIN PRIVATE KEY-----\n…')` → `{ algorithm: 'ed25519-sha256', key }`
 */
export function parseKey(pem: string): SigningKey | string {
  const kind = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(pem)?.[1];
  if (kind === undefined) return 'it is not PEM (no line "-----BEGIN PRIVATE KEY-----")';
  if (kind.endsWith('PUBLIC KEY')) return 'it holds a public key; signing needs the private one';
  if (kind === 'ENCRYPTED PRIVATE KEY' || /^Proc-Type: 4,ENCRYPTED/m.test(pem))
    return 'the key is encrypted; decrypt it, and let permissions protect the file';
  if (!kind.endsWith('PRIVATE KEY')) return `it holds a ${kind}, not a private key`;
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    return `the key cannot be read (${error instanceof Error ? error.message : String(error)})`;
  }
  if (key.asymmetricKeyType === 'ed25519') return { algorithm: 'ed25519-sha256', key };
  if (key.asymmetricKeyType !== 'rsa')
    return `the key is of type ${key.asymmetricKeyType}; DKIM knows RSA and Ed25519`;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < MIN_RSA_BITS)
    return `the RSA key has ${bits} bits; receivers ignore keys below ${MIN_RSA_BITS}, use 2048`;
  return { algorithm: 'rsa-sha256', key };
}
