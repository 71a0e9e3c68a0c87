import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkKeys } from './check-keys.ts';
import { oneRule, signatureBy } from './verify.fixture.ts';

test('a check of the settings names each key that is missing or broken, before customers are refused', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-check-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(join(directory, 'a.example-t1.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
  writeFileSync(join(directory, 'esp.pem'), 'no key');
  const settings = oneRule(
    [
      signatureBy('rsa', { keyFile: join(directory, '{domain}-{tenant}.pem') }),
      signatureBy('rsa', { keyFile: join(directory, 'esp.pem'), domain: 'esp.example' }),
      signatureBy('rsa', { keyFile: join(directory, 'other', '{domain}.pem'), domain: 'esp.example' }),
    ],
    { match: { fromDomains: ['a.example', 'b.example'], fromDomainSuffixes: [], tenants: ['t1'] } },
  );
  const problems = await checkKeys(settings, 'sluice.yaml');
  assert.deepEqual(
    problems.map(({ field, what }) => `${field}: ${what.replaceAll(`${directory}/`, '')}`),
    [
      'spec.dkim.rules[0].signatures[0].keyFile: No DKIM key for b.example (selector rsa): b.example-t1.pem: there is no such file.',
      'spec.dkim.rules[0].signatures[1].keyFile: No DKIM key for esp.example (selector rsa): esp.pem: it is not PEM (no line "-----BEGIN PRIVATE KEY-----").',
      'spec.dkim.rules[0].signatures[2].keyFile: No DKIM key for esp.example (selector rsa): other/esp.example.pem: there is no such file.',
    ],
  );
});
