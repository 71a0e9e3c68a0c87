import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { filesIn, HEAD, sluice } from './command-run.fixture.ts';

const POOL = `${HEAD}kind: EgressPool
metadata: {name: main}
spec: {sources: [{name: ip-1, address: 192.0.2.1, ehlo: a.example}]}
`;
const POLICY = `${HEAD}kind: ShapingPolicy
metadata: {name: p}
spec: {default: {limits: [{name: site, per: [Site], connections: 5}]}}
`;
const SETTINGS = `${HEAD}kind: MtaConfig
spec:
  hostname: mta.example
  listeners: {smtp: [{name: in, address: 127.0.0.1:2525, relayNetworks: [127.0.0.0/8]}]}
  spool: {type: SQLite, sqlite: {path: spool.db}}
  tenants: [{name: acme}]
  resources: {directory: r}
`;

const GOOD = {
  'sluice.yaml': SETTINGS,
  'r/pool.yaml': `${POOL}---\n${POOL.replace('main', 'b').replace('192.0.2.1', '192.0.2.2')}`,
  'r/policy.yml': POLICY,
};

test('files that are right are said to be right, in one line that shows that they were read', async () => {
  const root = filesIn(GOOD);
  assert.deepEqual(await sluice(['validate', `${root}sluice.yaml`, `${root}r`], root), {
    exitCode: 0,
    out: '3 files, 2 pools, 1 policy: valid\n',
    err: '',
  });
  const json = await sluice(['validate', `${root}sluice.yaml`, `${root}r`, '--json'], root);
  assert.deepEqual(JSON.parse(json.out), {
    valid: true,
    files: 3,
    pools: 2,
    policies: 1,
    errors: [],
    warnings: [],
    skipped: [],
  });
});

/** One mistake or warning each: what is written, the place, words of the sentence, the exit code. */
const CASES: readonly {
  readonly title: string;
  readonly files: Readonly<Record<string, string>>;
  readonly place: string;
  readonly says: RegExp;
  readonly exitCode: number;
}[] = [
  {
    title: 'a field that is misspelt in a pool',
    files: { 'p.yaml': POOL.replace('ehlo', 'weigth: 1, ehlo') },
    place: 'p.yaml:4:51: ',
    says: /spec\.sources\[0\]\.weigth.*\[SLUICE_FIELD_UNKNOWN\]\n {2}cure: .*weight/,
    exitCode: 1,
  },
  {
    title: 'a field that is misspelt in the settings',
    files: { 'p.yaml': SETTINGS.replace('tenants', 'tenant') },
    place: 'p.yaml:7:3',
    says: /spec\.tenant.*\[SLUICE_FIELD_UNKNOWN\]\n {2}cure: .*tenants/,
    exitCode: 1,
  },
  {
    title: 'YAML that is none',
    files: { 'p.yaml': `${POOL}  x: [` },
    place: 'p.yaml:5:',
    says: /SLUICE_YAML_SYNTAX/,
    exitCode: 1,
  },
  {
    title: 'one resource in two files',
    files: { 'p.yaml': POOL, 'q.yaml': POOL },
    place: '',
    says: /EgressPool\/main.*p\.yaml:1.*q\.yaml:1.*keep one.*SLUICE_RESOURCE_REFUSED/,
    exitCode: 1,
  },
  {
    title: 'a directory without resources',
    files: { 'empty/readme.txt': '' },
    place: 'Cannot read empty: ',
    says: /no \*\.yaml or \*\.yml file is in it.*SLUICE_CONFIG_UNREADABLE/,
    exitCode: 1,
  },
  {
    title: 'a policy for a pool that is not there',
    files: { 'p.yaml': POOL, 'q.yaml': POLICY.replace('spec: {', 'spec: {targetRefs: [{name: mian}], ') },
    place: 'warning: q.yaml:1:1',
    says: /ShapingPolicy\/p.*mian.*SLUICE_REFERENCE_UNRESOLVED/,
    exitCode: 0,
  },
  {
    title: 'a field that this version does not carry out yet',
    files: { 'p.yaml': POOL.replace('spec: {', 'spec: {urgency: High, ') },
    place: 'warning: p.yaml:1:1',
    says: /EgressPool\/main.*spec\.urgency: High.*SLUICE_RESOURCE_PARTIAL/,
    exitCode: 0,
  },
  {
    title: 'two destinations that claim one domain',
    files: {
      'q.yaml': `${HEAD}kind: ShapingPolicy
metadata: {name: p}
spec: {destinations: [{name: a, match: {domains: [x.example]}}, {name: b, match: {domains: [x.example]}}]}
`,
    },
    place: 'warning: q.yaml:1:1',
    says: /x\.example.*SLUICE_RESOURCE_CONFLICT/,
    exitCode: 0,
  },
  {
    title: 'a tenant that the settings do not have',
    files: {
      'p.yaml': POOL.replace('spec: {', 'spec: {match: [{name: m, tenants: [acne]}], '),
      's.yaml': SETTINGS,
    },
    place: 'warning: ',
    says: /no tenant "acne"/,
    exitCode: 0,
  },
];

for (const { title, files, place, says, exitCode } of CASES) {
  test(`${title}: told with its place and its cure before it is applied`, async () => {
    const root = filesIn(files);
    const paths = [...new Set(Object.keys(files).map((name) => `${root}${name.split('/')[0]}`))];
    const people = await sluice(['validate', ...paths], root);
    assert.equal(people.exitCode, exitCode, people.err);
    assert.ok(people.err.startsWith(place), people.err);
    assert.match(people.err, says);
    assert.match(
      people.out,
      exitCode === 0 ? /: valid, 1 warning\n$/ : /: \d+ problems?(, \d+ warnings?)?\n$/,
    );
    const programs = await sluice(['validate', ...paths, '--json'], root);
    const result = JSON.parse(programs.out);
    assert.equal(programs.exitCode, exitCode);
    assert.equal(programs.err, '');
    assert.equal(result.valid, exitCode === 0);
    assert.ok([...result.errors, ...result.warnings].every(({ what, cure }) => what !== '' && cure !== ''));
  });
}

test('all mistakes of all files are told at once, in the order of files and lines', async () => {
  const root = filesIn({
    'a.yaml': POOL.replace('192.0.2.1', 'nowhere').replace('ehlo', 'helo'),
    'b.yaml': POLICY.replace('connections: 5', 'connections: 0'),
    'c.yaml': SETTINGS.replace('SQLite', 'MySQL'),
  });
  const { err } = await sluice(['validate', root.slice(0, -1)], root);
  const files = [...err.matchAll(/^([abc])\.yaml:(\d+):(\d+): /gm)].map(([, file]) => file);
  assert.deepEqual([...new Set(files)], ['a', 'b', 'c']);
  assert.ok(files.length >= 4, err);
  assert.deepEqual(files.toSorted(), files);
});

test('what Helm prints is piped in: its other resources are skipped, each named in one line', () => {
  const chart = `apiVersion: v1\nkind: Service\nmetadata: {name: mail}\n---\n${POOL}---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: sluice.email/v1alpha1, kind: ShapingPolicy, metadata: {name: p}, spec: {}}\n`;
  const main = fileURLToPath(import.meta.resolve('@sluice/mta/main'));
  const run = (text: string | Uint8Array) =>
    spawnSync(process.execPath, [main, 'validate', '-'], { input: text, encoding: 'utf8' });
  const good = run(chart);
  assert.equal(
    good.stderr,
    'skipped: <stdin>:1:1: Service/mail (v1) is not a resource of Sluice and is left out.\n',
  );
  assert.equal(good.stdout, '1 file, 1 pool, 1 policy: valid\n');
  assert.equal(good.status, 0);
  assert.match(
    run(Uint8Array.of(0xff, 0xfe)).stderr,
    /Cannot read <stdin>: it is not UTF-8 text\. \[SLUICE_CONFIG_UNREADABLE\]/,
  );
  assert.match(
    run(SETTINGS.replace('MtaConfig', 'MtaConfg')).stderr,
    /^<stdin>:2:7: kind cannot be "MtaConfg".*\n {2}cure: Write MtaConfig\./,
  );
});

test('files of directories below are read too, as sluice run reads them', async () => {
  const root = filesIn({
    'r/eu/pool.yaml': POOL,
    'r/policy.yaml': POLICY,
    'r/.git/x.yaml': 'no: resource\n',
  });
  const { out, err } = await sluice(['validate', `${root}r`], root);
  assert.equal(err, '');
  assert.equal(out, '2 files, 1 pool, 1 policy: valid\n');
});

test('settings and resources in one file are told apart by their place', async () => {
  const root = filesIn({ 's.yaml': `${SETTINGS}---\n${POOL}` });
  const { err, exitCode } = await sluice(['validate', `${root}s.yaml`], root);
  assert.equal(exitCode, 1);
  assert.match(err, /^s\.yaml:9:1: A settings file is one document.*\n {2}cure: Move EgressPools/);
});

test('a policy may refine what comes with Sluice, unless the settings or the command line leave that out', async () => {
  const refined = `${HEAD}kind: ShapingPolicy\nmetadata: {name: ours}\nspec: {destinations: [{name: google, limits: [{name: source-group, connections: 9}]}]}\n`;
  const root = filesIn({
    'p.yaml': refined,
    's.yaml': SETTINGS.replace('directory: r', 'directory: r, providers: Disabled'),
  });
  assert.equal((await sluice(['validate', `${root}p.yaml`], root)).err, '');
  for (const more of ['--no-providers', `${root}s.yaml`])
    assert.match(
      (await sluice(['validate', `${root}p.yaml`, more], root)).err,
      /^warning: p\.yaml:1:1: .*google/,
    );
});

test('a policy with the name of one that comes with Sluice takes its place, as a whole', async () => {
  const own = `${HEAD}kind: ShapingPolicy\nmetadata: {name: provider-google}\nspec: {}\n`;
  const root = filesIn({ 'p.yaml': own });
  const explain = ['explain', 'a@gmail.com', '--mx', 'gmail-smtp-in.l.google.com', '--resources'];
  assert.equal((await sluice(['validate', `${root}p.yaml`], root)).err, '');
  assert.match(
    (await sluice([...explain, filesIn({ 'pool.yaml': POOL })])).out,
    /group +google, by mxSuffixes google\.com/,
  );
  assert.doesNotMatch(
    (await sluice([...explain, filesIn({ 'pool.yaml': POOL, 'p.yaml': own })])).out,
    /google, by mx/,
  );
});

test('whatever a file holds, validate ends with problems or with none, never with a bug', async () => {
  const root = filesIn({ 'f.yaml': '' });
  const piece = fc.constantFrom(
    ...'&a *a ? : - [ ] { } | > " # ` --- ... << \t \u0000 ~ 1e999'.split(' '),
    '\n',
    '  ',
    'kind: MtaConfig',
    'spec:',
  );
  const text = fc.oneof(
    fc
      .tuple(
        fc.constantFrom(SETTINGS, POOL, POLICY, `${SETTINGS}---\n${POOL}`),
        fc.nat(300),
        fc.nat(30),
        fc.array(piece, { maxLength: 4 }),
      )
      .map(([base, at, cut, put]) => base.slice(0, at) + put.join('') + base.slice(at + cut)),
    fc.array(piece, { maxLength: 25 }).map((parts) => parts.join('')),
    fc.uint8Array({ maxLength: 60 }),
  );
  await fc.assert(
    fc.asyncProperty(text, async (content) => {
      writeFileSync(`${root}f.yaml`, content);
      const { exitCode, err } = await sluice(['validate', `${root}f.yaml`], root);
      assert.ok(exitCode === 0 || exitCode === 1);
      assert.doesNotMatch(err, /bug in Sluice|\n {4}at /);
      assert.equal(err === '' || /^(warning|skipped): /.test(err), exitCode === 0, err);
    }),
    { numRuns: 250 },
  );
});
