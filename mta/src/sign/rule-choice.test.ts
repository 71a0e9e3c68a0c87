import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DkimRuleSettings } from '../config/mod.ts';
import { ruleChoice } from './rule-choice.ts';

const ruleOf = (name: string, match: Partial<DkimRuleSettings['match']>): DkimRuleSettings => ({
  name,
  match: { fromDomains: [], fromDomainSuffixes: [], tenants: [], ...match },
  signatures: [],
  signedHeaders: [],
  overSign: [],
  overSignPresent: [],
});

test('the first rule that matches applies: an exception in front of the rule for all is honoured', () => {
  const choose = ruleChoice([
    ruleOf('acme-shop', { fromDomains: ['shop.example'], tenants: ['acme'] }),
    ruleOf('suffix', { fromDomainSuffixes: ['shop.example', 'mail.example'] }),
    ruleOf('late', { fromDomains: ['shop.example'] }),
    ruleOf('beta', { tenants: ['beta'] }),
    ruleOf('rest', {}),
    ruleOf('never', { fromDomains: ['other.example'] }),
  ]);
  for (const [domain, tenant, name] of [
    ['shop.example', 'acme', 'acme-shop'],
    ['shop.example', 'beta', 'suffix'],
    ['a.b.shop.example', 'acme', 'suffix'],
    ['mail.example', '', 'suffix'],
    ['eshop.example', 'beta', 'beta'],
    ['', 'beta', 'beta'],
    ['other.example', '', 'rest'],
    ['', '', 'rest'],
  ] as const) {
    assert.equal(choose(domain, tenant)?.name, name, `${domain} of ${tenant}`);
  }
});

test('mail that no rule speaks of is not signed', () => {
  assert.equal(ruleChoice([])('shop.example', ''), undefined);
  assert.equal(ruleChoice([ruleOf('a', { fromDomains: ['a.example'] })])('', ''), undefined);
});
