import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { testKey } from '../../testdata/tls/test-key.ts';
import type { AuthUser } from './listener-options.ts';
import { passwordCheck } from './password-check.ts';
import { ENVELOPE, FIELDS, RawClient, startIntake } from './raw-client-fixture.ts';

const CERTIFICATE = testKey('listener');
const RENEWED_CERTIFICATE = testKey('renewed');
const MESSAGE = `${FIELDS}\r\nhello\r\n.\r\n`;
const TLS = { ...CERTIFICATE, mode: 'StartTls' as const };
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const PLAIN = `AUTH PLAIN ${base64('\0alice\0secret')}\r\n`;

const ALICE: AuthUser = { username: 'alice', tenant: 'acme', checkPassword: passwordCheck('secret') };
const BOB: AuthUser = { username: 'bob', tenant: '', checkPassword: async (password) => password === 'b' };
const findUser = (name: string): AuthUser | undefined => [ALICE, BOB].find((user) => user.username === name);
const AUTH = { relayNetworks: [], tls: TLS, auth: { findUser } };
const CLEAR_AUTH = { relayNetworks: [], auth: { findUser, requireTls: false } };

test('a password is never asked for in the clear, and opens the relay under TLS', async (t) => {
  const intake = await startIntake(t, AUTH);
  const client = intake.client();
  const clear = await client.hello();
  assert.match(clear, /250-STARTTLS/);
  assert.doesNotMatch(clear, /AUTH/);
  assert.match((await client.ask(PLAIN))[0] ?? '', /^538 5\.7\.11 /);
  assert.match((await client.ask('STARTTLS\r\n'))[0] ?? '', /^220 /);
  await client.startTls();
  assert.match((await client.ask('MAIL FROM:<a@b.example>\r\n'))[0] ?? '', /^503 5\.5\.1 /);
  const [secure = ''] = await client.ask('EHLO client.example\r\n');
  assert.match(secure, /250-AUTH PLAIN LOGIN/);
  assert.doesNotMatch(secure, /STARTTLS/);
  assert.match((await client.ask(PLAIN))[0] ?? '', /^235 2\.7\.0 /);
  assert.match((await client.ask(PLAIN))[0] ?? '', /^503 5\.5\.1 /);
  await client.ask(ENVELOPE, 3);
  assert.match((await client.ask(MESSAGE))[0] ?? '', /^250 2\.0\.0 queued/);
  const mail = intake.accepted[0];
  assert.equal(mail?.envelope.origin, 'smtp [127.0.0.1] user=alice');
  assert.equal(mail?.envelope.tenant, 'acme');
  assert.match(mail?.text ?? '', /with ESMTPSA\r\n\t\(TLSv1\.3 TLS_[A-Z0-9_]+\)\r\n\tid /);
});

test('commands slipped in behind STARTTLS would run as if they had been encrypted', async (t) => {
  const intake = await startIntake(t, AUTH);
  const client = intake.client();
  await client.hello();
  assert.match((await client.ask('STARTTLS\r\nEHLO evil.example\r\n'))[0] ?? '', /^503 5\.5\.1 /);
  await client.closed();
});

test('AUTH LOGIN, its cancelling, and what is no base64', async (t) => {
  const intake = await startIntake(t, CLEAR_AUTH);
  const client = intake.client();
  await client.hello();
  assert.deepEqual(await client.ask('AUTH LOGIN\r\n'), [`334 ${base64('Username:')}`]);
  assert.match((await client.ask('*\r\n'))[0] ?? '', /^501 5\.7\.0 /);
  assert.match((await client.ask('AUTH PLAIN !!!\r\n'))[0] ?? '', /^501 5\.5\.2 /);
  assert.match((await client.ask('AUTH CRAM-MD5\r\n'))[0] ?? '', /^504 5\.5\.4 /);
  assert.match(
    (await client.ask(`AUTH PLAIN ${base64('root\0alice\0secret')}\r\n`))[0] ?? '',
    /^535 5\.7\.8 /,
  );
  await client.ask('AUTH LOGIN\r\n');
  assert.deepEqual(await client.ask(`${base64('bob')}\r\n`), [`334 ${base64('Password:')}`]);
  assert.match((await client.ask(`${base64('b')}\r\n`))[0] ?? '', /^235 2\.7\.0 /);
});

test('somebody could try passwords without end', async (t) => {
  const intake = await startIntake(t, CLEAR_AUTH);
  const client = intake.client();
  await client.hello();
  for (const wrong of ['\0alice\0wrong', '\0nobody\0secret']) {
    assert.match((await client.ask(`AUTH PLAIN ${base64(wrong)}\r\n`))[0] ?? '', /^535 5\.7\.8 /);
  }
  const replies = await client.ask(`AUTH PLAIN ${base64('\0alice\0x')}\r\n`, 2);
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 9)),
    ['535 5.7.8', '421 4.7.0'],
  );
  await client.closed();
});

test('a user without a tenant of its own names one in a header, one that has a tenant cannot', async (t) => {
  const intake = await startIntake(t, { ...CLEAR_AUTH, headers: { tenant: 'X-Sluice-Tenant' } });
  for (const [login, tenant] of [
    ['\0alice\0secret', 'acme'],
    ['\0bob\0b', 'other'],
  ] as const) {
    const client = intake.client();
    await client.hello();
    await client.ask(`AUTH PLAIN ${base64(login)}\r\n`);
    await client.ask(ENVELOPE, 3);
    await client.ask(`x-sluice-tenant: other\r\n${MESSAGE}`);
    assert.equal(intake.accepted.at(-1)?.envelope.tenant, tenant);
    assert.doesNotMatch(intake.accepted.at(-1)?.text ?? '', /x-sluice/i);
  }
});

test('implicit TLS greets after the handshake; a renewed certificate is used without a restart', async (t) => {
  const intake = await startIntake(t, { tls: { ...CERTIFICATE, mode: 'Implicit' } });
  const nameOf = async (): Promise<string | string[] | undefined> => {
    const socket = connectTls({ port: intake.listener.port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const name = socket.getPeerCertificate().subject.CN;
    socket.destroy();
    return name;
  };
  const client = await RawClient.connectTls(intake.listener.port);
  await client.hello();
  await client.ask(ENVELOPE, 3);
  assert.equal(await nameOf(), 'mta.example');
  assert.throws(() => intake.listener.reloadTls({ ...CERTIFICATE, key: RENEWED_CERTIFICATE.key }), {
    code: 'SLUICE_TLS_UNUSABLE',
  });
  assert.equal(await nameOf(), 'mta.example');
  intake.listener.reloadTls(RENEWED_CERTIFICATE);
  assert.equal(await nameOf(), 'renewed.example');
  assert.match((await client.ask(MESSAGE))[0] ?? '', /^250 /);
  client.destroy();
});

test('behind a response that cannot be read the client gives commands again, and they are run as such', async (t) => {
  const intake = await startIntake(t, CLEAR_AUTH);
  for (const response of ['\0\r\n', 'a\n', '\xff\r\n', `${'x'.repeat(13_000)}\r\n`]) {
    const client = intake.client();
    await client.hello();
    const replies = await client.ask(`AUTH PLAIN\r\n${response}NOOP\r\n`, 3);
    assert.deepEqual(
      replies.map((reply) => reply.slice(0, 9)),
      ['334', '500 5.5.2', '250 2.0.0'],
    );
  }
});

test('a client that breaks the handshake harms nobody else', async (t) => {
  const intake = await startIntake(t, AUTH);
  const client = intake.client();
  await client.hello();
  await client.ask('STARTTLS\r\n');
  client.write('this is no handshake\r\n');
  await client.closed();
  assert.match(await intake.client().reply(), /^220 /);
});

const VERSION_2 = Buffer.concat([
  Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
  Buffer.from([0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0, 25]),
]);
const HEADERS = {
  'version 1': Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n'),
  'version 2': VERSION_2,
};

for (const [version, header] of Object.entries(HEADERS)) {
  test(`behind a load balancer (PROXY ${version}) every client would have the same address`, async (t) => {
    const intake = await startIntake(t, { relayNetworks: ['192.0.2.0/24'], proxyNetworks: ['127.0.0.0/8'] });
    for (const size of [1, 5, 1000]) {
      const client = intake.client();
      for (let at = 0; at < header.length; at += size) client.write(header.subarray(at, at + size));
      client.write('EHLO client.example\r\n');
      assert.match(await client.reply(), /^220 /);
      await client.reply();
      await client.ask(ENVELOPE, 3);
      await client.ask(MESSAGE);
      assert.equal(intake.accepted.at(-1)?.envelope.origin, 'smtp [192.0.2.7]');
    }
  });
}

test('a client that is no trusted proxy cannot claim another address, a trusted one must', async (t) => {
  const stranger = await startIntake(t, { relayNetworks: ['192.0.2.0/24'] });
  const client = stranger.client();
  await client.reply();
  assert.match((await client.ask(HEADERS['version 1']))[0] ?? '', /^500 /);
  const trusted = await startIntake(t, { proxyNetworks: ['127.0.0.1'] });
  const silent = trusted.client();
  silent.write('EHLO client.example\r\n');
  assert.equal(await silent.reply(), 'closed');
});
