import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { testKey } from '../../testdata/tls/test-key.ts';
import { ENVELOPE, FIELDS, type Intake, startIntake } from './raw-client-fixture.ts';

const CERTIFICATE = testKey('listener');
const RENEWED_CERTIFICATE = testKey('renewed');
const START_TLS = { ...CERTIFICATE, mode: 'StartTls' as const };
const IMPLICIT = { ...CERTIFICATE, mode: 'Implicit' as const };

/** A TLS client of a listener whose TLS is implicit; resolves when the greeting came. */
async function greeted(intake: Intake, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    port: intake.listener.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...options,
  });
  await once(socket, 'data');
  return socket;
}

test('commands sent in the clear behind STARTTLS are never run, whatever packets they come in', async (t) => {
  const intake = await startIntake(t, { tls: START_TLS });
  const injected = `EHLO evil.example\r\n${ENVELOPE}${FIELDS}\r\nevil\r\n.\r\n`;
  for (const cut of [4, 9, 10, 11, 20, 10 + injected.length]) {
    const octets = `STARTTLS\r\n${injected}`;
    const client = intake.client();
    await client.hello();
    client.write(octets.slice(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    client.write(octets.slice(cut));
    // One packet: refused. Two: the second is no TLS record, and the handshake fails.
    assert.match(await client.reply(), /^220 |^503 5\.5\.1 /);
    assert.equal(await client.reply(), 'closed');
  }
  assert.equal(intake.accepted.length, 0);
});

test('what was said before STARTTLS counts no more: EHLO, AUTH and MAIL are forgotten', async (t) => {
  const intake = await startIntake(t, { tls: START_TLS });
  const client = intake.client();
  await client.hello();
  await client.ask('STARTTLS\r\n');
  await client.startTls();
  assert.deepEqual(
    (await client.ask(ENVELOPE, 3)).map((reply) => reply.slice(0, 9)),
    ['503 5.5.1', '503 5.5.1', '503 5.5.1'],
  );
});

test('TLS below 1.2 is refused; 1.2 and 1.3 are spoken', async (t) => {
  const intake = await startIntake(t, { tls: IMPLICIT });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await greeted(intake, { minVersion: version, maxVersion: version });
    assert.equal(socket.getProtocol(), version);
    socket.destroy();
  }
  const old = connect({
    port: intake.listener.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  });
  const [error] = await once(old, 'error');
  assert.match(String(error), /alert protocol version|unsupported protocol/);
});

test('a returning client resumes its session, until the certificate is another one', async (t) => {
  const intake = await startIntake(t, { tls: IMPLICIT });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = connect({
      port: intake.listener.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: version,
    });
    const [session] = await once(first, 'session');
    first.destroy();
    const second = await greeted(intake, { session, maxVersion: version });
    assert.equal(second.isSessionReused(), true, version);
    second.destroy();
    intake.listener.reloadTls(RENEWED_CERTIFICATE);
    const third = await greeted(intake, { session, maxVersion: version });
    assert.equal(third.isSessionReused(), false, version);
    assert.equal(third.getPeerCertificate().subject.CN, 'renewed.example');
    third.destroy();
    intake.listener.reloadTls(CERTIFICATE);
  }
});

test('a TLS 1.2 client cannot keep the processor busy with one handshake after the other', async (t) => {
  const intake = await startIntake(t, { tls: IMPLICIT });
  const socket = await greeted(intake, { maxVersion: 'TLSv1.2' });
  const refused = await new Promise<Error | null>((resolve) => {
    socket.once('error', resolve);
    socket.renegotiate({}, resolve);
  });
  assert.match(String(refused), /no renegotiation|handshake failure|alert/i);
  socket.destroy();
});

test('a client that begins a handshake and stops is cut off, with StartTls and with implicit TLS', {
  timeout: 5_000,
}, async (t) => {
  const limits = { handshakeTimeoutMs: 60 };
  const later = await startIntake(t, { tls: START_TLS, limits });
  const client = later.client();
  await client.hello();
  await client.ask('STARTTLS\r\n');
  client.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
  await client.closed();
  const atOnce = await startIntake(t, { tls: IMPLICIT, limits });
  const silent = connectTcp({ port: atOnce.listener.port, host: '127.0.0.1' }).resume();
  await once(silent, 'close');
  // The client may see the end first; a connection that is never let go ends the test by its time-out.
  while (later.listener.connections() + atOnce.listener.connections() > 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
});
