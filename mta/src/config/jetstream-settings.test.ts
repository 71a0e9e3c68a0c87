import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { JetStreamSettings } from './jetstream-settings.ts';
import { loadSettings } from './settings-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-nats-settings-'));
after(() => rmSync(directory, { recursive: true }));

function load(jetstream: string): ReturnType<typeof loadSettings> {
  const file = join(directory, 'sluice.yaml');
  writeFileSync(
    file,
    `
apiVersion: sluice.email/v1alpha1
kind: MtaConfig
spec:
  hostname: pod-1.example
  listeners: {smtp: [{name: in, address: 127.0.0.1:0, relayNetworks: [127.0.0.0/8]}]}
  resources: {directory: resources}
  spool:
    type: JetStream
    jetstream:
${jetstream}
`,
  );
  return loadSettings(file);
}

function settingsOf(jetstream: string): JetStreamSettings {
  const loaded = load(jetstream);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  const { spool } = loaded.settings;
  assert.ok(spool.type === 'JetStream');
  return spool;
}

/** What is said of the only mistake. */
function problemOf(jetstream: string): string {
  const loaded = load(jetstream);
  if ('settings' in loaded) assert.fail('it was taken');
  assert.equal(loaded.problems.length, 1, JSON.stringify(loaded.problems));
  return `${loaded.problems[0]?.field}: ${loaded.problems[0]?.what}`;
}

test('one server is enough: everything else has a safe default', () => {
  const settings = settingsOf('      servers: ["nats://nats.mail:4222"]');
  assert.deepEqual(settings.servers, ['nats://nats.mail:4222']);
  assert.deepEqual(settings.credentials, { kind: 'none' });
  assert.equal(settings.durability, 'Replicated');
  assert.equal(settings.prefix, 'sluice');
  assert.equal(settings.streams, 'Create');
  assert.equal(settings.tls, undefined);
});

test('each way to log in is read, from files where it is a secret', () => {
  writeFileSync(join(directory, 'secret'), 's3cret\n');
  const servers = '      servers: ["tls://nats:4222"]\n';
  assert.deepEqual(settingsOf(`${servers}      credentials: {user: pod, passwordFile: secret}`).credentials, {
    kind: 'password',
    user: 'pod',
    password: 's3cret',
  });
  assert.deepEqual(settingsOf(`${servers}      credentials: {tokenFile: secret}`).credentials, {
    kind: 'token',
    token: 's3cret',
  });
  assert.deepEqual(settingsOf(`${servers}      credentials: {nkeySeedFile: secret}`).credentials, {
    kind: 'nkey',
    seedFile: join(directory, 'secret'),
  });
  assert.deepEqual(settingsOf(`${servers}      credentials: {credsFile: secret}`).credentials, {
    kind: 'creds',
    file: join(directory, 'secret'),
  });
  assert.deepEqual(settingsOf(`${servers}      tls: {caFile: ca.pem}`).tls, {
    caFile: join(directory, 'ca.pem'),
  });
});

test('what contradicts itself is told with the field, before anything is stored', () => {
  const servers = '      servers: ["nats://nats:4222"]\n';
  const at = 'spec.spool.jetstream';
  assert.match(
    problemOf(`${servers}      credentials: {}`),
    new RegExp(`^${at}.credentials: .*exactly one way`),
  );
  assert.match(
    problemOf(`${servers}      credentials: {user: pod}`),
    /credentials: User "pod" has no password/,
  );
  assert.match(
    problemOf(`${servers}      credentials: {user: pod, password: x, tokenFile: secret}`),
    /exactly one way/,
  );
  assert.match(problemOf(`${servers}      credentials: {tokenFile: not-there}`), /Cannot read .*not-there/);
  assert.match(problemOf(`${servers}      tls: {certificateFile: pod.pem}`), /belong together/);
  assert.match(problemOf('      servers: ["nats://user:password@nats:4222"]'), /servers/);
  assert.match(problemOf(`${servers}      prefix: a.b`), /prefix/);
});
