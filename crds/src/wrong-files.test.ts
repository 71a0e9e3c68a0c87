import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
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
    mistake: "somebody else's kind under our apiVersion",
    text: 'apiVersion: sluice.email/v1alpha1\nkind: ConfigMap\n',
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
      'f.yaml:6:3: spec.warmth: Unknown field "warmth". Remove it; known here: match, urgency, selection, egress, sources, fallbackPoolRef.',
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
    mistake: 'an underscore in the name said in EHLO',
    text: pool('  sources: [{name: ip-1, address: 192.0.2.10, ehlo: out_1.example}]\n'),
    told: [
      'f.yaml:5:53: spec.sources[0].ehlo must be a host name of lower-case letters, digits, hyphens and dots, without final dot, not "out_1.example". Write out-1.example.',
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
    mistake: 'one tenant of a condition twice',
    text: limits('{name: a, per: [Tenant], when: {tenants: [x, x]}, connections: 2}'),
    told: [
      'f.yaml:7:52: spec.default.limits[0].when.tenants[1] is "x" a second time. Remove it, or give it another value: entries of one list differ here.',
    ],
  },
  {
    mistake: 'a target of another kind',
    text: policy('  targetRefs: [{kind: Service, name: main}]\n'),
    told: ['f.yaml:5:23: spec.targetRefs[0].kind must be EgressPool, not "Service". Write EgressPool.'],
  },
  {
    mistake: 'SOCKS5 without its member',
    text: pool(`  egress: {type: SOCKS5}\n${SOURCES}`),
    told: [
      'f.yaml:5:11: spec.egress has type SOCKS5 and no member socks5. Add socks5: {endpoint: {host: …, port: …}}.',
    ],
  },
  {
    mistake: 'HAProxy with the member of SOCKS5',
    text: pool(
      `  egress: {type: HAProxy, haproxy: {endpoint: {host: a, port: 1}}, socks5: {endpoint: {host: a, port: 1}}}\n${SOURCES}`,
    ),
    told: [
      'f.yaml:5:76: spec.egress.socks5 is not a member of type HAProxy. Write type: SOCKS5, or remove socks5.',
    ],
  },
  {
    mistake: 'a proxy with its port in the host',
    text: pool(`  egress: {type: HAProxy, haproxy: {endpoint: {host: "a:1", port: 1}}}\n${SOURCES}`),
    told: [
      'f.yaml:5:54: spec.egress.haproxy.endpoint.host must be a host name in lower case or an IP address, not "a:1". For example: egress-a.mail.svc.',
    ],
  },
  {
    mistake: 'a source address that the proxy is not told',
    text: pool(
      `  egress: {type: SOCKS5, socks5: {endpoint: {host: a, port: 1}, dialect: Connect, sourceAddress: 10.0.0.5}}\n${SOURCES}`,
    ),
    told: [
      'f.yaml:5:98: spec.egress.socks5.sourceAddress is not told to a proxy that speaks the dialect Connect. Write dialect: BindConnect, or remove sourceAddress.',
    ],
  },
  {
    mistake: 'a proxy that connects from the other family',
    text: pool(
      `  egress: {type: HAProxy, haproxy: {endpoint: {host: a, port: 1}, sourceAddress: "2001:db8::1"}}\n${SOURCES}`,
    ),
    told: [
      'f.yaml:6:35: spec.sources[0].address is an IPv4 address, but the source binds 2001:db8::1. Bind an address of the same family.',
    ],
  },
  {
    mistake: 'a pool that falls back to itself',
    text: pool(`${SOURCES}  fallbackPoolRef: {name: main}\n`),
    told: [
      'f.yaml:6:27: spec.fallbackPoolRef.name is the pool itself. Name another pool, or remove fallbackPoolRef.',
    ],
  },
  {
    mistake: 'a day that the calendar does not have',
    text: pool(
      '  sources: [{name: ip-1, address: 192.0.2.10, ehlo: a.example, warmup: {startDate: "2026-02-30", schedule: {type: Brisk}}}]\n',
    ),
    told: [
      'f.yaml:5:84: spec.sources[0].warmup.startDate must be a date YYYY-MM-DD, not "2026-02-30". For example: 2026-12-01.',
    ],
  },
  {
    mistake: 'a warm-up of his own without its numbers',
    text: pool(
      '  sources: [{name: ip-1, address: 192.0.2.10, ehlo: a.example, warmup: {startDate: "2026-12-01", schedule: {type: Custom}}}]\n',
    ),
    told: [
      'f.yaml:5:108: spec.sources[0].warmup.schedule has type Custom and no member custom. Add custom: {recipientsPerDay: [200, 500, 1000]}.',
    ],
  },
  {
    mistake: 'a reaction to everything',
    text: policy('  default:\n    reactions:\n    - {name: a, match: {}}\n'),
    told: [
      'f.yaml:7:24: spec.default.reactions[0].match asks for nothing. Name codes, enhancedCodes, text, phases, or leave match out to refine a reaction of a wider layer.',
    ],
  },
  {
    mistake: 'a reaction to success',
    text: policy('  default:\n    reactions:\n    - {name: a, match: {codes: [250]}}\n'),
    told: [
      'f.yaml:7:33: spec.default.reactions[0].match.codes[0] must be a reply code from 400 to 599, not 250. For example: 421.',
    ],
  },
  {
    mistake: 'a reply code as text',
    text: policy('  default:\n    reactions:\n    - {name: a, match: {codes: ["421"]}}\n'),
    told: [
      'f.yaml:7:33: spec.default.reactions[0].match.codes[0] must be a reply code from 400 to 599, not "421". Write 421 without quotes.',
    ],
  },
  {
    mistake: 'an enhanced code that YAML reads as a number',
    text: policy('  default:\n    reactions:\n    - {name: a, match: {enhancedCodes: [4.7]}}\n'),
    told: [
      'f.yaml:7:41: spec.default.reactions[0].match.enhancedCodes[0] must be an enhanced status code of class 4 or 5, not 4.7. For example: "4.7.28".',
    ],
  },
  {
    mistake: 'a look-ahead, which RE2 does not have',
    text: policy('  default:\n    reactions:\n    - {name: a, match: {text: "(?=x)"}}\n'),
    told: [
      'f.yaml:7:31: spec.default.reactions[0].match.text must be a regular expression as RE2 has them, of 1 to 512 characters, not "(?=x)". For example: "unusual rate".',
    ],
  },
  {
    mistake: 'an action without its member',
    text: policy(
      '  default:\n    reactions:\n    - {name: a, match: {codes: [421]}, actions: [{type: Suspend}]}\n',
    ),
    told: [
      'f.yaml:7:50: spec.default.reactions[0].actions[0] has type Suspend and no member suspend. Add suspend: {per: [Source, Group], for: 1h}.',
    ],
  },
  {
    mistake: 'Bounce with a delay',
    text: policy(
      '  default:\n    reactions:\n    - {name: a, match: {codes: [421]}, actions: [{type: Bounce, retryAfter: {delay: 1h}}]}\n',
    ),
    told: [
      'f.yaml:7:77: spec.default.reactions[0].actions[0].retryAfter is not a member of type Bounce. Write type: RetryAfter, or remove retryAfter.',
    ],
  },
  {
    mistake: 'a rate as the floor of connections',
    text: policy(
      '  default:\n    reactions:\n    - {name: a, match: {codes: [421]}, actions: [{type: Scale, scale: {limitName: l, bound: Connections, percent: 50, floor: 1/s}}]}\n',
    ),
    told: [
      'f.yaml:7:126: spec.default.reactions[0].actions[0].scale.floor is a rate, but Connections is a count. For example: 1.',
    ],
  },
  {
    mistake: 'a count as the floor of a rate',
    text: policy(
      '  default:\n    reactions:\n    - {name: a, match: {codes: [421]}, actions: [{type: Scale, scale: {limitName: l, bound: MessageRate, percent: 50, floor: 1}}]}\n',
    ),
    told: [
      'f.yaml:7:126: spec.default.reactions[0].actions[0].scale.floor is a count, but MessageRate is a rate. For example: 10/min.',
    ],
  },
  {
    mistake: 'SetLimit that sets nothing',
    text: policy(
      '  default:\n    reactions:\n    - {name: a, match: {codes: [421]}, actions: [{type: SetLimit, setLimit: {limitName: l, for: 1h}}]}\n',
    ),
    told: [
      'f.yaml:7:77: spec.default.reactions[0].actions[0].setLimit changes no bound. Add one of connections, connectionRate, recipientRate, messageRate, byteRate, burst.',
    ],
  },
  {
    mistake: 'several at once',
    text: policy(
      '  priority: high\n  default:\n    session: {tls: {level: Force, mtaSTS: Always}}\n  destination: []\n',
    ),
    told: [
      'f.yaml:5:13: spec.priority must be a whole number from -1000000000 to 1000000000, not "high". For example: 100.',
      'f.yaml:7:28: spec.default.session.tls.level must be Disabled, Opportunistic, Encrypt or Verify, not "Force". Write one of these.',
      'f.yaml:7:43: spec.default.session.tls.mtaSTS must be Enabled or Disabled, not "Always". Write one of these.',
      'f.yaml:8:3: spec.destination: Unknown field "destination". Did you mean "destinations"?',
    ],
  },
];

/**
 * Files with more wrong files: each begins with `# wrong: the mistake` and `# told: a message` for each message, then
 * comes the text that is wrong, from its line 1.
 */
const TESTDATA = new URL('../testdata/wrong/', import.meta.url);
const WRITTEN_OUT = readdirSync(TESTDATA).flatMap((file) =>
  readFileSync(new URL(file, TESTDATA), 'utf8')
    .split(/^# wrong: /m)
    .slice(1)
    .map((part): WrongFile => {
      const lines = part.split('\n');
      const told = lines.filter((line) => line.startsWith('# told: '));
      return {
        mistake: `${lines[0]} (${file})`,
        text: lines.slice(1 + told.length).join('\n'),
        told: told.map((line) => line.slice('# told: '.length)),
      };
    }),
);
const ALL = [...WRONG_FILES, ...WRITTEN_OUT];

test('a hundred mistakes of one file each are told in one message each: none is accepted silently', () => {
  const single = ALL.filter(({ told }) => told.length === 1);
  assert.ok(single.length >= 100, `${single.length}`);
  assert.equal(new Set(ALL.map(({ text }) => text)).size, ALL.length, 'no file is there twice');
  assert.deepEqual(
    ALL.filter(({ told }) => told.length === 0).map(({ mistake }) => mistake),
    [],
  );
});

for (const { mistake, text, told } of ALL) {
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
