import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files of a fresh self-signed certificate, named as `tls` of a listener names them. */
export interface TestCertificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/**
 * Makes a certificate with `openssl`, valid for a month.
 *
 * Example: `const tls = { mode: 'StartTls', ...makeCertificate('mta.example') };`
 */
export function makeCertificate(name = 'mta.example'): TestCertificate {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-certificate-'));
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
