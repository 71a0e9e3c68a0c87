import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundsFor, type EffectiveLimit, type Facts, limitKeyId } from './mod.ts';

const FACTS: Facts = {
  pool: 'shared',
  sourceAddress: '192.0.2.10',
  sourceName: 'ip-1',
  sourceLabels: { age: 'cold' },
  site: 'mx.example',
  group: 'google',
  domain: 'example.com',
  mxHost: 'mx1.example',
  tenant: 'acme',
  tenantLabels: { plan: 'free' },
  campaign: 'sale',
  class: 'bulk',
};
const LIMIT: EffectiveLimit = {
  name: 'l',
  per: ['Source', 'Site'],
  scope: 'Cluster',
  bounds: { connections: 5 },
  overrides: [],
};

test('two pods and two pools give one counter one name: the public address, in one order, whatever order per was written in', () => {
  const id = 'source-site|Source=192.0.2.10|Site=mx.example';
  assert.equal(limitKeyId({ name: 'source-site', per: ['Source', 'Site'] }, FACTS), id);
  assert.equal(
    limitKeyId(
      { name: 'source-site', per: ['Site', 'Source'] },
      { ...FACTS, pool: 'other', sourceName: 'x' },
    ),
    id,
  );
  assert.equal(
    limitKeyId(
      {
        name: 'l',
        per: ['Class', 'Campaign', 'Tenant', 'MxHost', 'Domain', 'Group', 'Site', 'Source', 'Pool'],
      },
      FACTS,
    ),
    'l|Pool=shared|Source=192.0.2.10|Site=mx.example|Group=google|Domain=example.com|MxHost=mx1.example|Tenant=acme|Campaign=sale|Class=bulk',
  );
});

test('a campaign cannot be named so that it shares the counter of another', () => {
  const id = (campaign: string, tenant: string) =>
    limitKeyId({ name: 'l', per: ['Tenant', 'Campaign'] }, { ...FACTS, campaign, tenant });
  assert.equal(id('b|Class=%', 'a=1'), 'l|Tenant=a%3D1|Campaign=b%7CClass%3D%25');
  assert.notEqual(id('b', 'a|Campaign=x'), id('x|Campaign=b', 'a'));
});

test('the first override that matches wins, and its bounds are complete', () => {
  const limit: EffectiveLimit = {
    ...LIMIT,
    overrides: [
      { name: 'warm', when: { sourceSelector: { age: 'warm' } }, bounds: { connections: 9 } },
      { name: 'cold', when: { sourceSelector: { age: 'cold' } }, bounds: { connections: 1 } },
      { name: 'ip-1', when: { sources: ['ip-1'] }, bounds: { connections: 2 } },
    ],
  };
  assert.deepEqual(boundsFor(limit, FACTS), { connections: 1 });
  assert.deepEqual(boundsFor(limit, { ...FACTS, sourceLabels: {} }), { connections: 2 });
  assert.deepEqual(boundsFor(limit, { ...FACTS, sourceLabels: {}, sourceName: 'ip-2' }), { connections: 5 });
});

test('each condition is asked, and all must hold', () => {
  const when = {
    pools: ['shared'],
    sources: ['ip-1'],
    sourceSelector: { age: 'cold' },
    groups: ['google'],
    domains: ['example.com'],
    tenants: ['acme'],
    tenantSelector: { plan: 'free' },
    campaigns: ['sale'],
    classes: ['bulk'],
  };
  assert.deepEqual(boundsFor({ ...LIMIT, when }, FACTS), { connections: 5 });
  const others: readonly Partial<Facts>[] = [
    { pool: 'x' },
    { sourceName: 'x' },
    { sourceLabels: { age: 'warm' } },
    { group: 'x' },
    { domain: 'x' },
    { tenant: 'x' },
    { tenantLabels: {} },
    { campaign: 'x' },
    { class: 'x' },
  ];
  for (const other of others)
    assert.equal(boundsFor({ ...LIMIT, when }, { ...FACTS, ...other }), undefined, JSON.stringify(other));
});

test('mail without a Group, tenant, campaign or chosen host does not share one counter of the nameless', () => {
  for (const [per, fact] of [
    ['Group', 'group'],
    ['Tenant', 'tenant'],
    ['Campaign', 'campaign'],
    ['MxHost', 'mxHost'],
    ['Source', 'sourceAddress'],
    ['Class', 'class'],
  ] as const) {
    assert.equal(boundsFor({ ...LIMIT, per: [per] }, { ...FACTS, [fact]: '' }), undefined, per);
    assert.deepEqual(boundsFor({ ...LIMIT, per: [per] }, FACTS), { connections: 5 }, per);
  }
});

test('a limit that bounds nothing costs nothing', () => {
  assert.equal(boundsFor({ ...LIMIT, bounds: { burst: 4 } }, FACTS), undefined);
});

test('a label that objects inherit is no label', () => {
  assert.equal(boundsFor({ ...LIMIT, when: { sourceSelector: { constructor: 'x' } } }, FACTS), undefined);
});
