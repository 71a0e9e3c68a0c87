import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Network, parseNetwork } from '../config/mod.ts';
import { forbiddenRange, refusalOf } from './target-filter.ts';

const FORBIDDEN = {
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd12:3456::1'],
  'link-local': ['169.254.169.254', 'fe80::1'],
  'shared (carrier-grade NAT)': ['100.64.0.1', '100.127.255.255'],
  multicast: ['224.0.0.1', '239.1.2.3', 'ff02::1'],
  unspecified: ['0.0.0.0', '0.1.2.3', '::'],
  broadcast: ['255.255.255.255'],
  reserved: [
    '192.0.2.1',
    '198.51.100.1',
    '203.0.113.1',
    '198.18.0.1',
    '240.0.0.1',
    '2001:db8::1',
    '3fff::1',
    '::ffff:127.0.0.1',
    '2002:7f00:1::1',
    '2001::1',
  ],
  unassigned: ['4000::1', '::2'],
  invalid: ['', 'localhost', '1.2.3'],
};

test('what a stranger writes into DNS does not connect us to ourselves or our network', () => {
  for (const [range, addresses] of Object.entries(FORBIDDEN)) {
    for (const address of addresses) assert.equal(forbiddenRange(address), range, address);
  }
});

test('public addresses get mail', () => {
  for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2a00:1450:4013:c01::1a', '2600::1']) {
    assert.equal(forbiddenRange(address), undefined, address);
  }
});

test('behind NAT64 the IPv4 address inside decides', () => {
  assert.equal(forbiddenRange('64:ff9b::8.8.8.8'), undefined);
  assert.equal(forbiddenRange('64:ff9b::127.0.0.1'), 'loopback');
  assert.equal(forbiddenRange('64:ff9b::a00:1'), 'private');
});

test('allowed networks are reached, their neighbours are not', () => {
  const allowed = ['127.20.0.0/16', 'fd00::/8']
    .map(parseNetwork)
    .filter((network): network is Network => !!network);
  assert.equal(refusalOf('127.20.3.4', allowed), undefined);
  assert.equal(refusalOf('127.21.0.1', allowed), 'loopback');
  assert.equal(refusalOf('fd00::1', allowed), undefined);
  assert.equal(refusalOf('fc00::1', allowed), 'private');
});
