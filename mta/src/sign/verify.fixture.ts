import { generateKeyPairSync } from 'node:crypto';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import type { DkimRuleSettings, DkimSettings, DkimSignatureSettings } from '../config/mod.ts';
import { dnsRecord } from './dns-record.ts';
import type { SigningKey } from './key-file.ts';
import type { KeyFlaw } from './key-store.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ed25519 = generateKeyPairSync('ed25519').privateKey;

/** Keys by the path that a rule names. */
export const TEST_KEYS: Readonly<Record<string, SigningKey>> = {
  '/keys/rsa': { algorithm: 'rsa-sha256', key: rsa },
  '/keys/ed25519': { algorithm: 'ed25519-sha256', key: ed25519 },
};

/** A key store without files. */
export const testKeys = {
  get: (file: string): SigningKey | KeyFlaw => TEST_KEYS[file] ?? { flaw: 'there is no such file' },
};

/** A signature of the rules in tests; selector and key of the same name. */
export function signatureBy(
  key: 'rsa' | 'ed25519' | 'missing',
  fields: Partial<DkimSignatureSettings> = {},
): DkimSignatureSettings {
  return {
    domain: '{domain}',
    selector: key,
    keyFile: `/keys/${key}`,
    canonicalization: 'relaxed/relaxed',
    onMissingKey: 'Refuse',
    ...fields,
  };
}

/** One rule for all mail. */
export function oneRule(
  signatures: readonly DkimSignatureSettings[],
  fields: Partial<DkimRuleSettings> = {},
): DkimSettings {
  return {
    rules: [
      {
        name: 'all',
        match: { fromDomains: [], fromDomainSuffixes: [], tenants: [] },
        signatures,
        signedHeaders: [
          'To',
          'Cc',
          'Subject',
          'Date',
          'Message-ID',
          'List-Unsubscribe',
          'List-Unsubscribe-Post',
        ],
        overSign: ['From', 'Subject'],
        overSignPresent: ['List-Unsubscribe'],
        ...fields,
      },
    ],
  };
}

/** What mailauth says of each signature: `pass rsa shop.example`, in the order of the fields. */
export async function verdicts(message: Buffer): Promise<readonly string[]> {
  const { results } = await dkimVerify(message, {
    // Names are `<key>._domainkey.<domain>`, whatever the domain.
    resolver: async (name: string) => {
      const key = TEST_KEYS[`/keys/${name.split('.')[0]}`];
      return key === undefined ? [] : [[dnsRecord(key)]];
    },
    minBitLength: 1024,
  });
  return results.map(
    ({ status, selector, signingDomain }) => `${status.result} ${selector} ${signingDomain}`,
  );
}
