import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { compile, parseResources } from '@sluice/crds';
import { loadSettings } from './settings-file.ts';
import { unknownNames } from './unknown-names.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-certificate-settings-'));
after(() => rmSync(directory, { recursive: true }));

function load(members: string) {
  const file = join(directory, 'sluice.yaml');
  writeFileSync(
    file,
    `apiVersion: sluice.email/v1alpha1
kind: MtaConfig
spec:
  listeners: {smtp: [{name: a, address: "127.0.0.1:0", relayNetworks: [127.0.0.0/8]}]}
  spool: {type: SQLite, sqlite: {path: spool.db}}
  resources: {directory: .}
${members}`,
  );
  return loadSettings(file);
}

test('client certificates have names and files; two of one name and files that are not there are mistakes with their lines', () => {
  for (const name of ['tls.crt', 'tls.key']) writeFileSync(join(directory, name), 'x');
  const good = load('  certificates: [{name: partner, certificateFile: tls.crt, keyFile: tls.key}]\n');
  assert.ok('settings' in good);
  assert.deepEqual(good.settings.certificates, [
    {
      name: 'partner',
      certificateFile: join(directory, 'tls.crt'),
      keyFile: join(directory, 'tls.key'),
    },
  ]);
  const bad = load(
    `  certificates:
  - {name: partner, certificateFile: tls.crt, keyFile: tls.key}
  - {name: partner, certificateFile: tls.crt, keyFile: gone.key}
`,
  );
  assert.ok('problems' in bad);
  assert.deepEqual(
    bad.problems.map(({ line, what }) =>
      `${line} ${what.replace(/: ENOENT.*/, '')}`.replaceAll(directory, ''),
    ),
    ['9 "partner" is listed twice.', '9 Cannot read /gone.key'],
  );
});

test('a policy that names a certificate which sluice.yaml does not have is told before mail waits for it', () => {
  const { resources } = parseResources(
    `apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: partners}
spec:
  default: {session: {tls: {clientCertificateName: usual}}}
  destinations:
  - {name: bank, match: {domains: [bank.example]}, session: {tls: {clientCertificateName: bank}}}
`,
    'policy.yaml',
  );
  const { config } = compile({ resources });
  const told = unknownNames(config, { tenants: [], classes: [], certificates: [{ name: 'usual' }] });
  assert.equal(told.length, 1);
  assert.match(told[0]?.what ?? '', /ShapingPolicy\/partners.*no certificate "bank"/);
});
