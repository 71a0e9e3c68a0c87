import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem, parseResources } from './mod.ts';

/** A file that a user got wrong, and every word that Sluice says about it. */
interface WrongFile {
  readonly mistake: string;
  readonly text: string;
  readonly told: readonly string[];
}

const pool = (spec: string) =>
  `apiVersion: sluice.email/v1alpha1\nkind: EgressPool\nmetadata: {name: main}\nspec:\n${spec}`;
const policy = (spec: string) =>
  `apiVersion: sluice.email/v1alpha1\nkind: ShapingPolicy\nmetadata: {name: main}\nspec:\n${spec}`;
const SOURCES = '  sources: [{name: ip-1, address: 192.0.2.10, ehlo: out.example}]\n';
const limits = (text: string) => policy(`  default:\n    limits:\n    - ${text}\n`);

const WRONG_FILES: readonly WrongFile[] = [
  {
    mistake: 'no YAML',
    text: 'kind: [EgressPool\n',
    told: [
      'f.yaml:2:1: This is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]. Correct the syntax here: indent with spaces only, write each key once.',
    ],
  },
  {
    mistake: 'a tab',
    text: 'kind: EgressPool\nspec:\n\tsources: []\n',
    told: [
      'f.yaml:3:1: This is not valid YAML: Tabs are not allowed as indentation. Correct the syntax here: indent with spaces only, write each key once.',
    ],
  },
  {
    mistake: 'a key twice',
    text: pool(`${SOURCES}  sources: []\n`),
    told: [
      'f.yaml:6:3: This is not valid YAML: Map keys must be unique. Correct the syntax here: indent with spaces only, write each key once.',
    ],
  },
  {
    mistake: 'an alias without its anchor',
    text: pool('  sources: *nowhere\n'),
    told: [
      'f.yaml:5:12: This YAML cannot be expanded: Unresolved alias (the anchor must be set before the alias): nowhere. Write the values out instead of nesting them or repeating them by aliases.',
    ],
  },
  {
    mistake: 'an unknown tag',
    text: pool('  sources: !include sources.yaml\n'),
    told: [
      'f.yaml:5:12: This is not valid YAML: Unresolved tag: !include. Correct the syntax here: indent with spaces only, write each key once.',
    ],
  },
  {
    mistake: 'a list',
    text: '- kind: EgressPool\n',
    told: [
      'f.yaml:1:1: The document must be a resource (apiVersion, kind, metadata, spec), not a list. Begin with apiVersion: sluice.email/v1alpha1; separate resources by a line with ---.',
    ],
  },
  {
    mistake: 'a single word',
    text: 'EgressPool\n',
    told: [
      'f.yaml:1:1: The document must be a resource (apiVersion, kind, metadata, spec), not a single value. Begin with apiVersion: sluice.email/v1alpha1; separate resources by a line with ---.',
    ],
  },
  {
    mistake: 'no kind',
    text: 'apiVersion: sluice.email/v1alpha1\n',
    told: ['f.yaml:1:1: kind is missing. Add it: EgressPool or ShapingPolicy.'],
  },
  {
    mistake: 'a mistyped kind',
    text: 'apiVersion: sluice.email/v1alpha1\nkind: EgresPool\n',
    told: ['f.yaml:2:7: kind must be EgressPool or ShapingPolicy, not "EgresPool". Write EgressPool.'],
  },
  {
    mistake: "somebody else's kind",
    text: 'apiVersion: v1\nkind: ConfigMap\n',
    told: [
      'f.yaml:2:7: kind must be EgressPool or ShapingPolicy, not "ConfigMap". Write EgressPool or ShapingPolicy.',
    ],
  },
  {
    mistake: 'another version',
    text: 'apiVersion: sluice.email/v1\nkind: EgressPool\n',
    told: [
      'f.yaml:1:13: apiVersion must be sluice.email/v1alpha1, not "sluice.email/v1". Write sluice.email/v1alpha1.',
    ],
  },
  {
    mistake: 'no apiVersion',
    text: 'kind: EgressPool\n',
    told: ['f.yaml:1:1: apiVersion is missing. Add it: sluice.email/v1alpha1.'],
  },
  {
    mistake: 'nothing but a kind',
    text: 'apiVersion: sluice.email/v1alpha1\nkind: ShapingPolicy\n',
    told: [
      'f.yaml:1:1: metadata is missing. Add it: fields (name, namespace, labels, annotations).',
      'f.yaml:1:1: spec is missing. Add it: fields (priority, targetRefs, default, destinations).',
    ],
  },
  {
    mistake: 'a name that Kubernetes refuses',
    text: `apiVersion: sluice.email/v1alpha1\nkind: EgressPool\nmetadata: {name: My_Pool}\nspec:\n${SOURCES}`,
    told: [
      'f.yaml:3:18: metadata.name must be a name of lower-case letters, digits, hyphens and dots, at most 253, not "My_Pool". Write my-pool.',
    ],
  },
  {
    mistake: 'an unknown field',
    text: pool(`${SOURCES}  selektion: {}\n`),
    told: ['f.yaml:6:3: spec.selektion: Unknown field "selektion". Did you mean "selection"?'],
  },
  {
    mistake: 'an unknown field that resembles none',
    text: pool(`${SOURCES}  warmth: 3\n`),
    told: [
      'f.yaml:6:3: spec.warmth: Unknown field "warmth". Remove it; known here: match, selection, egress, sources.',
    ],
  },
  {
    mistake: 'a field in the wrong place',
    text: policy('  limits: []\n'),
    told: [
      'f.yaml:5:3: spec.limits: Unknown field "limits". Remove it; known here: priority, targetRefs, default, destinations.',
    ],
  },
  {
    mistake: 'a field of a later version',
    text: pool(`  urgency: High\n${SOURCES}`),
    told: [
      'f.yaml:5:3: spec.urgency: Field "urgency" is a field of a later version of Sluice; this version cannot carry it out. Remove it until then.',
    ],
  },
  {
    mistake: 'a value of a later version',
    text: pool(`  selection:\n    strategy: Sticky\n${SOURCES}`),
    told: [
      'f.yaml:6:15: spec.selection.strategy: "Sticky" is a value of a later version of Sluice; this version cannot carry it out. Write Weighted until then.',
    ],
  },
  {
    mistake: 'a way out of a later version',
    text: pool(`  egress:\n    type: SOCKS5\n    socks5:\n      endpoint: {host: a, port: 1080}\n${SOURCES}`),
    told: [
      'f.yaml:6:11: spec.egress.type: "SOCKS5" is a value of a later version of Sluice; this version cannot carry it out. Write Direct or Bind until then.',
      'f.yaml:7:5: spec.egress.socks5: Field "socks5" is a field of a later version of Sluice; this version cannot carry it out. Remove it until then.',
    ],
  },
  {
    mistake: 'no sources',
    text: pool('  match: [{name: all}]\n'),
    told: ['f.yaml:5:3: spec.sources is missing. Add it: a list.'],
  },
  {
    mistake: 'an empty list',
    text: pool('  sources: []\n'),
    told: [
      'f.yaml:5:12: spec.sources must be a list of at least one item, not an empty one. Add an item or leave the field out.',
    ],
  },
  {
    mistake: 'nothing after the colon',
    text: pool('  sources:\n'),
    told: ['f.yaml:5:11: spec.sources must be a list, not nothing. Write a list here.'],
  },
  {
    mistake: 'a mapping instead of a list',
    text: pool('  sources: {name: ip-1}\n'),
    told: ['f.yaml:5:12: spec.sources must be a list, not a map. Write a list here.'],
  },
  {
    mistake: 'two sources of one name',
    text: pool(
      '  sources:\n  - {name: ip-1, address: 192.0.2.10, ehlo: a.example}\n  - {name: ip-1, address: 192.0.2.11, ehlo: a.example}\n',
    ),
    told: [
      'f.yaml:7:12: spec.sources[1].name is "ip-1" a second time. Remove it, or give it another value: entries of one list differ here.',
    ],
  },
  {
    mistake: 'no address',
    text: pool('  sources:\n  - name: ip-1\n    ehlo: a.example\n'),
    told: ['f.yaml:6:5: spec.sources[0].address is missing. Add it: an IPv4 or IPv6 address.'],
  },
  {
    mistake: 'a host name as address',
    text: pool('  sources: [{name: ip-1, address: mail.example, ehlo: a.example}]\n'),
    told: [
      'f.yaml:5:35: spec.sources[0].address must be an IPv4 or IPv6 address, not "mail.example". For example: 192.0.2.10.',
    ],
  },
  {
    mistake: 'a weight beyond the bound',
    text: pool('  sources: [{name: ip-1, address: 192.0.2.10, ehlo: a.example, weight: 1001}]\n'),
    told: [
      'f.yaml:5:72: spec.sources[0].weight must be a whole number from 1 to 1000, not 1001. For example: 10.',
    ],
  },
  {
    mistake: 'a weight as text',
    text: pool('  sources: [{name: ip-1, address: 192.0.2.10, ehlo: a.example, weight: "5"}]\n'),
    told: [
      'f.yaml:5:72: spec.sources[0].weight must be a whole number from 1 to 1000, not "5". For example: 10.',
    ],
  },
  {
    mistake: 'a state in lower case',
    text: pool('  sources: [{name: ip-1, address: 192.0.2.10, ehlo: a.example, state: draining}]\n'),
    told: [
      'f.yaml:5:71: spec.sources[0].state must be Active, Draining or Disabled, not "draining". Write Draining.',
    ],
  },
  {
    mistake: 'a label that YAML reads as a truth value',
    text: pool('  sources: [{name: ip-1, address: 192.0.2.10, ehlo: a.example, labels: {warm: true}}]\n'),
    told: [
      'f.yaml:5:79: spec.sources[0].labels.warm must be a label value: text of at most 63 letters, digits, hyphens, dots and underscores, not true. Write "true".',
    ],
  },
  {
    mistake: 'Bind without its member',
    text: pool(`  egress: {type: Bind}\n${SOURCES}`),
    told: ['f.yaml:5:11: spec.egress has type Bind and no member bind. Add bind: {address: …}.'],
  },
  {
    mistake: 'Direct with a member of Bind',
    text: pool(`  egress: {type: Direct, bind: {address: 10.0.0.5}}\n${SOURCES}`),
    told: ['f.yaml:5:32: spec.egress.bind is not a member of type Direct. Write type: Bind, or remove bind.'],
  },
  {
    mistake: 'two families',
    text: pool(`  egress: {type: Bind, bind: {address: "2001:db8::1"}}\n${SOURCES}`),
    told: [
      'f.yaml:6:35: spec.sources[0].address is an IPv4 address, but the source binds 2001:db8::1. Bind an address of the same family.',
    ],
  },
  {
    mistake: 'a wildcard',
    text: policy('  destinations: [{name: a, match: {domains: ["*.example.com"]}}]\n'),
    told: [
      'f.yaml:5:46: spec.destinations[0].match.domains[0] must be a domain name in lower case, without wildcard and final dot, not "*.example.com". Write example.com.',
    ],
  },
  {
    mistake: 'a domain in its own script',
    text: policy('  destinations: [{name: a, match: {domains: [bücher.example]}}]\n'),
    told: [
      'f.yaml:5:46: spec.destinations[0].match.domains[0] must be a domain name in lower case, without wildcard and final dot, not "bücher.example". Write xn--bcher-kva.example.',
    ],
  },
  {
    mistake: 'a match that matches nothing',
    text: policy('  destinations: [{name: a, match: {}}]\n'),
    told: [
      'f.yaml:5:35: spec.destinations[0].match matches nothing. Name domains, domainSuffixes or mxSuffixes, or leave match out to refine a destination of another policy.',
    ],
  },
  {
    mistake: 'a duration in words',
    text: policy('  default:\n    session: {idleTimeout: 10 minutes}\n'),
    told: [
      'f.yaml:6:28: spec.default.session.idleTimeout must be a duration above zero, in h, m, s and ms, not "10 minutes". Write 10m.',
    ],
  },
  {
    mistake: 'a duration without unit',
    text: policy('  default:\n    session: {idleTimeout: 60}\n'),
    told: [
      'f.yaml:6:28: spec.default.session.idleTimeout must be a duration above zero, in h, m, s and ms, not 60. Write 60s.',
    ],
  },
  {
    mistake: 'a duration of nothing',
    text: policy('  default:\n    retry: {delays: [5m, 0s]}\n'),
    told: [
      'f.yaml:6:26: spec.default.retry.delays[1] must be a duration above zero, in h, m, s and ms, not "0s". For example: 1h30m.',
    ],
  },
  {
    mistake: 'a rate in words',
    text: limits('{name: a, per: [Site], recipientRate: 100 per minute}'),
    told: [
      'f.yaml:7:45: spec.default.limits[0].recipientRate must be a rate N/(s|min|h|d) with N from 1, or Unlimited, not "100 per minute". Write 100/min.',
    ],
  },
  {
    mistake: 'a rate of nothing',
    text: limits('{name: a, per: [Site], recipientRate: 0/s}'),
    told: [
      'f.yaml:7:45: spec.default.limits[0].recipientRate must be a rate N/(s|min|h|d) with N from 1, or Unlimited, not "0/s". For example: 100/min.',
    ],
  },
  {
    mistake: 'a count in words',
    text: limits('{name: a, per: [Site], connections: unlimited}'),
    told: [
      'f.yaml:7:43: spec.default.limits[0].connections must be a whole number from 1 to 1000000000, or Unlimited, not "unlimited". Write Unlimited.',
    ],
  },
  {
    mistake: 'an unknown field of per',
    text: limits('{name: a, per: [Site, Sender], connections: 1}'),
    told: [
      'f.yaml:7:29: spec.default.limits[0].per[1] must be Pool, Source, Site, Group, Domain, MxHost, Tenant, Campaign or Class, not "Sender". Write one of these.',
    ],
  },
  {
    mistake: 'a field of per twice',
    text: limits('{name: a, per: [Site, Site], connections: 1}'),
    told: [
      'f.yaml:7:29: spec.default.limits[0].per[1] is "Site" a second time. Remove it, or give it another value: entries of one list differ here.',
    ],
  },
  {
    mistake: 'a condition outside per',
    text: limits('{name: a, per: [Site], when: {tenants: [x]}, connections: 1}'),
    told: [
      'f.yaml:7:46: spec.default.limits[0].when.tenants asks about Tenant, which is not in per. Add Tenant to per, or remove it.',
    ],
  },
  {
    mistake: 'an override outside per',
    text: limits(
      '{name: a, per: [Site], connections: 2, overrides: [{name: b, when: {sourceSelector: {matchLabels: {age: cold}}}, connections: 1}]}',
    ),
    told: [
      'f.yaml:7:91: spec.default.limits[0].overrides[0].when.sourceSelector asks about Source, which is not in per. Add Source to per, or remove it.',
    ],
  },
  {
    mistake: 'an override that changes nothing',
    text: limits('{name: a, per: [Tenant], connections: 2, overrides: [{name: b, when: {tenants: [x]}}]}'),
    told: [
      'f.yaml:7:60: spec.default.limits[0].overrides[0] changes no bound. Add one of connections, connectionRate, recipientRate, messageRate, byteRate, burst.',
    ],
  },
  {
    mistake: 'a condition that asks for nothing',
    text: limits('{name: a, per: [Tenant], when: {}, connections: 2}'),
    told: [
      'f.yaml:7:38: spec.default.limits[0].when asks for nothing. Name pools, sources, groups, domains, tenants, campaigns or classes.',
    ],
  },
  {
    mistake: 'a target of another kind',
    text: policy('  targetRefs: [{kind: Service, name: main}]\n'),
    told: ['f.yaml:5:23: spec.targetRefs[0].kind must be EgressPool, not "Service". Write EgressPool.'],
  },
  {
    mistake: 'reactions, a field of a later version',
    text: policy('  destinations:\n  - name: a\n    match: {domains: [a.example]}\n    reactions: []\n'),
    told: [
      'f.yaml:8:5: spec.destinations[0].reactions: Field "reactions" is a field of a later version of Sluice; this version cannot carry it out. Remove it until then.',
    ],
  },
  {
    mistake: 'several at once',
    text: policy(
      '  priority: high\n  default:\n    session: {tls: {level: Force, mtaSTS: Enabled}}\n  destination: []\n',
    ),
    told: [
      'f.yaml:5:13: spec.priority must be a whole number from -1000000000 to 1000000000, not "high". For example: 100.',
      'f.yaml:7:28: spec.default.session.tls.level must be Disabled, Opportunistic, Encrypt or Verify, not "Force". Write one of these.',
      'f.yaml:7:35: spec.default.session.tls.mtaSTS: Field "mtaSTS" is a field of a later version of Sluice; this version cannot carry it out. Remove it until then.',
      'f.yaml:8:3: spec.destination: Unknown field "destination". Did you mean "destinations"?',
    ],
  },
];

for (const { mistake, text, told } of WRONG_FILES) {
  test(`who writes ${mistake} is told where it is and what to do`, () => {
    const { resources, problems } = parseResources(text, 'f.yaml');
    assert.deepEqual(problems.map(formatProblem), told);
    assert.deepEqual(resources, []);
  });
}

test('one wrong document does not take the right ones of its file with it', () => {
  const { resources, rejected, problems, complete } = parseResources(
    `${pool(SOURCES)}---\n# nothing here\n---\n${policy('  priority: x\n')}---\n${policy('  priority: 1\n')}`,
    'f.yaml',
  );
  assert.deepEqual(
    resources.map(({ kind, name, place }) => [kind, name, place.line]),
    [
      ['EgressPool', 'main', 1],
      ['ShapingPolicy', 'main', 15],
    ],
  );
  assert.deepEqual(
    rejected.map(({ kind, name }) => [kind, name]),
    [['ShapingPolicy', 'main']],
  );
  assert.equal(problems.length, 1);
  assert.ok(complete);
});
