import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hostsOfMx, sortHosts } from './mx-rules.ts';
import type { MxHost } from './route.ts';
import { MAX_SITE_NAME, siteName } from './site-name.ts';

const host = (name: string, preference: number, port = 25): MxHost => ({ name, preference, port });

test('a single host is its own name', () => {
  assert.equal(siteName([host('mx.shop.example', 10)], 25), 'mx.shop.example');
  assert.equal(siteName([host('mx.shop.example', 10)], 2525), 'mx.shop.example:25');
  assert.equal(siteName([host('2001:db8::1', 10, 26)], 25), '[2001:db8::1]:26');
});

test('levels of preference are part of the name, their numbers are not', () => {
  const hosts = [host('a.example', 5), host('b.example', 5), host('c.example', 20)];
  assert.equal(siteName(hosts, 25), 'a.example,b.example>c.example');
  const same = hosts.map((each) => ({ ...each, preference: each.preference * 3 }));
  assert.equal(siteName(same, 25), siteName(hosts, 25));
});

test('sessions that are logged in as one user are not used for another', () => {
  const auth = (username: string) => [
    { ...host('relay.example', 10, 587), auth: { username, password: 'x' } },
  ];
  assert.equal(siteName(auth('alice@shop.example'), 25), 'alice!40shop.example@relay.example:587');
  assert.notEqual(siteName(auth('alice'), 25), siteName(auth('bob'), 25));
  assert.notEqual(siteName(auth('alice'), 25), siteName([host('relay.example', 10, 587)], 25));
});

test('a long name is bounded, and differs where the sets differ', () => {
  const many = (last: string) =>
    [...Array(30).keys()].map((number) => host(`mx${number}.example`, number)).concat(host(last, 99));
  const name = siteName(many('x.example'), 25);
  assert.ok(name.length <= MAX_SITE_NAME, `${name.length}`);
  assert.match(name, /^mx0\.example\+30~[0-9a-f]{32}$/);
  const wide = siteName([host(`${'a'.repeat(63)}.`.repeat(3).concat('example'), 1, 2525)], 25);
  assert.ok(wide.length <= MAX_SITE_NAME, `${wide.length}`);
  assert.notEqual(name, siteName(many('y.example'), 25));
  assert.equal(name, siteName(many('x.example'), 25));
});

test('no site name breaks a limit key: `|`, `=` and `%` are in none', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '!', '4', '0', '%', '|', '=', '@', ',', '>', ':', ';', '~', 'é'),
  });
  const relay = (username: string): MxHost => ({
    ...host('relay.example', 10, 587),
    auth: { username, password: 'x' },
  });
  fc.assert(
    fc.property(text, text, (one, other) => {
      assert.match(siteName([relay(one)], 25), /^[^|=%]+$/);
      assert.match(siteName([host(one, 10)], 25), /^[^|=%]*$/);
      assert.equal(siteName([relay(one)], 25) === siteName([relay(other)], 25), one === other);
      const [first, second] = [one, other].map((name) => siteName([host(`${name}x`, 10)], 25));
      assert.equal(first === second, one === other);
    }),
  );
  assert.match(siteName([relay('%'.repeat(300))], 25), /^[^|=%]{1,200}$/);
});

test('different MX sets never share a site, equal ones always do', () => {
  const label = fc.constantFrom('a', 'b', 'c', 'mx1');
  const record = fc.record({
    exchange: fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')),
    preference: fc.constantFrom(0, 5, 10, 20),
  });
  const set = fc.array(record, { minLength: 1, maxLength: 5 });
  /** The order of delivery, as data. */
  const order = (hosts: readonly MxHost[]) => {
    const levels = [...new Set(hosts.map((each) => each.preference))];
    return JSON.stringify(hosts.map((each) => [levels.indexOf(each.preference), each.name]));
  };
  fc.assert(
    fc.property(set, set, (first, second) => {
      const a = hostsOfMx(first, 25);
      const b = hostsOfMx(second, 25);
      assert.ok(typeof a !== 'string' && typeof b !== 'string');
      assert.equal(siteName(a, 25) === siteName(b, 25), order(a) === order(b));
      const turned = hostsOfMx(first.toReversed(), 25);
      assert.deepEqual(turned, a);
    }),
  );
});

test('null MX, doubled and impossible hosts (RFC 7505, RFC 5321 §5.1)', () => {
  assert.equal(hostsOfMx([{ preference: 0, exchange: '.' }], 25), 'null-mx');
  const mixed = [
    { preference: 0, exchange: '.' },
    { preference: 20, exchange: 'mx.example' },
    { preference: 10, exchange: 'mx.example' },
    { preference: 5, exchange: '192.0.2.1' },
    { preference: 5, exchange: 'not a host.example' },
  ];
  assert.deepEqual(hostsOfMx(mixed, 25), [host('mx.example', 10)]);
  assert.deepEqual(hostsOfMx([{ preference: 5, exchange: '192.0.2.1' }], 25), []);
});

test('hosts are sorted by preference, name and port', () => {
  const sorted = [host('b', 1), host('a', 2, 25), host('a', 2, 26), host('c', 2)];
  assert.deepEqual(sortHosts(sorted.toReversed()), sorted);
});
