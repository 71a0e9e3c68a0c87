import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files of a fresh self-signed certificate, named as `tls` of a listener names them. */
export interface TestCertificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** The same in PEM. */
export interface TestKey {
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a certificate with `openssl`, valid for a month.
 *
 * Example: `const tls = { mode: 'StartTls', ...makeCertificate('mta.example') };`
 */
export function makeCertificate(name = 'mta.example', directory = newDirectory()): TestCertificate {
  const certificateFile = join(directory, 'cert.pem');
  const keyFile = join(directory, 'key.pem');
  execFileSync(
    'openssl',
    [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30'.split(' '),
      ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`],
      ...['-keyout', keyFile, '-out', certificateFile],
    ],
    { stdio: 'ignore' },
  );
  return { certificateFile, keyFile };
}

/** A certificate and its key; no file is left. */
export function makeKey(): TestKey {
  const directory = newDirectory();
  const { certificateFile, keyFile } = makeCertificate('mta.example', directory);
  const made = { cert: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  rmSync(directory, { recursive: true });
  return made;
}

function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'sluice-certificate-'));
}
