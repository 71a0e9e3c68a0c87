import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Certificates of a control plane on 127.0.0.1, made by openssl. */
export interface ClusterCertificates {
  readonly caFile: string;
  readonly serverCertificateFile: string;
  readonly serverKeyFile: string;
  /** Signs service account tokens. */
  readonly serviceAccountKeyFile: string;
  /** A client certificate: the name becomes the user, the organisations its groups. */
  client(
    user: string,
    groups: readonly string[],
  ): { readonly certificate: string; readonly key: string; readonly ca: string };
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Example: `const certificates = clusterCertificates(directory); certificates.client('admin', ['system:masters'])` */
export function clusterCertificates(directory: string): ClusterCertificates {
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: 'ignore' });
  };
  const caFile = file('ca.pem');
  openssl(
    'req',
    '-x509',
    ...KEY,
    '-days',
    '2',
    '-subj',
    '/CN=Test CA',
    '-keyout',
    file('ca.key'),
    '-out',
    caFile,
  );
  openssl('genrsa', '-out', file('service-account.key'), '2048');
  const sign = (name: string, subject: string, extensions: string): void => {
    openssl(
      'req',
      '-new',
      ...KEY,
      '-subj',
      subject,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.csr`),
    );
    writeFileSync(file(`${name}.ext`), extensions);
    const ca = ['-CA', caFile, '-CAkey', file('ca.key'), '-CAcreateserial'];
    const files = ['-in', file(`${name}.csr`), '-out', file(`${name}.pem`), '-extfile', file(`${name}.ext`)];
    openssl('x509', '-req', '-days', '2', ...ca, ...files);
  };
  sign(
    'server',
    '/CN=kube-apiserver',
    'subjectAltName=IP:127.0.0.1,IP:10.0.0.1,DNS:localhost,DNS:kubernetes.default.svc\nextendedKeyUsage=serverAuth\n',
  );
  let clients = 0;
  return {
    caFile,
    serverCertificateFile: file('server.pem'),
    serverKeyFile: file('server.key'),
    serviceAccountKeyFile: file('service-account.key'),
    client(user, groups) {
      const name = `client-${++clients}`;
      const organisations = groups.map((group) => `/O=${group}`).join('');
      sign(name, `${organisations}/CN=${user}`, 'extendedKeyUsage=clientAuth\n');
      return {
        certificate: readFileSync(file(`${name}.pem`), 'utf8'),
        key: readFileSync(file(`${name}.key`), 'utf8'),
        ca: readFileSync(caFile, 'utf8'),
      };
    },
  };
}
