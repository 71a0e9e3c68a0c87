import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CertificateFiles {
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/**
 * A CA and certificates signed by it, made by openssl into a directory: one for a server on 127.0.0.1, one for a client.
 *
 * Example: `const { server, client } = makeCertificates(directory, 'sluice');`
 */
export function makeCertificates(
  directory: string,
  clientName: string,
): { readonly server: CertificateFiles; readonly client: CertificateFiles } {
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: 'ignore' });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    '-subj',
    '/CN=Test CA',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
  );
  const sign = (name: string, commonName: string, extensions: string): CertificateFiles => {
    openssl(
      'req',
      '-new',
      ...key,
      '-subj',
      `/CN=${commonName}`,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.csr`),
    );
    writeFileSync(file(`${name}.ext`), extensions);
    const ca = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial'];
    const request = [
      '-in',
      file(`${name}.csr`),
      '-out',
      file(`${name}.pem`),
      '-extfile',
      file(`${name}.ext`),
    ];
    openssl('x509', '-req', '-days', '2', ...ca, ...request);
    return { caFile: file('ca.pem'), certificateFile: file(`${name}.pem`), keyFile: file(`${name}.key`) };
  };
  return {
    server: sign(
      'server',
      '127.0.0.1',
      'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n',
    ),
    client: sign(
      'client',
      clientName,
      `subjectAltName=email:${clientName}@sluice.example\nextendedKeyUsage=clientAuth\n`,
    ),
  };
}
