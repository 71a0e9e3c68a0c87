import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EgressConfig, type PoolFacts, type PoolMatch, selectPool } from './mod.ts';

const FACTS: PoolFacts = {
  tenant: 'acme',
  tenantLabels: { plan: 'free', region: 'eu' },
  class: 'bulk',
  fromDomain: 'news.example',
  recipientDomain: 'gmail.com',
};

function select(
  matches: readonly Omit<PoolMatch, 'name' | 'priority'>[],
  facts: Partial<PoolFacts> = {},
): string | undefined {
  const config: EgressConfig = {
    formatVersion: 1,
    hash: '',
    pools: [],
    policies: [],
    matches: matches.map((match) => ({ name: 'm', priority: 0, ...match })),
  };
  return selectPool(config, { ...FACTS, ...facts });
}

test('fields of an entry are ANDed: a tenant does not leave from a pool that was meant for one of its classes', () => {
  const all = {
    pool: 'a',
    tenants: ['acme'],
    tenantSelector: { plan: 'free' },
    classes: ['bulk'],
    fromDomains: ['news.example'],
    recipientDomains: ['gmail.com'],
  };
  assert.equal(select([all]), 'a');
  const others: readonly Partial<PoolFacts>[] = [
    { tenant: 'x' },
    { tenantLabels: {} },
    { class: 'x' },
    { fromDomain: '' },
    { recipientDomain: 'mail.gmail.com' },
  ];
  for (const other of others) assert.equal(select([all], other), undefined, JSON.stringify(other));
});

test('the first entry that matches decides, and no entry is no pool', () => {
  assert.equal(select([{ pool: 'a', classes: ['alerts'] }, { pool: 'b' }, { pool: 'c' }]), 'b');
  assert.equal(select([]), undefined);
});

test('a domain is the same domain in capitals', () => {
  assert.equal(select([{ pool: 'a', fromDomains: ['news.example'] }], { fromDomain: 'News.Example' }), 'a');
});
