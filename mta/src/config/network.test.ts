import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOpenRelay, type Network, parseNetwork } from './network.ts';

function network(text: string): Network {
  return parseNetwork(text) ?? assert.fail(`${text} was not read`);
}

test('a client is matched by its network, also when the socket shows IPv4 as IPv6', () => {
  const internal = network('10.0.0.0/8');
  for (const inside of ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3'])
    assert.ok(internal.contains(inside), inside);
  for (const outside of ['11.0.0.0', '9.255.255.255', '::1', 'fe80::1', 'nonsense', '']) {
    assert.ok(!internal.contains(outside), outside);
  }
  assert.ok(network('2001:db8::/32').contains('2001:db8:ffff::1'));
  assert.ok(!network('2001:db8::/32').contains('2001:db9::1'));
});

test('one address is a network of one, not of its neighbours', () => {
  assert.ok(network('192.0.2.1').contains('192.0.2.1'));
  assert.ok(!network('192.0.2.1').contains('192.0.2.2'));
  assert.ok(!network('::1').contains('::2'));
});

test('a spelling that could mean another network than its writer thinks is refused', () => {
  for (const text of [
    '10.1',
    '167772161',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    'localhost',
    '',
    '10.0.0.0/8 ',
  ]) {
    assert.equal(parseNetwork(text), undefined, text);
  }
});

test('networks that would let half the Internet relay are known, private ones are not among them', () => {
  for (const text of ['0.0.0.0/0', '0.0.0.0/1', '8.0.0.0/7', '::/0', '2000::/3', '::ffff:0:0/0']) {
    assert.ok(isOpenRelay(network(text)), text);
  }
  for (const text of [
    '10.0.0.0/8',
    '127.0.0.0/8',
    '192.0.2.1',
    'fc00::/7',
    'fd12::/16',
    '2001:db8::/32',
    '::1',
  ]) {
    assert.ok(!isOpenRelay(network(text)), text);
  }
});
