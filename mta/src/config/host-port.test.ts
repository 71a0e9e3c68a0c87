import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHostPort, parseHostPort } from './host-port.ts';

test('addresses with ports are read, IPv6 in brackets, and shown the same way', () => {
  for (const [text, host, port] of [
    ['0.0.0.0:25', '0.0.0.0', 25],
    ['localhost:0', 'localhost', 0],
    ['[::1]:65535', '::1', 65_535],
    ['[::ffff:127.0.0.1]:1', '::ffff:127.0.0.1', 1],
  ] as const) {
    assert.deepEqual(parseHostPort(text), { host, port });
    assert.equal(formatHostPort({ host, port }), text);
  }
});

test('what could listen somewhere else than meant is refused', () => {
  for (const text of [
    '25',
    ':25',
    '::1:25',
    '[::1]',
    '[localhost]:25',
    'a:65536',
    'a:-1',
    'a b:25',
    '[::1]25',
    'a:25 ',
  ]) {
    assert.equal(parseHostPort(text), undefined, text);
  }
});
