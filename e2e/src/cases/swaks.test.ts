import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { type RecordingSink, startRecordingSink } from '../harness/recording-sink.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { makeCertificate } from '../harness/test-certificate.ts';
import { until } from '../harness/until.ts';

const SWAKS = '/usr/bin/swaks';
const skip = existsSync(SWAKS)
  ? false
  : `${SWAKS} is not here (Debian package swaks): NOT COVERED: a client that is not ours with AUTH, TLS, PIPELINING and PROXY headers`;

let sink: RecordingSink;
let sluice: SluiceProcess;

before(async () => {
  if (skip !== false) return;
  sink = await startRecordingSink(['PIPELINING', 'CHUNKING', '8BITMIME', 'SMTPUTF8']);
  const tls = { ...makeCertificate() };
  const users = [{ username: 'shop', password: 'correct horse' }];
  const base = { address: '127.0.0.1:0' };
  sluice = await startSluice({
    spec: {
      routes: [routeTo('*', sink)],
      listeners: {
        smtp: [
          { ...base, name: 'submission', tls: { ...tls, mode: 'StartTls' }, auth: { users } },
          { ...base, name: 'submissions', tls: { ...tls, mode: 'Implicit' }, auth: { users } },
          { ...base, name: 'relay', relayNetworks: ['127.0.0.0/8'] },
          {
            ...base,
            name: 'proxied',
            relayNetworks: ['192.0.2.0/24'],
            proxyProtocol: { trustedNetworks: ['127.0.0.0/8'] },
          },
        ],
        admin: { address: '127.0.0.1:0' },
      },
    },
    resources: { 'pool.yaml': onePool(['127.0.3.4']), 'policy.yaml': onePolicy({}) },
  });
});

after(async () => {
  if (skip !== false) return;
  await sluice.close();
  await sink.close();
});

interface Swaks {
  /** Its exit status: 0 = the message was taken, 28 = AUTH failed, 24 = no recipient was taken, and so on. */
  readonly status: number;
  readonly transcript: string;
}

/** Runs swaks against a listener. */
function swaks(listener: string, ...flags: readonly string[]): Promise<Swaks> {
  const line = sluice.log.find(
    (text) => text.includes('"listening"') && text.includes(`"listener":"${listener}"`),
  );
  const { address, port } = JSON.parse(line ?? '{}');
  const always = [
    '--server',
    address,
    '--port',
    String(port),
    '--helo',
    'client.example',
    '--from',
    'a@shop.example',
  ];
  return new Promise((resolve) => {
    execFile(SWAKS, [...always, '--timeout', '10', ...flags], (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ status, transcript: `${stdout}${stderr}` });
    });
  });
}

const LOGIN = ['--auth-user', 'shop', '--auth-password', 'correct horse'];

/** Who gets in and how, with what swaks ends with. */
const RUNS: readonly (readonly [
  title: string,
  listener: string,
  flags: readonly string[],
  status: number,
  says: RegExp,
])[] = [
  [
    'AUTH PLAIN under STARTTLS',
    'submission',
    ['--tls', '--auth', 'PLAIN', ...LOGIN],
    0,
    /with ESMTPSA|queued as/,
  ],
  ['AUTH LOGIN under STARTTLS', 'submission', ['--tls', '--auth', 'LOGIN', ...LOGIN], 0, /235 2\.7\.0/],
  [
    'AUTH LOGIN under implicit TLS',
    'submissions',
    ['--tls-on-connect', '--auth', 'LOGIN', ...LOGIN],
    0,
    /235 2\.7\.0/,
  ],
  [
    'TLS 1.2',
    'submissions',
    ['--tls-on-connect', '--tls-protocol', 'tlsv1_2', '--auth', 'PLAIN', ...LOGIN],
    0,
    /queued as/,
  ],
  ['PIPELINING', 'relay', ['--pipeline'], 0, /250-PIPELINING[\s\S]*queued as/],
  [
    'PIPELINING under TLS',
    'submission',
    ['--tls', '--pipeline', '--auth', 'PLAIN', ...LOGIN],
    0,
    /queued as/,
  ],
  [
    'PROXY version 1',
    'proxied',
    ['--proxy-version', '1', '--proxy', 'TCP4 192.0.2.9 127.0.0.1 4000 25'],
    0,
    /queued as/,
  ],
  [
    'PROXY version 2',
    'proxied',
    '--proxy-version 2 --proxy-family AF_INET --proxy-protocol STREAM --proxy-source 192.0.2.9 --proxy-source-port 4000 --proxy-dest 127.0.0.1 --proxy-dest-port 25'.split(
      ' ',
    ),
    0,
    /queued as/,
  ],
  [
    'a wrong password',
    'submission',
    ['--tls', '--auth', 'PLAIN', '--auth-user', 'shop', '--auth-password', 'x'],
    28,
    /535 5\.7\.8/,
  ],
  [
    'no TLS where AUTH needs it',
    'submission',
    ['--auth', 'PLAIN', ...LOGIN],
    28,
    /did not advertise authentication/,
  ],
  ['no AUTH', 'submission', ['--tls'], 24, /550 5\.7\.1 Relaying denied/],
  [
    'a PROXY header from another network',
    'proxied',
    ['--proxy-version', '1', '--proxy', 'TCP4 198.51.100.1 127.0.0.1 4000 25'],
    24,
    /550 5\.7\.1/,
  ],
  ['no PROXY header where one must be', 'proxied', ['--timeout', '1'], 21, /Timeout/],
];

for (const [title, listener, flags, status, says] of RUNS) {
  test(`swaks, ${title}: ${status === 0 ? 'gets in' : 'is kept out'}`, {
    skip,
    timeout: 20_000,
  }, async () => {
    const recipient = `${title.replace(/[^a-z0-9]/gi, '.').toLowerCase()}@away.example`;
    const run = await swaks(listener, ...flags, '--to', recipient);
    assert.equal(run.status, status, run.transcript);
    assert.match(run.transcript, says);
    if (status !== 0 || !run.transcript.includes('queued as')) return;
    await until(
      'the message arrives',
      () => sink.mails.filter(({ recipients }) => recipients[0]?.startsWith(`<${recipient}>`)).length,
      (count) => count === 1,
      10_000,
    );
  });
}

test('swaks, a body of bare LFs and of dots: what it sends is what arrives', {
  skip,
  timeout: 20_000,
}, async () => {
  const data =
    'Date: Tue, 24 Nov 2026 10:00:00 +0000\\nMessage-ID: <s@shop.example>\\nSubject: x\\n\\n.\\n..\\nend\\n';
  const run = await swaks('relay', '--to', 'dots@away.example', '--data', data);
  assert.equal(run.status, 0, run.transcript);
  const found = () => sink.mails.find(({ recipients }) => recipients[0]?.startsWith('<dots@'));
  await until('the message arrives', () => found() !== undefined, Boolean, 10_000);
  assert.match(found()?.text ?? '', /\r\nSubject: x\r\n\r\n\.\r\n\.\.\r\nend\r\n/);
  assert.deepEqual(sink.offences, []);
});
