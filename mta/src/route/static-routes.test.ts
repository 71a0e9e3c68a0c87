import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StaticRoutes } from './static-routes.ts';

const hosts = (...names: string[]) => names.map((host) => ({ host, port: 25, preference: 10 }));
const routes = new StaticRoutes(
  [
    { domain: '*', hosts: hosts('relay.example') },
    { domain: '*.shop.example', hosts: hosts('suffix.example') },
    { domain: '*.b.shop.example', hosts: hosts('longer.example') },
    { domain: 'shop.example', hosts: hosts('Exact-2.Example.', 'exact-1.example'), tlsLevel: 'Verify' },
    { domain: 'address.example', hosts: hosts('[2001:DB8:0::1]', '127.0.0.9') },
  ],
  25,
);

test('the most exact entry wins', () => {
  assert.equal(routes.find('shop.example')?.site, 'exact-1.example,exact-2.example;static');
  assert.equal(routes.find('a.shop.example')?.site, 'suffix.example;static');
  assert.equal(routes.find('a.a.shop.example')?.site, 'suffix.example;static');
  assert.equal(routes.find('a.b.shop.example')?.site, 'longer.example;static');
  assert.equal(routes.find('b.shop.example')?.site, 'suffix.example;static');
  assert.equal(routes.find('other.example')?.site, 'relay.example;static');
  assert.equal(routes.find('notshop.example')?.site, 'relay.example;static');
  assert.equal(routes.find('[192.0.2.1]')?.site, 'relay.example;static');
});

test('hosts may be addresses, and the TLS level of the entry goes with them', () => {
  assert.equal(routes.find('address.example')?.site, '127.0.0.9,[2001:db8::1];static');
  assert.equal(routes.find('shop.example')?.tlsLevel, 'Verify');
  assert.equal(routes.find('other.example')?.tlsLevel, undefined);
});

test('without entries every domain follows its MX', () => {
  assert.equal(new StaticRoutes([], 25).find('shop.example'), undefined);
});
