import { readFileSync } from 'node:fs';

/** A certificate and its private key, both in PEM. */
export interface TestKey {
  readonly cert: string;
  readonly key: string;
}

/**
 * One of the certificates of this directory (README.md says which), with its key.
 *
 * Example: `createServer(testKey('proxy'))`
 */
export function testKey(name: 'listener' | 'mx' | 'proxy' | 'renewed'): TestKey {
  const read = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8');
  return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
}
