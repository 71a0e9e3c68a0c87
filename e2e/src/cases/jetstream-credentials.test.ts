import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { SluiceError } from '@sluice/crds';
import { type JetStreamSpoolOptions, Layout, openNats, podPermissions } from '@sluice/mta/spool';
import { makeCertificates } from '../harness/certificates.ts';
import { openFollowed, testSpoolOptions } from '../harness/jetstream-opener.ts';
import { credsIdentity, userNkey } from '../harness/nats-identities.ts';
import { type NatsOptions, skipWithoutNats, startNats } from '../harness/nats-server.ts';

const skip = await skipWithoutNats('ways to log in to NATS, with the least permissions');
const PREFIX = 'mail';
const layout = new Layout({ prefix: PREFIX, spoolStreams: 1 });
const permissions = podPermissions(layout, true);

/** Stores, reads, records, replays and closes with these credentials. */
async function works(url: string, changes: Partial<JetStreamSpoolOptions>): Promise<void> {
  const spool = await openFollowed(testSpoolOptions([url], PREFIX, changes));
  const envelope = {
    id: '01KAXY0S3E8M0N8Q7V6Y5ZJ4TC',
    sender: 'a@shop.example',
    recipients: ['b@a.example'],
    tenant: '',
    campaign: '',
    class: '',
    acceptedAtMs: 1,
    notBeforeMs: 0,
    expireAtMs: 0,
    sizeBytes: 6_000_000,
    eightBit: false,
    smtputf8: false,
    origin: 'test',
  };
  const body = [Buffer.alloc(6_000_000, 'x')];
  const stored = await spool.append(envelope, body);
  assert.ok(!('refused' in stored), JSON.stringify(stored));
  assert.equal(Buffer.concat((await spool.read(stored))?.body ?? []).length, 6_000_000);
  const replayed = [];
  for await (const message of spool.replay()) replayed.push(message.reference.id);
  assert.deepEqual(replayed, [envelope.id]);
  assert.deepEqual(await spool.record([{ kind: 'done', reference: stored, group: 0 }]), { mismatched: 0 });
  await spool.close();
}

async function server(context: TestContext, options: NatsOptions): Promise<string> {
  const nats = await startNats(options);
  context.after(() => nats.close());
  return nats.url;
}

function directory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-credentials-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('a pod with the least permissions does all it has to: user and password', { skip }, async (context) => {
  const url = await server(context, {
    users: [{ identity: { user: 'pod', password: 'secret' }, permissions }],
  });
  await works(url, { credentials: { kind: 'password', user: 'pod', password: 'secret' } });
});

test('the least permissions are enough to go on reading when a server lost the consumer: a part of the store would never be owned', {
  skip,
  timeout: 20_000,
}, async (context) => {
  const identity = { user: 'pod', password: 'secret' };
  const admin = { user: 'admin', password: 'secret' };
  const url = await server(context, { users: [{ identity, permissions }, { identity: admin }] });
  const open = async (login: typeof identity) => {
    const connection = await openNats({
      servers: [url],
      credentials: { kind: 'password', ...login },
      inboxPrefix: layout.inboxPrefix,
      name: 'test',
    });
    context.after(() => connection.close());
    return connection;
  };
  const spool = await openFollowed(
    testSpoolOptions([url], PREFIX, { credentials: { kind: 'password', ...identity } }),
  );
  context.after(() => spool.close());
  const pod = await open(identity);
  const [stream = ''] = layout.spoolStreamNames;
  const consumer = await jetstream(pod).consumers.get(stream, {
    filter_subjects: layout.messageFilter(0, 'spool'),
    deliver_policy: DeliverPolicy.All,
  });
  const { name } = await consumer.info(true);
  const messages = await consumer.consume({ expires: 2_000 });
  await (await jetstreamManager(await open(admin))).consumers.delete(stream, name);
  pod.publish(layout.messageSubject(0, 'spool', 1), 'stored after its end');
  let last = '';
  for await (const message of messages) {
    last = message.string();
    if (last !== '') break;
  }
  assert.equal(last, 'stored after its end');
});

test('a pod may log in with a token', { skip }, async (context) => {
  const url = await server(context, { token: 'a-token' });
  await works(url, { credentials: { kind: 'token', token: 'a-token' } });
});

test('a pod may log in with an nkey from a file', { skip }, async (context) => {
  const { seed, publicKey } = userNkey();
  const seedFile = join(directory(context), 'pod.nk');
  writeFileSync(seedFile, `${seed}\n`);
  const url = await server(context, { users: [{ identity: { nkey: publicKey }, permissions }] });
  await works(url, { credentials: { kind: 'nkey', seedFile } });
});

test('a pod may log in with a .creds file of a decentralised account', { skip }, async (context) => {
  const { serverLines, credsFile } = credsIdentity(permissions);
  const file = join(directory(context), 'pod.creds');
  writeFileSync(file, credsFile);
  const url = await server(context, { extra: serverLines });
  await works(url, { credentials: { kind: 'creds', file } });
});

test('TLS: a server of an unknown CA is not spoken to, one of the given CA is; it may demand a certificate', {
  skip,
}, async (context) => {
  const files = directory(context);
  const { server: serverFiles, client } = makeCertificates(files, 'pod');
  const url = await server(context, { tls: { files: serverFiles, clients: 'Verified' } });
  await works(url, { tls: client });
  await works(url.replace('nats:', 'tls:'), { tls: client });
  await refusedWith('SLUICE_NATS_UNREACHABLE', url, {});
  await refusedWith('SLUICE_NATS_UNREACHABLE', url, { tls: { caFile: client.caFile } });
});

test('a wrong password, a server that is not there, missing rights: each says what is wrong', {
  skip,
}, async (context) => {
  const { publish, subscribe } = permissions;
  const url = await server(context, {
    users: [
      { identity: { user: 'pod', password: 'secret' }, permissions },
      {
        identity: { user: 'blind', password: 'secret' },
        permissions: { publish: publish.filter((subject) => !subject.includes('STREAM.CREATE')), subscribe },
      },
    ],
  });
  const credentials = { kind: 'password', user: 'pod', password: 'guessed' } as const;
  await refusedWith('SLUICE_NATS_REFUSED', url, { credentials });
  await refusedWith('SLUICE_NATS_UNREACHABLE', 'nats://127.0.0.1:1', { credentials });
  const blind = { kind: 'password', user: 'blind', password: 'secret' } as const;
  const error = await refusedWith('SLUICE_NATS_UNUSABLE', url, { credentials: blind });
  assert.match(error.message, /STREAM\.CREATE/);
  await refusedWith('SLUICE_NATS_UNUSABLE', url, { credentials: blind, streams: 'Check' });
  // Somebody who may has made them: now the lesser rights are enough.
  await works(url, { credentials: { kind: 'password', user: 'pod', password: 'secret' } });
  await works(url, { credentials: blind, streams: 'Check' });
});

async function refusedWith(
  code: SluiceError['code'],
  url: string,
  changes: Partial<JetStreamSpoolOptions>,
): Promise<SluiceError> {
  try {
    await (await openFollowed(testSpoolOptions([url], PREFIX, changes))).close();
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error));
    assert.equal(error.code, code, error.message);
    assert.ok(error.cure.length > 0);
    return error;
  }
  assert.fail('it was opened');
}
