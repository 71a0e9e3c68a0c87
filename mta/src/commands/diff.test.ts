import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { filesIn, HEAD, sluice } from './command-run.fixture.ts';

const TESTDATA = fileURLToPath(new URL('testdata/diff', import.meta.url));
const OLD = readFileSync(`${TESTDATA}/old.yaml`, 'utf8');

/** Runs `sluice diff` on two texts, or sets of files. */
async function diffOf(old: string, now: string, ...more: readonly string[]) {
  const root = filesIn({ 'old.yaml': old, 'new.yaml': now });
  return sluice(['diff', '--no-providers', `${root}old.yaml`, `${root}new.yaml`, ...more], root);
}

const pool = (name: string, address: string) =>
  `${HEAD}kind: EgressPool\nmetadata: {name: ${name}}\nspec: {sources: [{name: ip-1, address: ${address}, ehlo: a.example}]}\n---\n`;
const policy = (name: string, spec: string) =>
  `${HEAD}kind: ShapingPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n---\n`;

test('who reviews a change sees pools, sources, matches, and each option and limit with the destinations it is for', async () => {
  const { exitCode, out, err } = await sluice([
    'diff',
    '--no-providers',
    `${TESTDATA}/old.yaml`,
    `${TESTDATA}/new.yaml`,
  ]);
  assert.equal(err, '');
  assert.equal(exitCode, 0);
  const golden = `${TESTDATA}/changes.txt`;
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, out);
  assert.equal(out, readFileSync(golden, 'utf8'));
});

/** The same mail leaves the same way: the reviewer need not look. */
const NO_CHANGE: readonly { readonly title: string; readonly old: string; readonly now: string }[] = [
  { title: 'the same text', old: OLD, now: OLD },
  {
    title: 'another order of documents, and a comment',
    old: OLD,
    now: OLD.split('---\n').toReversed().join('\n---\n# moved\n'),
  },
  {
    title: 'a default written out',
    old: policy('p', '{default: {retry: {expireAfter: 72h}}}'),
    now: policy('p', '{default: {retry: {expireAfter: 4320m}, session: {messagesPerConnection: 100}}}'),
  },
  {
    title: 'a policy split in two',
    old: policy('p', '{default: {session: {idleTimeout: 5s}, retry: {expireAfter: 1h}}}'),
    now: `${policy('p', '{default: {session: {idleTimeout: 5s}}}')}${policy('q', '{default: {retry: {expireAfter: 1h}}}')}`,
  },
  {
    title: 'a layer that nobody can see below narrower ones',
    old: policy(
      'p',
      '{destinations: [{name: d, match: {domains: [d.example]}, session: {idleTimeout: 5s}}]}',
    ),
    now: `${policy('lib', '{priority: -1, destinations: [{name: d, session: {idleTimeout: 9s}}]}')}${policy('p', '{destinations: [{name: d, match: {domains: [d.example]}, session: {idleTimeout: 5s}}]}')}`,
  },
];

for (const { title, old, now } of NO_CHANGE) {
  test(`no effective change: ${title}`, async () => {
    assert.deepEqual(await diffOf(old, now), { exitCode: 0, out: 'No effective change.\n', err: '' });
  });
}

/** One change each, and all that is told about destinations. */
const CHANGES: readonly {
  readonly title: string;
  readonly old: string;
  readonly now: string;
  readonly out: string;
}[] = [
  {
    title: 'a default that one destination overrides is told for the others only',
    old: policy(
      'p',
      '{default: {retry: {expireAfter: 3h}}, destinations: [{name: d, match: {domains: [d.example]}, retry: {expireAfter: 1h}}]}',
    ),
    now: policy(
      'p',
      '{default: {retry: {expireAfter: 2h}}, destinations: [{name: d, match: {domains: [d.example]}, retry: {expireAfter: 1h}}]}',
    ),
    out: 'Mail to every destination but d from every pool\n!  retry.expireAfter  3h -> 2h\n',
  },
  {
    title: 'a claim that moves is a change for that claim alone',
    old: policy('p', '{destinations: [{name: g, match: {mxSuffixes: [a.example, b.example]}}]}'),
    now: policy('p', '{destinations: [{name: g, match: {mxSuffixes: [a.example]}}]}'),
    out: 'Mail to g (mxSuffixes b.example) from every pool\n!  group  g -> none\n',
  },
  {
    title: 'a policy for one pool changes that pool, and the bound that it shares with another',
    old: `${pool('a', '192.0.2.1')}${pool('b', '192.0.2.1')}${policy('p', '{default: {limits: [{name: s, per: [Source], connections: 9}]}}')}`,
    now: `${pool('a', '192.0.2.1')}${pool('b', '192.0.2.1')}${policy('p', '{default: {limits: [{name: s, per: [Source], connections: 9}]}}')}${policy('q', '{targetRefs: [{name: a}], default: {limits: [{name: s, connections: 4}]}}')}`,
    out:
      'Mail to every destination from a\n!  limits.s.connections  9 -> 4\n+  limits.s.sharedWith   {connections: 9}\n\n' +
      'Mail to every destination from b\n+  limits.s.sharedWith  {connections: 4}\n',
  },
];

const MX_TOLD =
  '\nNo MX is looked up: a destination by domain is shown with an MX of no Group, a Group for domains without a destination of their own; ' +
  '"a at b" is a domain of a with an MX of Group b.\n';
const group = (limits: string) => `{name: g, match: {mxSuffixes: [g.example]}, limits: [${limits}]}`;
const domain = (limits: string) => `{name: d, match: {domains: [d.example]}, limits: [${limits}]}`;
const COUNTER = '{name: x, per: [Source, Group], connections: 9}';

/** Changes that neither a Group nor a domain shows by itself. */
const COMBINED: typeof CHANGES = [
  {
    title: 'a domain that refines a limit of its Group is told for that Group: nobody else has the limit',
    old: policy('p', `{destinations: [${group(COUNTER)}, ${domain('{name: x, connections: 3}')}]}`),
    now: policy('p', `{destinations: [${group(COUNTER)}, ${domain('{name: x, connections: 2}')}]}`),
    out: `Mail to d at g from every pool\n!  limits.x.connections  3 -> 2\n${MX_TOLD}`,
  },
  {
    title:
      'what a change of the Group comes to for a domain with bounds of its own is told, and the domain is no part of the Group otherwise',
    old: policy(
      'p',
      `{destinations: [${group('{name: x, per: [Source, Group], connections: 9}')}, ${domain('{name: x, recipientRate: 1/s}')}]}`,
    ),
    now: policy(
      'p',
      `{destinations: [${group('{name: x, per: [Source, Group], connections: 8}')}, ${domain('{name: x, recipientRate: 1/s}')}]}`,
    ),
    out: `Mail to g from every pool\n!  limits.x.connections  9 -> 8\n${MX_TOLD}`,
  },
  {
    title:
      'a limit that the Group takes away is told as removed for its domains too, with what they had made of it',
    old: policy('p', `{destinations: [${group(COUNTER)}, ${domain('{name: x, connections: 3}')}]}`),
    now: policy(
      'p',
      `{destinations: [${group('')}, ${domain('{name: x, connections: 3}')}]}`.replace(', limits: []', ''),
    ),
    out: `Mail to g from every pool\n-  limits.x  {per: [Source, Group], scope: Cluster, connections: 9}\n\nMail to d at g from every pool\n-  limits.x  {per: [Source, Group], scope: Cluster, connections: 3}\n${MX_TOLD}`,
  },
];

for (const { title, old, now, out } of [...CHANGES, ...COMBINED]) {
  test(title, async () => {
    assert.deepEqual(await diffOf(old, now), { exitCode: 0, out, err: '' });
  });
}

test('of many destinations a reviewer reads the first ones and how many more, a program all of them', async () => {
  const many = (expiry: string) =>
    policy(
      'p',
      `{destinations: [${Array.from({ length: 30 }, (_, n) => `{name: d${n}, match: {domains: [d${n}.example]}, retry: {expireAfter: ${expiry}}}`).join(', ')}]}`,
    );
  const { out } = await diffOf(many('2h'), many('1h'));
  assert.match(
    out,
    /^Mail to d0, d1, d10, .* and 18 more from every pool\n! {2}retry\.expireAfter {2}2h -> 1h\n$/,
  );
  const [change] = JSON.parse((await diffOf(many('2h'), many('1h'), '--json')).out).destinations;
  assert.equal(change.destinations.length, 30);
});

test('programs read the same as people', async () => {
  const { out } = await diffOf(
    pool('a', '192.0.2.1'),
    pool('a', '192.0.2.2').replace('name: a', 'name: b'),
    '--json',
  );
  const { poolsAdded, poolsRemoved, ...rest } = JSON.parse(out);
  assert.deepEqual(
    [...poolsAdded, ...poolsRemoved].map(({ name, sources: [source] }) => [name, source.address]),
    [
      ['b', '192.0.2.2'],
      ['a', '192.0.2.1'],
    ],
  );
  assert.deepEqual(rest, { pools: [], destinations: [], assumptions: [] });
});

test('directories are compared as sluice run reads them, an empty one and a settings file in one included', async () => {
  const root = filesIn({
    'old/readme.txt': '',
    'new/sluice.yaml': `${HEAD}kind: MtaConfig\n`,
    'new/pool.yaml': pool('a', '192.0.2.1'),
  });
  const { out, exitCode } = await sluice(['diff', '--no-providers', `${root}old`, `${root}new`]);
  assert.equal(exitCode, 0);
  assert.equal(out, '+ Pool a\n+  ip-1  192.0.2.1  a.example  Active\n');
});

test('files with mistakes are not compared: what would be in force is not known', async () => {
  const { exitCode, err, out } = await diffOf(OLD, OLD.replace('weight: 10', 'weight: 0'));
  assert.equal(exitCode, 1);
  assert.equal(out, '');
  assert.match(err, /^new\.yaml:9:\d+: spec\.sources\[0\]\.weight/);
});
