import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { domainName, mxHosts, resourceSet } from './arbitrary-resources.ts';
import type { EgressConfig, Facts } from './mod.ts';
import {
  boundsFor,
  compile,
  DEFAULT_RETRY,
  DEFAULT_SESSION,
  effectivePolicy,
  limitKeyId,
  parseResources,
} from './mod.ts';

function configOf(text: string): EgressConfig {
  const { resources, problems } = parseResources(text, 'f.yaml');
  assert.deepEqual(problems, []);
  return compile({ resources }).config;
}

const HEAD = 'apiVersion: sluice.email/v1alpha1\n';
const pool = (name: string, sources: string) =>
  `${HEAD}kind: EgressPool\nmetadata: {name: ${name}}\nspec: {sources: [${sources}]}\n---\n`;
const policy = (name: string, spec: string) =>
  `${HEAD}kind: ShapingPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n---\n`;

const FACTS: Facts = {
  pool: 'a',
  sourceAddress: '192.0.2.1',
  sourceName: 'ip-1',
  sourceLabels: {},
  site: 'mx.example',
  group: '',
  domain: 'example.com',
  mxHost: '',
  tenant: 'acme',
  tenantLabels: {},
  campaign: '',
  class: 'bulk',
};

test('without resources nothing is limited and every default applies', () => {
  assert.deepEqual(effectivePolicy(configOf(''), 'any', 'example.com', []), {
    group: '',
    session: DEFAULT_SESSION,
    retry: DEFAULT_RETRY,
    limits: [],
    reactions: [],
  });
});

test('a domain is the same domain in capitals and with its final dot', () => {
  const config = configOf(
    policy('p', '{destinations: [{name: d, match: {domains: [example.com], mxSuffixes: [mx.example]}}]}'),
  );
  assert.equal(effectivePolicy(config, 'a', 'Example.COM.', []).group, 'd');
  assert.equal(effectivePolicy(config, 'a', 'other.example', ['A.MX.example.']).group, 'd');
});

test('a layer that asks about what the counter does not tell apart changes nothing, in either direction', () => {
  const definition = '{default: {limits: [{name: c, per: [Site], connections: 5}]}}';
  for (const connections of [1, 50]) {
    const refining = `{targetRefs: [{group: sluice.email, kind: EgressPool, name: a}], default: {limits: [{name: c, when: {sourceSelector: {matchLabels: {age: cold}}}, connections: ${connections}}]}}`;
    const config = configOf(
      pool('a', '{name: s, address: 192.0.2.1, ehlo: a.example}') +
        policy('p', definition) +
        policy('q', refining),
    );
    const [limit] = effectivePolicy(config, 'a', 'example.com', []).limits;
    assert.deepEqual(limit?.bounds, { connections: 5 });
    assert.equal(limit?.when, undefined);
  }
});

test('twenty thousand domains of the long tail share one policy object: memory and interned keys stay small', () => {
  const config = configOf(policy('p', '{default: {limits: [{name: site, per: [Site], connections: 1}]}}'));
  const first = effectivePolicy(config, 'a', 'd0.example', ['mx0.example']);
  for (let n = 1; n < 100; n++)
    assert.equal(effectivePolicy(config, 'a', `d${n}.example`, [`mx${n}.example`]), first);
});

test('two pools that share an address never bind one counter differently: else the sum would exceed the smaller bound', () => {
  const facts = { ...FACTS, tenantLabels: { plan: 'free' }, campaign: 'sale', mxHost: 'mx.example' };
  let compared = 0;
  fc.assert(
    fc.property(resourceSet, domainName, mxHosts, (resources, domain, hosts) => {
      const { config } = compile({ resources });
      const seen = new Map<string, unknown>();
      for (const one of config.pools) {
        const effective = effectivePolicy(config, one.name, domain, hosts);
        const byAddress = Map.groupBy(one.sources, (source) => source.address);
        for (const [sourceAddress, [source, second]] of byAddress) {
          if (source === undefined || second !== undefined) continue;
          const own: Facts = {
            ...facts,
            pool: one.name,
            domain,
            group: effective.group,
            sourceAddress,
            sourceName: source.name,
            sourceLabels: source.labels,
          };
          for (const limit of effective.limits) {
            const bounds = boundsFor(limit, own);
            if (bounds === undefined) continue;
            const id = limitKeyId(limit, own);
            if (seen.has(id)) {
              compared++;
              assert.deepEqual(bounds, seen.get(id), id);
            }
            seen.set(id, bounds);
          }
        }
      }
    }),
    { numRuns: 500, seed: 1 },
  );
  assert.ok(compared > 20, `the property met ${compared} shared counters`);
});

test('the smaller bound of two pools applies bound by bound, and only to the address that both list', () => {
  const config = configOf(
    pool(
      'a',
      '{name: ip-1, address: 192.0.2.1, ehlo: a.example}, {name: ip-2, address: 192.0.2.2, ehlo: a.example}',
    ) +
      pool('b', '{name: ip-1, address: 192.0.2.1, ehlo: a.example}') +
      policy(
        'all',
        '{default: {limits: [{name: site, per: [Source, Site], connections: 10, recipientRate: 1/s}]}}',
      ) +
      policy(
        'b',
        '{targetRefs: [{name: b}], default: {limits: [{name: site, connections: 5, recipientRate: 100/min}]}}',
      ),
  );
  const bounds = (name: string, sourceAddress: string) => {
    const [limit] = effectivePolicy(config, name, 'example.com', []).limits;
    assert.ok(limit);
    return boundsFor(limit, { ...FACTS, pool: name, sourceAddress });
  };
  const smaller = { connections: 5, recipientRate: { count: 1, periodMs: 1_000 } };
  assert.deepEqual(bounds('a', '192.0.2.1'), smaller);
  assert.deepEqual(bounds('b', '192.0.2.1'), smaller);
  assert.deepEqual(bounds('a', '192.0.2.2'), {
    connections: 10,
    recipientRate: { count: 1, periodMs: 1_000 },
  });
});

test('a pool that takes the limit back where another keeps it is bound by the other: an address has one reputation', () => {
  const config = configOf(
    pool('a', '{name: ip-1, address: 192.0.2.1, ehlo: a.example}') +
      pool('b', '{name: ip-1, address: 192.0.2.1, ehlo: a.example}') +
      policy('all', '{default: {limits: [{name: s, per: [Source], connections: 10, messageRate: 1/s}]}}') +
      policy('b', '{targetRefs: [{name: b}], default: {limits: [{name: s, connections: Unlimited}]}}'),
  );
  const [limit] = effectivePolicy(config, 'b', 'example.com', []).limits;
  assert.ok(limit);
  assert.equal(boundsFor(limit, { ...FACTS, pool: 'b' })?.connections, 10);
});
