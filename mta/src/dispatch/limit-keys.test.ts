import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectivePolicy } from '@sluice/crds';
import { DirectiveSet } from '../react/mod.ts';
import { createRouter } from '../route/mod.ts';
import { Destinations } from './destinations.ts';
import { configOf } from './dispatcher.fixture.ts';
import { attemptKeys } from './limit-keys.ts';
import { PoolChoice } from './pool-choice.ts';

const FACTS = {
  pool: 'main',
  sourceAddress: '127.0.8.1',
  sourceName: 'ip-1',
  sourceLabels: {},
  site: 'mx.example',
  group: '',
  domain: 'a.example',
  mxHost: 'mx1.example',
  tenant: 'shop',
  tenantLabels: {},
  campaign: '',
  class: '',
};

function keysOf(limits: readonly unknown[]) {
  const config = configOf([{ address: '127.0.8.1' }], { limits });
  return attemptKeys(effectivePolicy(config, 'main', 'a.example', []).limits, FACTS, 1, DirectiveSet.EMPTY);
}
const names = ({ keys }: { readonly keys: readonly { readonly limitName: string }[] }) =>
  keys.map(({ limitName }) => limitName);

test('each limit is asked for where it holds: before dialling, at the host, while a tenant is carried, at MAIL', () => {
  const keys = keysOf([
    { name: 'site', per: ['Source', 'Site'], connections: 3, recipientRate: '10/s' },
    { name: 'host', per: ['MxHost'], connections: 1 },
    { name: 'tenant', per: ['Tenant'], connections: 2 },
    { name: 'tenant-rate', per: ['Tenant'], messageRate: '5/s' },
  ]);
  assert.deepEqual(names(keys.connection), ['site']);
  assert.deepEqual(names(keys.host), ['host']);
  assert.deepEqual(names(keys.carrying), ['tenant']);
  assert.deepEqual(names(keys.transaction).sort(), ['site', 'tenant-rate']);
});

test("one tenant's rate puts that tenant to sleep, not the lane; the site's rate stops the lane", () => {
  const keys = keysOf([
    { name: 'site', per: ['Site'], recipientRate: '10/s' },
    { name: 'tenant', per: ['Tenant'], recipientRate: '5/s' },
  ]);
  const laneWide = keys.transaction.keys.filter(({ id }) => keys.laneWide.has(id));
  assert.deepEqual(names({ keys: laneWide }), ['site']);
});

test('mail that no pool matches is told apart from mail that one does', () => {
  const config = configOf([{ address: '127.0.8.1' }]);
  const envelope = { tenant: '', class: '', sender: 'x@shop.example' };
  const choose = (of: typeof config) => new PoolChoice(of, () => ({})).poolFor(envelope, 'a.example');
  assert.equal(choose(config), 'main');
  assert.equal(choose({ ...config, matches: [] }), '');
});

test('a destination is the same object while its route is, and sessions of another TLS level are another lane', async () => {
  const config = configOf([{ address: '127.0.8.1' }]);
  const hosts = [{ host: '127.0.0.1', port: 25, preference: 0 }];
  const router = createRouter({
    servers: [],
    timeoutMs: 1,
    attempts: 1,
    smtpPort: 25,
    routes: [
      { domain: 'a.example', hosts },
      { domain: 'strict.example', hosts, tlsLevel: 'Encrypt' },
    ],
    allowedTargets: [],
    random: () => 0,
    nowMs: () => 0,
  });
  const destinations = new Destinations(config, router);
  assert.equal(destinations.peek('main', 'a.example'), undefined, 'the router must be asked first');
  await router.resolve('a.example');
  await router.resolve('strict.example');
  const plain = destinations.peek('main', 'a.example');
  const strict = destinations.peek('main', 'strict.example');
  assert.ok(plain !== undefined && 'laneSite' in plain && strict !== undefined && 'laneSite' in strict);
  assert.equal(destinations.peek('main', 'a.example'), plain);
  assert.equal(plain.route.site, strict.route.site);
  assert.notEqual(plain.laneSite, strict.laneSite);
  router.close();
});
