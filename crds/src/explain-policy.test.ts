import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { domainName, mxHosts, poolName, resourceSet } from './arbitrary-resources.ts';
import { compile, type EgressConfig, effectivePolicy, explainPolicy, parseResources } from './mod.ts';

const TESTDATA = new URL('../testdata/', import.meta.url);

/** `{'a.b': 1}` → `{a: {b: 1}}`. */
function nested(fields: readonly { readonly field: string; readonly value: unknown }[]): object {
  const root: Record<string, unknown> = {};
  for (const { field, value } of fields) {
    if (value === 'Unlimited') continue;
    const path = field.split('.');
    const last = path.pop() ?? '';
    let at = root;
    for (const part of path) {
      const next: Record<string, unknown> = {};
      const known = at[part];
      if (typeof known === 'object' && known !== null) Object.assign(next, known);
      at[part] = next;
      at = next;
    }
    at[last] = value;
  }
  return root;
}

/** How many values were compared. */
function assertAgrees(config: EgressConfig, pool: string, domain: string, hosts: readonly string[]): number {
  const policy = effectivePolicy(config, pool, domain, hosts);
  const explained = explainPolicy(config, pool, domain, hosts);
  assert.equal(explained.policy, policy);
  assert.deepEqual(nested(explained.options), { session: policy.session, retry: policy.retry });
  assert.equal(
    explained.destinations.find(({ layer }) => layer === 'Group')?.name ?? '',
    policy.group,
    'the Group',
  );
  for (const { limit, fields } of explained.limits) {
    const { name, rivals, overrides, scope, ...rest } = limit;
    const stated = nested(fields.filter(({ field }) => field !== 'overrides' && field !== 'scope'));
    assert.deepEqual({ bounds: {}, ...stated }, rest, name);
    if (rivals === undefined) assert.equal(fields.find(({ field }) => field === 'scope')?.value, scope);
    if (overrides.length > 0) assert.ok(fields.some(({ field }) => field === 'overrides'));
  }
  for (const { reaction, fields } of explained.reactions) {
    const { name, ...rest } = reaction;
    assert.deepEqual(nested(fields), rest, name);
  }
  const told = [...explained.limits, ...explained.reactions].flatMap(({ fields }) => fields);
  for (const { from } of [...explained.options, ...told]) {
    assert.equal(from.policy === '', from.layer === 'BuiltIn');
    if (from.policy !== '') assert.ok(config.policies.some((candidate) => candidate.name === from.policy));
  }
  for (const { name } of explained.removed) assert.ok(policy.limits.every((limit) => limit.name !== name));
  return explained.options.length + told.length;
}

test('explain never tells another value than the one in force: over every golden configuration, pool and claim', () => {
  let compared = 0;
  for (const file of readdirSync(TESTDATA).filter((name) => name.endsWith('.in.yaml'))) {
    const text = readFileSync(new URL(file, TESTDATA), 'utf8');
    const { config } = compile({ resources: parseResources(text, file).resources });
    const claims = config.policies.flatMap(({ destinations }) =>
      destinations.flatMap(({ match }) => Object.values(match).flatMap((values) => values ?? [])),
    );
    for (const pool of ['', ...config.pools.map(({ name }) => name)]) {
      for (const claim of ['elsewhere.example', ...claims]) {
        compared += assertAgrees(config, pool, claim, []);
        compared += assertAgrees(config, pool, `mail.${claim}`, [claim, `mx.${claim}`]);
      }
      for (const [, domain = '', hosts] of text.matchAll(/^# probe: \S+ (\S+)(?: (\S+))?$/gm))
        compared += assertAgrees(config, pool, domain, hosts?.split(',') ?? []);
    }
  }
  assert.ok(compared > 1_000, `${compared}`);
});

test('explain never tells another value than the one in force: over random resources', () => {
  fc.assert(
    fc.property(resourceSet, poolName, domainName, mxHosts, (resources, pool, domain, hosts) => {
      assertAgrees(compile({ resources }).config, pool, domain, hosts);
    }),
    { numRuns: 500, seed: 1 },
  );
});

test('each value names the policy and layer that said it last, and each destination the claim that holds', () => {
  const text = `
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: library}
spec:
  priority: -1000
  default: {limits: [{name: site, per: [Source, Site], connections: 10, recipientRate: 10/s}, {name: gone, per: [Site], connections: 1}]}
  destinations:
  - {name: google, match: {mxSuffixes: [google.com, googlemail.com]}, session: {messagesPerConnection: 20, idleTimeout: 5s}}
---
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: ours}
spec:
  destinations:
  - name: google
    session: {messagesPerConnection: 50}
    limits: [{name: site, connections: 3, recipientRate: Unlimited}, {name: gone, state: Disabled}]
  - {name: one, match: {domains: [gmail.com]}, retry: {expireAfter: 1h}}
`;
  const { resources, problems } = parseResources(text, 'f.yaml');
  assert.deepEqual(problems, []);
  const { config } = compile({ resources });
  const explained = explainPolicy(config, 'a', 'gmail.com', ['a.google.com', 'b.googlemail.com']);
  const from = (field: string) => explained.options.find((option) => option.field === field)?.from;
  const group = { layer: 'Group', destination: 'google' };
  assert.deepEqual(from('session.messagesPerConnection'), { policy: 'ours', ...group });
  assert.deepEqual(from('session.idleTimeoutMs'), { policy: 'library', ...group });
  assert.deepEqual(from('retry.expireAfterMs'), { policy: 'ours', layer: 'Domain', destination: 'one' });
  assert.deepEqual(from('retry.delaysMs'), { policy: '', layer: 'BuiltIn', destination: '' });
  assert.deepEqual(explained.destinations, [
    { name: 'google', layer: 'Group', claim: 'mxSuffixes', values: ['google.com', 'googlemail.com'] },
    { name: 'one', layer: 'Domain', claim: 'domains', values: ['gmail.com'] },
  ]);
  const [site] = explained.limits;
  assert.deepEqual(
    site?.fields.map(({ field, value, from: origin }) => [field, value, origin.policy]),
    [
      ['scope', 'Cluster', ''],
      ['per', ['Source', 'Site'], 'library'],
      ['bounds.connections', 3, 'ours'],
      ['bounds.recipientRate', 'Unlimited', 'ours'],
    ],
  );
  assert.deepEqual(explained.removed, [
    { name: 'gone', reason: 'Disabled', from: { policy: 'ours', ...group } },
  ]);
});
