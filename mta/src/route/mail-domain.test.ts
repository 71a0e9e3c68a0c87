import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMailDomain } from './mail-domain.ts';

test('mail for international domains is looked up by their A-labels', () => {
  assert.deepEqual(parseMailDomain('Bücher.Example'), { kind: 'name', name: 'xn--bcher-kva.example' });
  assert.deepEqual(parseMailDomain('例え.テスト'), { kind: 'name', name: 'xn--r8jz45g.xn--zckzah' });
});

test('domains are lower case without final dot', () => {
  assert.deepEqual(parseMailDomain('Shop.EXAMPLE.'), { kind: 'name', name: 'shop.example' });
  assert.deepEqual(parseMailDomain('_dmarc.a-b.example'), { kind: 'name', name: '_dmarc.a-b.example' });
});

test('address literals (RFC 5321 §4.1.3)', () => {
  assert.deepEqual(parseMailDomain('[192.0.2.1]'), {
    kind: 'literal',
    name: '[192.0.2.1]',
    address: '192.0.2.1',
  });
  assert.deepEqual(parseMailDomain('[IPv6:2001:DB8:0::1]'), {
    kind: 'literal',
    name: '[ipv6:2001:db8::1]',
    address: '2001:db8::1',
  });
});

test('what is no domain is not asked for', () => {
  const broken = [
    '',
    '.',
    'a..b',
    '-a.example',
    'a b.example',
    `${'a'.repeat(64)}.example`,
    '192.0.2.1',
    'x.123',
    'bücher.example/x',
    'bücher.example@evil.example',
    '１２７.0.0.1',
  ];
  const literals = [
    '[192.0.2]',
    '[2001:db8::1]',
    '[IPv6:192.0.2.1]',
    '[IPv6:fe80::1%eth0]',
    '[x]',
    '[192.0.2.1',
  ];
  for (const text of [...broken, ...literals, `${'a.'.repeat(130)}example`]) {
    assert.equal(parseMailDomain(text), undefined, text);
  }
});
