import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filesIn, HEAD, sluice } from './command-run.fixture.ts';

test('a proxy beyond loopback does not start until somebody says who may use it', async () => {
  const { exitCode, err } = await sluice(['proxy', '--listen', '0.0.0.0:0']);
  assert.notEqual(exitCode, 0);
  assert.match(err, /--allow-client is missing/);
});

for (const [flags, says] of [
  [['--listen', '1080'], /Write an address with a port/],
  [['--allow-client', '10.0.0.0/33'], /Write CIDR form/],
  [['--allow-port', '0'], /from 1 to 65535/],
  [['--idle-timeout', '15'], /Write a duration/],
  [['--tls-key', 'tls.key'], /belong together/],
  [['--users', '/does/not/exist'], /Cannot read/],
  [['--max-connections', '0'], /at least 1/],
] as const) {
  test(`sluice proxy ${flags.join(' ')} is refused with what to write`, async () => {
    const { exitCode, err } = await sluice(['proxy', ...flags]);
    assert.notEqual(exitCode, 0);
    assert.match(err, says);
  });
}

test('sluice run --check and sluice validate name a credential that a pool uses and sluice.yaml has not', async () => {
  const root = filesIn({
    'sluice.yaml': `${HEAD}kind: MtaConfig
spec:
  listeners: {smtp: [{name: a, address: "127.0.0.1:0", relayNetworks: [127.0.0.0/8]}]}
  spool: {type: SQLite, sqlite: {path: spool.db}}
  resources: {directory: resources}
  credentials: [{name: other, username: mta, password: secret}]
`,
    'resources/pool.yaml': `${HEAD}kind: EgressPool
metadata: {name: main}
spec:
  egress:
    type: SOCKS5
    socks5: {endpoint: {host: egress.example, port: 1080}, credentialName: egress}
  sources:
  - {name: ip-1, address: 192.0.2.1, ehlo: out.example}
`,
  });
  const checked = await sluice(['run', '--config', `${root}sluice.yaml`, '--check'], root);
  assert.equal(checked.exitCode, 1);
  assert.match(checked.err, /EgressPool\/main: sluice\.yaml has no credential "egress"/);
  const validated = await sluice(['validate', `${root}sluice.yaml`, `${root}resources`], root);
  assert.equal(validated.exitCode, 0);
  assert.match(validated.err, /warning: .*no credential "egress"/);
});
