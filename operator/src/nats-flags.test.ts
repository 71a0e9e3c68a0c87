import assert from 'node:assert/strict';
import { test } from 'node:test';
import { natsOf } from './nats-flags.ts';

const prefix = { natsPrefix: 'sluice' };

test('flags name a NATS and one way to log in; what is half said, or said twice, is refused in words', () => {
  assert.deepEqual(natsOf(prefix), {});
  assert.deepEqual(natsOf({ ...prefix, nats: ['tls://nats:4222'], natsCa: '/ca', natsTokenFile: '/t' }), {
    nats: {
      servers: ['tls://nats:4222'],
      login: { kind: 'token', tokenFile: '/t' },
      prefix: 'sluice',
      tls: { caFile: '/ca' },
    },
  });
  const nats = ['nats://nats:4222'];
  for (const [flags, says] of [
    [{ natsUser: 'x', natsPasswordFile: '/p' }, /--nats is missing/],
    [{ nats, natsUser: 'x' }, /belong together/],
    [{ nats, natsCertificate: '/c' }, /belong together/],
    [{ nats, natsCreds: '/c', natsTokenFile: '/t' }, /one way/],
    [{ nats: ['nats://u:p@nats:4222'] }, /without user and password/],
    [{ nats, natsPrefix: 'a.b' }, /--nats-prefix/],
  ] as const)
    assert.throws(() => natsOf({ ...prefix, ...flags }), says);
});
