import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadSettings } from './settings-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-events-settings-'));
after(() => rmSync(directory, { recursive: true }));

const JETSTREAM = `
  spool:
    type: JetStream
    jetstream: {servers: ["tls://mail:4222"], prefix: mail, durability: Single, credentials: {user: pod, password: x}, tls: {caFile: ca.pem}}`;

function load(events: string, spool = '') {
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
  events: {jetstream: ${events}}${spool}
${spool === '' ? '  spool: {type: SQLite, sqlite: {path: spool.sqlite}}' : ''}
`,
  );
  return loadSettings(file);
}

function streamOf(events: string, spool?: string) {
  const loaded = load(events, spool);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  return loaded.settings.events.jetstream;
}

test('where mail is on NATS already, events need no second login: nothing has to be said', () => {
  assert.deepEqual(streamOf('{}', JETSTREAM), {
    servers: ['tls://mail:4222'],
    credentials: { kind: 'password', user: 'pod', password: 'x' },
    tls: { caFile: join(directory, 'ca.pem') },
    prefix: 'mail',
    durability: 'Single',
    guarantee: 'Complete',
    maxBytes: 2 * 2 ** 30,
    maxAgeMs: 72 * 3_600_000,
    stream: 'Create',
  });
});

test('another cluster for events gets nothing of the login of the first', () => {
  const stream = streamOf('{servers: ["nats://events:4222"], guarantee: BestEffort}', JETSTREAM);
  assert.deepEqual(stream?.credentials, { kind: 'none' });
  assert.equal(stream?.tls, undefined);
  assert.equal(stream?.prefix, 'sluice');
  assert.equal(stream?.durability, 'Replicated');
  assert.equal(stream?.guarantee, 'BestEffort');
});

test('with SQLite the servers must be named', () => {
  const loaded = load('{}');
  assert.ok('problems' in loaded);
  assert.equal(loaded.problems[0]?.field, 'spec.events.jetstream');
  assert.match(loaded.problems[0]?.cure ?? '', /Add servers/);
  assert.deepEqual(streamOf('{servers: ["nats://events:4222"]}')?.servers, ['nats://events:4222']);
});
