import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { domainName, mxHosts, poolName, resourceSet } from './arbitrary-resources.ts';
import { canonicalJson, compile, effectivePolicy, parseEgressConfig, type RejectedResource } from './mod.ts';

const RUNS = { numRuns: 100 };

test('two pods that list the resources in another order run the same configuration and report the same', () => {
  fc.assert(
    fc.property(
      resourceSet.chain((set) =>
        fc.tuple(fc.constant(set), fc.shuffledSubarray([...set], { minLength: set.length })),
      ),
      ([set, shuffled]) => {
        const [a, b] = [compile({ resources: set }), compile({ resources: shuffled })];
        assert.equal(canonicalJson(a.config), canonicalJson(b.config));
        assert.deepEqual(a.statuses, b.statuses);
      },
    ),
    RUNS,
  );
});

test('compiling again what is in force changes nothing: no pod reloads for nothing', () => {
  fc.assert(
    fc.property(resourceSet, (resources) => {
      const once = compile({ resources });
      const twice = compile({ resources, lastGood: once.lastGood });
      assert.equal(twice.config.hash, once.config.hash);
      assert.deepEqual(twice.statuses, once.statuses);
    }),
    RUNS,
  );
});

test('one user who breaks a resource takes nothing from the others: all but its own status stays', () => {
  fc.assert(
    fc.property(resourceSet, fc.nat(), fc.boolean(), (resources, at, wasGood) => {
      fc.pre(resources.length > 0);
      const target = resources[at % resources.length];
      assert.ok(target);
      const others = resources.filter((resource) => resource !== target);
      const broken: RejectedResource = {
        kind: target.kind,
        name: target.name,
        place: {},
        problems: [PROBLEM],
      };
      const good = compile({ resources });
      const before = wasGood ? good : compile({ resources: others });
      const after = compile({ resources: [...others, broken], lastGood: before.lastGood });
      assert.equal(after.config.hash, before.config.hash);
      const isOther = (status: { readonly kind: string; readonly name: string }) =>
        status.kind !== target.kind || status.name !== target.name;
      assert.deepEqual(after.statuses.filter(isOther), before.statuses.filter(isOther));
      const own = after.statuses.find((status) => !isOther(status))?.conditions[0];
      assert.equal(own?.status, 'False');
      assert.equal(own?.reason, 'Invalid');
    }),
    RUNS,
  );
});

test('a form has a hash of its own: an operator sees that pods run this resource, whatever the others say', () => {
  fc.assert(
    fc.property(resourceSet, fc.nat(), (resources, at) => {
      fc.pre(resources.length > 0);
      const target = resources[at % resources.length];
      assert.ok(target);
      const hashOf = (set: typeof resources, lastGood?: ReturnType<typeof compile>['lastGood']) =>
        compile({ resources: set, ...(lastGood && { lastGood }) }).statuses.find(
          (status) => status.kind === target.kind && status.name === target.name,
        )?.formHash;
      const own = hashOf(resources);
      assert.match(own ?? '', /^[0-9a-f]{64}$/);
      assert.equal(hashOf([target]), own, 'the others have no part in it');
      const { resource } = target;
      const labelled = { ...resource, metadata: { ...resource.metadata, labels: { team: 'mail' } } };
      assert.equal(hashOf([{ ...target, resource: labelled }]), own, 'neither have labels');
      const broken = { kind: target.kind, name: target.name, place: {}, problems: [PROBLEM] };
      assert.equal(compile({ resources: [broken] }).statuses[0]?.formHash, undefined);
      const { lastGood } = compile({ resources: [target] });
      assert.equal(compile({ resources: [broken], lastGood }).statuses[0]?.formHash, own);
      const changed =
        resource.kind === 'EgressPool'
          ? {
              ...resource,
              spec: {
                ...resource.spec,
                urgency: resource.spec.urgency === 'High' ? 'Normal' : 'High',
              } as const,
            }
          : { ...resource, spec: { ...resource.spec, priority: resource.spec.priority + 1 } };
      assert.notEqual(hashOf([{ ...target, resource: changed }]), own);
    }),
    RUNS,
  );
});

const PROBLEM = {
  code: 'SLUICE_FIELD_UNKNOWN',
  file: 'a.yaml',
  line: 3,
  column: 1,
  field: 'spec.sorces',
  what: 'Unknown field "sorces".',
  cure: 'Did you mean "sources"?',
} as const;

test('what a ConfigMap carries is what was compiled, and serves the same policies after the journey', () => {
  fc.assert(
    fc.property(resourceSet, poolName, domainName, mxHosts, (resources, pool, domain, hosts) => {
      const { config } = compile({ resources });
      const loaded = parseEgressConfig(JSON.stringify(config));
      assert.ok('config' in loaded, JSON.stringify(loaded));
      assert.deepEqual(loaded.config, config);
      assert.deepEqual(
        effectivePolicy(loaded.config, pool, domain, hosts),
        effectivePolicy(config, pool, domain, hosts),
      );
    }),
    RUNS,
  );
});

test('the order in which an MX answer lists its hosts decides nothing', () => {
  fc.assert(
    fc.property(resourceSet, poolName, domainName, mxHosts, (resources, pool, domain, hosts) => {
      const { config } = compile({ resources });
      assert.equal(
        effectivePolicy(config, pool, domain, hosts),
        effectivePolicy(config, pool, domain, hosts.toReversed()),
      );
    }),
    RUNS,
  );
});

test('resources straight from the API server are checked for meaning too, not only for shape', () => {
  const pool = {
    apiVersion: 'sluice.email/v1alpha1',
    kind: 'EgressPool',
    metadata: { name: 'main' },
    spec: {
      urgency: 'Normal',
      egress: { type: 'Bind' },
      sources: [
        { name: 'ip-1', address: '192.0.2.1', ehlo: 'a.example', weight: 1, state: 'Active', labels: {} },
      ],
    },
  } as const;
  const { config, statuses } = compile({
    resources: [
      {
        kind: 'EgressPool',
        name: 'main',
        resource: { ...pool, spec: { ...pool.spec, sources: [...pool.spec.sources] } },
        place: {},
      },
    ],
  });
  assert.deepEqual(config.pools, []);
  assert.equal(
    statuses[0]?.conditions[0]?.message,
    'spec.egress has type Bind and no member bind. Add bind: {address: …}. It is left out.',
  );
});
