import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SluiceError } from '@sluice/crds';
import { CERTIFICATE_CHECK_MS, ClientCertificates } from './client-certificates.ts';

const ODD = join(import.meta.dirname, '../../testdata/tls/odd');

interface Fixture {
  readonly files: { readonly name: string; readonly certificateFile: string; readonly keyFile: string };
  readonly told: string[];
  readonly certificates: ClientCertificates;
  /** So much later. */
  pass(ms: number): void;
}

function fixture(context: TestContext): Fixture {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-certificates-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const files = {
    name: 'partner',
    certificateFile: join(directory, 'tls.crt'),
    keyFile: join(directory, 'tls.key'),
  };
  copyFileSync(join(ODD, 'client.pem'), files.certificateFile);
  copyFileSync(join(ODD, 'odd.key'), files.keyFile);
  let nowMs = 0;
  const told: string[] = [];
  const certificates = new ClientCertificates([files], () => nowMs, {
    reloaded: (name) => told.push(`reloaded ${name}`),
    unusable: (name) => told.push(`unusable ${name}`),
  });
  return {
    files,
    told,
    certificates,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

test('a renewed certificate is shown without a restart', (context) => {
  const { files, told, certificates, pass } = fixture(context);
  const before = certificates.find('partner');
  copyFileSync(join(ODD, 'client-renewed.pem'), files.certificateFile);
  assert.equal(certificates.find('partner'), before, 'the files are not looked at for every connection');
  pass(CERTIFICATE_CHECK_MS);
  const after = certificates.find('partner');
  assert.notEqual(after?.fingerprint, before?.fingerprint);
  assert.deepEqual(told, ['reloaded partner']);
});

test('a certificate without its key, half written, or gone does not stop mail: the one of before goes on, told once', (context) => {
  const { files, told, certificates, pass } = fixture(context);
  const before = certificates.find('partner');
  for (const spoil of [
    () => copyFileSync(join(ODD, 'other.key'), files.keyFile),
    () => writeFileSync(files.certificateFile, '-----BEGIN CERTI'),
    () => rmSync(files.certificateFile),
  ]) {
    spoil();
    for (let turn = 0; turn < 3; turn++) {
      pass(CERTIFICATE_CHECK_MS);
      assert.equal(certificates.find('partner'), before);
    }
  }
  assert.deepEqual(told, ['unusable partner', 'unusable partner', 'unusable partner']);
  copyFileSync(join(ODD, 'odd.key'), files.keyFile);
  copyFileSync(join(ODD, 'client-renewed.pem'), files.certificateFile);
  pass(CERTIFICATE_CHECK_MS);
  assert.notEqual(certificates.find('partner')?.fingerprint, before?.fingerprint);
});

test('a certificate that cannot be used is said at the start, by its name', () => {
  const files = {
    name: 'partner',
    certificateFile: join(ODD, 'client.pem'),
    keyFile: join(ODD, 'other.key'),
  };
  assert.throws(
    () => new ClientCertificates([files], () => 0, { reloaded: () => {}, unusable: () => {} }),
    (error) =>
      error instanceof SluiceError &&
      error.code === 'SLUICE_CERTIFICATE_UNUSABLE' &&
      error.message.includes('partner'),
  );
});
