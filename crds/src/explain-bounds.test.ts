import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { domainName, mxHosts, resourceSet } from './arbitrary-resources.ts';
import { boundsFor, compile, explainBounds, explainPolicy, type Facts, parseResources } from './mod.ts';

const FACTS: Facts = {
  pool: 'a',
  sourceAddress: '192.0.2.1',
  sourceName: 'ip-1',
  sourceLabels: {},
  site: 'mx.example',
  group: '',
  domain: 'a.example',
  mxHost: '',
  tenant: 'acme',
  tenantLabels: {},
  campaign: '',
  class: 'bulk',
};

test('explain never tells another bound than the one in force, and always who says it', () => {
  let told = 0;
  fc.assert(
    fc.property(resourceSet, domainName, mxHosts, (resources, domain, hosts) => {
      const { config } = compile({ resources });
      for (const { name, sources } of config.pools) {
        const { limits, policy } = explainPolicy(config, name, domain, hosts);
        for (const source of sources) {
          const facts: Facts = {
            ...FACTS,
            pool: name,
            domain,
            group: policy.group,
            sourceAddress: source.address,
            sourceName: source.name,
            sourceLabels: source.labels,
          };
          for (const explained of limits) {
            const explanation = explainBounds(explained, facts);
            const bounds = boundsFor(explained.limit, facts);
            assert.equal(explanation.applies, bounds !== undefined);
            if (!explanation.applies) continue;
            assert.deepEqual(
              Object.fromEntries(explanation.bounds.map(({ bound, value }) => [bound, value])),
              bounds,
            );
            for (const { from, rival } of explanation.bounds) {
              told++;
              assert.equal(from === undefined, rival !== undefined);
            }
          }
        }
      }
    }),
    { numRuns: 300, seed: 1 },
  );
  assert.ok(told > 200, `${told}`);
});

test('a bound names the override or the other pool that sets it, and a limit that does not apply says why', () => {
  const source = (labels: string) => `{name: ip-1, address: 192.0.2.1, ehlo: a.example, labels: ${labels}}`;
  const text = `
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: a}
spec: {sources: [${source('{age: cold}')}]}
---
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: b}
spec: {sources: [${source('{age: cold}')}]}
---
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: p}
spec:
  default:
    limits:
    - name: site
      per: [Source, Site]
      connections: 10
      recipientRate: 9/s
      overrides: [{name: cold, when: {sourceSelector: {matchLabels: {age: cold}}}, connections: 2}]
    - {name: sale, per: [Campaign], recipientRate: 1/s}
    - {name: other, per: [Tenant], when: {tenants: [other]}, recipientRate: 1/s}
---
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: q}
spec: {targetRefs: [{name: b}], default: {limits: [{name: site, recipientRate: 4/s}]}}
`;
  const { resources, problems } = parseResources(text, 'f.yaml');
  assert.deepEqual(problems, []);
  const { limits } = explainPolicy(compile({ resources }).config, 'a', 'a.example', []);
  const from = { policy: 'p', layer: 'Default', destination: '' };
  assert.deepEqual(
    limits.map((limit) => explainBounds(limit, { ...FACTS, sourceLabels: { age: 'cold' } })),
    [
      { applies: false, reason: 'When' },
      { applies: false, reason: 'NoValue', field: 'Campaign' },
      {
        applies: true,
        bounds: [
          { bound: 'connections', value: 2, override: 'cold', from },
          { bound: 'recipientRate', value: { count: 4, periodMs: 1_000 }, rival: 'b' },
        ],
      },
    ],
  );
});
