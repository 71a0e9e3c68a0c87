import fc from 'fast-check';
import { LIMIT_FIELDS } from './limit.ts';
import type { ParsedResource, Resource } from './resource.ts';
import { validateResource } from './resource-parser.ts';

/** Random right resources for property tests; few names, so that they meet, refine and contradict one another. */

const name = fc.constantFrom('a', 'b', 'c');
const domain = fc.constantFrom('a.example', 'b.a.example', 'c.b.a.example', 'd.example');
const domains = fc.uniqueArray(domain, { minLength: 1, maxLength: 3 });
const labels = fc.constantFrom({}, { age: 'cold' }, { age: 'warm', plan: 'free' });
const rate = fc.constantFrom('1/s', '10/min', '100/h', 'Unlimited');
const count = fc.constantFrom(1, 5, 'Unlimited');
const duration = fc.constantFrom('1s', '5m', '1h30m');

function optional<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

/** `undefined` members are left out, as in YAML. */
function record(members: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> {
  return fc
    .record(members)
    .map((object) => Object.fromEntries(Object.entries(object).filter(([, member]) => member !== undefined)));
}

function listByName(item: fc.Arbitrary<object>): fc.Arbitrary<readonly object[]> {
  return fc
    .uniqueArray(name, { minLength: 1, maxLength: 3 })
    .chain((names) => fc.tuple(...names.map((key) => item.map((rest) => ({ name: key, ...rest })))));
}

const bounds = {
  connections: optional(count),
  recipientRate: optional(rate),
  messageRate: optional(rate),
  burst: optional(count),
};

const limit = fc
  .uniqueArray(fc.constantFrom(...LIMIT_FIELDS), { minLength: 1, maxLength: 3 })
  .chain((per) => {
    const when = per.includes('Source')
      ? { sourceSelector: { matchLabels: { age: 'cold' } } }
      : per.includes('Domain')
        ? { domains: ['a.example'] }
        : undefined;
    return record({
      per: optional(fc.constant(per)),
      state: optional(fc.constantFrom('Enabled', 'Disabled')),
      scope: optional(fc.constantFrom('Cluster', 'Pod')),
      when: optional(fc.constant(when)),
      ...bounds,
      overrides:
        when === undefined
          ? fc.constant(undefined)
          : optional(fc.constant([{ name: 'o', when, connections: 2 }])),
    });
  });

const action = fc.constantFrom(
  { type: 'Bounce' },
  { type: 'Suspend', suspend: { per: ['Source', 'Site'], for: '1h' } },
  { type: 'Scale', scale: { limitName: 'a', bound: 'Connections', percent: 50 } },
  { type: 'SetLimit', setLimit: { limitName: 'b', messageRate: '1/s', for: '1h' } },
  { type: 'Reroute', reroute: { poolRef: { name: 'c' }, for: '1h' } },
);

const reaction = record({
  state: optional(fc.constantFrom('Enabled', 'Disabled')),
  match: optional(fc.constantFrom({ codes: [550, 421] }, { text: 'busy', phases: ['Rcpt', 'Mail'] })),
  trigger: optional(fc.constant({ count: 2, within: '1h', per: ['Site', 'Source'] })),
  actions: optional(fc.array(action, { minLength: 1, maxLength: 3 })),
});

const layer = {
  session: optional(
    record({
      messagesPerConnection: optional(fc.integer({ min: 1, max: 3 })),
      idleTimeout: optional(duration),
      timeouts: optional(record({ connect: optional(duration), finalDot: optional(duration) })),
      tls: optional(
        record({
          level: optional(fc.constantFrom('Disabled', 'Encrypt', 'Verify')),
          mtaSTS: optional(fc.constantFrom('Enabled', 'Disabled')),
          dane: optional(fc.constantFrom('Enabled', 'Disabled')),
          clientCertificateName: optional(fc.constant('partners')),
        }),
      ),
    }),
  ),
  retry: optional(
    record({
      delays: optional(fc.array(duration, { minLength: 1, maxLength: 3 })),
      expireAfter: optional(duration),
    }),
  ),
  limits: optional(listByName(limit)),
  reactions: optional(listByName(reaction)),
};

const match = record({
  domains: optional(domains),
  domainSuffixes: optional(domains),
  mxSuffixes: optional(domains),
}).filter((members) => Object.keys(members).length > 0);

const poolSpec = record({
  match: optional(
    listByName(
      record({
        priority: optional(fc.integer({ min: -1, max: 1 })),
        tenants: optional(fc.constant(['acme'])),
        recipientDomains: optional(domains),
      }),
    ),
  ),
  urgency: optional(fc.constantFrom('Normal', 'High')),
  egress: optional(
    fc.constantFrom(
      { type: 'Direct' },
      { type: 'Bind', bind: {} },
      { type: 'HAProxy', haproxy: { endpoint: { host: 'proxy', port: 1 } } },
      { type: 'SOCKS5', socks5: { endpoint: { host: 'proxy', port: 1 }, dialect: 'Connect' } },
    ),
  ),
  fallbackPoolRef: optional(fc.constant({ name: 'gone' })),
  sources: listByName(
    record({
      address: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3'),
      ehlo: domain,
      labels: optional(labels),
      weight: optional(fc.integer({ min: 1, max: 1_000 })),
      warmup: optional(fc.constant({ startDate: '2026-12-01', schedule: { type: 'Brisk' } })),
    }),
  ),
});

const policySpec = record({
  priority: optional(fc.integer({ min: -1, max: 1 })),
  targetRefs: optional(
    fc.uniqueArray(name, { minLength: 1, maxLength: 2 }).map((names) => names.map((n) => ({ name: n }))),
  ),
  default: optional(record(layer)),
  destinations: optional(listByName(record({ match: optional(match), ...layer }))),
});

function parsed(kind: Resource['kind'], key: string, spec: object): ParsedResource {
  const value = { apiVersion: 'sluice.email/v1alpha1', kind, metadata: { name: key }, spec };
  const result = validateResource(value);
  if ('findings' in result) throw new Error(JSON.stringify({ value, findings: result.findings }));
  return { kind, name: key, resource: result.resource, place: { file: 'random.yaml', line: 1, column: 1 } };
}

/** Right resources with names of their own. */
export const resourceSet: fc.Arbitrary<readonly ParsedResource[]> = fc
  .tuple(fc.dictionary(name, poolSpec, { maxKeys: 3 }), fc.dictionary(name, policySpec, { maxKeys: 3 }))
  .map(([pools, policies]) => [
    ...Object.entries(pools).map(([key, spec]) => parsed('EgressPool', key, spec)),
    ...Object.entries(policies).map(([key, spec]) => parsed('ShapingPolicy', key, spec)),
  ]);

export const poolName = name;
export const domainName = domain;
export const mxHosts = fc.array(domain, { maxLength: 3 });
