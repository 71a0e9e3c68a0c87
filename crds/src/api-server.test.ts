import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import { faultsOf } from './api-server.fixture.ts';
import { resourceSet } from './arbitrary-resources.ts';
import { validateResource } from './mod.ts';
import { resourceSchema } from './resource-definition.ts';

const TESTDATA = new URL('../testdata/', import.meta.url);
const PROVIDERS = new URL('../providers/', import.meta.url);
const SCHEMAS = { EgressPool: resourceSchema('EgressPool'), ShapingPolicy: resourceSchema('ShapingPolicy') };

test('what is right in a file is right in a cluster: the CRD takes every right resource of the golden pairs', () => {
  let taken = 0;
  for (const file of readdirSync(TESTDATA).filter((name) => name.endsWith('.in.yaml'))) {
    for (const document of parseAllDocuments(readFileSync(new URL(file, TESTDATA), 'utf8'))) {
      const value: unknown = document.errors.length > 0 ? undefined : document.toJS();
      const checked = validateResource(value);
      if (!('resource' in checked)) continue;
      assert.deepEqual(faultsOf(SCHEMAS[checked.resource.kind], value), [], file);
      taken++;
    }
  }
  assert.ok(taken > 100, `${taken}`);
});

test('the provider library can be applied: the CRD takes all of it', () => {
  const files = readdirSync(PROVIDERS).filter((name) => name.endsWith('.yaml'));
  assert.ok(files.length > 0);
  for (const file of files) {
    for (const document of parseAllDocuments(readFileSync(new URL(file, PROVIDERS), 'utf8'))) {
      assert.deepEqual(faultsOf(SCHEMAS.ShapingPolicy, document.toJS()), [], file);
    }
  }
});

test('every right resource is right in a cluster, also as the operator reads it back with its defaults', () => {
  fc.assert(
    fc.property(resourceSet, (resources) => {
      for (const { kind, resource } of resources) assert.deepEqual(faultsOf(SCHEMAS[kind], resource), []);
    }),
    { numRuns: 100 },
  );
});

function pool(spec: object): object {
  return {
    apiVersion: 'sluice.email/v1alpha1',
    kind: 'EgressPool',
    metadata: { name: 'main' },
    spec: { sources: [SOURCE], ...spec },
  };
}

function policy(layer: object): object {
  return {
    apiVersion: 'sluice.email/v1alpha1',
    kind: 'ShapingPolicy',
    metadata: { name: 'main' },
    spec: { default: layer },
  };
}

const SOURCE = { name: 'ip-1', address: '192.0.2.10', ehlo: 'a.example' };
const ENDPOINT = { host: 'proxy', port: 1 };
const LIMIT = { name: 'l', per: ['Site'], connections: 1 };
const act = (action: object) =>
  policy({ reactions: [{ name: 'r', match: { codes: [421] }, actions: [action] }] });

const WRONG: readonly (readonly [string, object, string])[] = [
  ['a union without its member', pool({ egress: { type: 'Bind' } }), 'spec.egress: bind is there with'],
  [
    'a union with the member of another type',
    pool({ egress: { type: 'Direct', socks5: { endpoint: ENDPOINT } } }),
    'spec.egress: socks5 is there with',
  ],
  [
    'an address that the proxy is not told',
    pool({
      egress: {
        type: 'SOCKS5',
        socks5: { endpoint: ENDPOINT, dialect: 'Connect', sourceAddress: '10.0.0.5' },
      },
    }),
    'spec.egress.socks5: sourceAddress is only told',
  ],
  [
    'a host with its port',
    pool({ egress: { type: 'HAProxy', haproxy: { endpoint: { host: 'a:1', port: 1 } } } }),
    'spec.egress.haproxy.endpoint.host: it is no host name',
  ],
  [
    'no address',
    pool({ sources: [{ ...SOURCE, address: 'mail' }] }),
    'spec.sources[0].address: it is no IPv4',
  ],
  ['one name twice', pool({ sources: [SOURCE, SOURCE] }), 'spec.sources: repeated'],
  ['a fallback to itself', pool({ fallbackPoolRef: { name: 'main' } }), ': fallbackPoolRef names the pool'],
  ['an unknown field', pool({ sorces: [] }), 'spec.sorces: unknown field'],
  [
    'a schedule without its numbers',
    pool({ sources: [{ ...SOURCE, warmup: { startDate: '2026-12-01', schedule: { type: 'Custom' } } }] }),
    'spec.sources[0].warmup.schedule: custom is there with',
  ],
  [
    'a day that the calendar does not have',
    pool({ sources: [{ ...SOURCE, warmup: { startDate: '2026-02-30', schedule: { type: 'Brisk' } } }] }),
    'spec.sources[0].warmup.startDate: no date',
  ],
  [
    'a name in EHLO that no host can have',
    pool({ sources: [{ ...SOURCE, ehlo: 'out_1.example' }] }),
    'spec.sources[0].ehlo: pattern',
  ],
  [
    'a condition outside per',
    policy({ limits: [{ ...LIMIT, when: { tenants: ['x'] } }] }),
    'spec.default.limits[0]: when asks about Tenant',
  ],
  [
    'an override outside per',
    policy({ limits: [{ ...LIMIT, overrides: [{ name: 'o', when: { classes: ['x'] }, connections: 2 }] }] }),
    'spec.default.limits[0]: when of an override asks about Class',
  ],
  [
    'an override that changes nothing',
    policy({ limits: [{ ...LIMIT, overrides: [{ name: 'o', when: { classes: ['x'] } }] }] }),
    'spec.default.limits[0].overrides[0]: it changes no bound',
  ],
  [
    'a condition that asks for nothing',
    policy({ limits: [{ ...LIMIT, when: {} }] }),
    'spec.default.limits[0].when: too few members',
  ],
  [
    'a count in words',
    policy({ limits: [{ ...LIMIT, connections: 'many' }] }),
    'spec.default.limits[0].connections: pattern',
  ],
  [
    'no connection at all',
    policy({ limits: [{ ...LIMIT, connections: 0 }] }),
    'spec.default.limits[0].connections: too small',
  ],
  [
    'a duration of nothing',
    policy({ session: { idleTimeout: '0s' } }),
    'spec.default.session.idleTimeout: a duration is above zero',
  ],
  ['an action without its member', act({ type: 'Suspend' }), 'actions[0]: suspend is there with'],
  [
    'a rate as the floor of connections',
    act({ type: 'Scale', scale: { limitName: 'l', bound: 'Connections', percent: 50, floor: '1/s' } }),
    'actions[0].scale: floor is a count',
  ],
  [
    'SetLimit that sets nothing',
    act({ type: 'SetLimit', setLimit: { limitName: 'l', for: '1h' } }),
    'actions[0].setLimit: it changes no bound',
  ],
];

for (const [mistake, value, fault] of WRONG) {
  test(`who applies ${mistake} is refused by the API server, not only told in the status`, () => {
    const schema =
      'sources' in Object(Reflect.get(value, 'spec')) ? SCHEMAS.EgressPool : SCHEMAS.ShapingPolicy;
    const found = faultsOf(schema, value);
    assert.ok(
      found.some((each) => each.includes(fault)),
      found.join('\n'),
    );
    assert.ok('findings' in validateResource(value), 'a file with it is refused too');
  });
}

test('the address of a source cannot be exchanged under its name: its counters and its reputation are those of the address', () => {
  const other = pool({ sources: [{ ...SOURCE, address: '192.0.2.99' }] });
  assert.deepEqual(faultsOf(SCHEMAS.EgressPool, other, pool({})), [
    'spec.sources[0]: address is the identity of the source: add a source with another name instead',
  ]);
  const renamed = pool({ sources: [{ ...SOURCE, name: 'ip-2', address: '192.0.2.99' }] });
  assert.deepEqual(faultsOf(SCHEMAS.EgressPool, renamed, pool({})), []);
});
