import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  compile,
  type EgressConfig,
  effectivePolicy,
  formatProblem,
  parseResources,
  selectPool,
} from '@sluice/crds';
import { loadSettings, type Settings } from '@sluice/mta/config';
import { parse, stringify } from 'yaml';

const GUIDE = new URL('../../../docs/guides/standalone.md', import.meta.url);
/** Files that the guide makes by commands; what is in them does not matter to a check of the settings. */
const MADE_BY_COMMANDS = ['tls/cert.pem', 'tls/key.pem', 'shop.password'];
const TENANTS = 'sluice.yaml, three of 3,000 entries of spec.tenants';
const ROUTE = 'sluice.yaml, one more entry of spec.routes';

/** The YAML blocks of the guide by their first line, which is `# file name`. */
function blocksOf(markdown: string): ReadonlyMap<string, string> {
  const blocks = [...markdown.matchAll(/^```yaml\n# (.+)\n([\s\S]*?)^```$/gm)];
  const fences = markdown.match(/^```yaml$/gm) ?? [];
  assert.equal(blocks.length, fences.length, 'every yaml block begins with the name of its file');
  return new Map(blocks.map(([, file = '', text = '']) => [file, text]));
}

const blocks = blocksOf(readFileSync(GUIDE, 'utf8'));
const directory = mkdtempSync(join(tmpdir(), 'sluice-guide-'));
after(() => rmSync(directory, { recursive: true, force: true }));
for (const file of MADE_BY_COMMANDS) write(file, 'made by a command\n');
for (const [file, text] of blocks) write(file, text);

function write(file: string, text: string): void {
  mkdirSync(dirname(join(directory, file)), { recursive: true });
  writeFileSync(join(directory, file), text);
}

function load(file: string): Settings {
  const loaded = loadSettings(join(directory, file));
  if ('problems' in loaded) assert.fail(loaded.problems.map(formatProblem).join('\n'));
  return loaded.settings;
}

test('the settings of the standalone guide load, or its reader is stuck at the first command', () => {
  const settings = load('sluice.yaml');
  assert.equal(settings.smtpListeners[0]?.auth?.users[0]?.username, 'shop');
  assert.equal(settings.smtpListeners[0]?.auth?.users[0]?.tenant, 'shop', 'the user belongs to its tenant');
  assert.equal(settings.resourcesDirectory, join(directory, 'resources'));
});

test('the route to a smart host can be added to the settings as the guide says', () => {
  const settings = parse(blocks.get('sluice.yaml') ?? '');
  settings.spec.routes.push(...parse(blocks.get(ROUTE) ?? ''));
  write('smart-host.yaml', stringify(settings));
  const route = load('smart-host.yaml').routes.find(({ domain }) => domain === '*');
  assert.equal(route?.hosts[0]?.auth?.username, 'shop');
  assert.equal(route?.tlsLevel, 'Verify');
});

test('the resources of the standalone guide compile without a remark', () => {
  const parsed = ['resources/pool.yaml', 'resources/policy.yaml'].map((file) =>
    parseResources(blocks.get(file) ?? '', file),
  );
  assert.deepEqual(
    parsed.flatMap(({ problems }) => problems.map(formatProblem)),
    [],
  );
  const { config, statuses } = compile({ resources: parsed.flatMap(({ resources }) => resources) });
  assert.deepEqual([config.pools.length, config.policies.length], [1, 1]);
  for (const { name, conditions } of statuses)
    assert.deepEqual(
      conditions.map(({ type, status }) => `${type}=${status}`),
      ['Accepted=True', 'ResolvedRefs=True'],
      name,
    );
});

/** Compiles files that a guide shows; fails with the words of the first problem, or of a condition that is not as good as can be. */
function compiled(files: ReadonlyMap<string, string>): EgressConfig {
  const parsed = Array.from(files, ([file, text]) => parseResources(text, file));
  assert.deepEqual(
    parsed.flatMap(({ problems }) => problems.map(formatProblem)),
    [],
  );
  const { config, statuses } = compile({ resources: parsed.flatMap(({ resources }) => resources) });
  const remarks = statuses.flatMap(({ name, conditions }) =>
    conditions
      .filter(({ reason }) => reason !== 'Accepted' && reason !== 'ResolvedRefs')
      .map(({ message }) => `${name}: ${message}`),
  );
  assert.deepEqual(remarks, []);
  return config;
}

const GMAIL = ['gmail-smtp-in.l.google.com'];

function limitsAtGoogle(config: EgressConfig, pool: string): readonly string[] {
  const { group, limits } = effectivePolicy(config, pool, 'gmail.com', GMAIL);
  assert.equal(group, 'google');
  return limits.map(({ name }) => name);
}

test("the company's guide loads and compiles without a remark: a newsletter leaves from its own addresses", () => {
  const company = blocksOf(readFileSync(new URL('company.md', GUIDE), 'utf8'));
  write('company.yaml', company.get('sluice.yaml') ?? '');
  assert.deepEqual(
    load('company.yaml').classes.map(({ name }) => name),
    ['transactional', 'marketing'],
  );
  const config = compiled(new Map([...company].filter(([file]) => file.startsWith('resources/'))));
  assert.equal(config.pools.flatMap(({ sources }) => sources).length, 4);
  const facts = { tenant: '', tenantLabels: {}, fromDomain: 'company.example', recipientDomain: 'gmail.com' };
  assert.equal(selectPool(config, { ...facts, class: 'marketing' }), 'marketing');
  assert.equal(selectPool(config, { ...facts, class: '' }), 'transactional');
  assert.deepEqual(limitsAtGoogle(config, 'transactional'), ['source-group']);
});

test("the ESP's guide is what its program writes, and compiles without a remark: 200 addresses, 12 pools, 3,000 tenants", () => {
  const esp = new URL('esp/', GUIDE);
  const target = join(directory, 'esp');
  execFileSync(process.execPath, [fileURLToPath(new URL('generate.ts', esp)), target]);
  const read = (file: string) => readFileSync(new URL(file, esp), 'utf8');
  assert.equal(readFileSync(join(target, 'resources/pools.yaml'), 'utf8'), read('pools.yaml'));
  const config = compiled(new Map(['pools.yaml', 'policies.yaml'].map((file) => [file, read(file)])));
  assert.equal(config.pools.length, 12);
  assert.equal(
    new Set(config.pools.flatMap(({ sources }) => sources.map(({ address }) => address))).size,
    200,
  );
  assert.deepEqual(limitsAtGoogle(config, 'new'), ['source-group', 'tenant', 'tenant-group']);

  const { tenants } = load('esp/sluice.yaml');
  assert.equal(tenants.length, 3_000);
  const poolOf = (tenant: Settings['tenants'][number], mailClass: string) =>
    selectPool(config, {
      tenant: tenant.name,
      tenantLabels: tenant.labels,
      class: mailClass,
      fromDomain: '',
      recipientDomain: 'gmail.com',
    }) ?? 'none';
  const bulk = Map.groupBy(tenants, (tenant) => poolOf(tenant, 'bulk'));
  assert.deepEqual(
    [...bulk.keys()].sort(),
    config.pools.map(({ name }) => name).filter((name) => name !== 'transactional' && name !== 'rest'),
    'every pool has tenants, and nobody is left to the rest',
  );
  assert.ok(tenants.every((tenant) => poolOf(tenant, 'transactional') === 'transactional'));
  const shown = parse(blocksOf(readFileSync(new URL('esp.md', GUIDE), 'utf8')).get(TENANTS) ?? '');
  const named = shown.map(({ name }: { name: string }) => name);
  assert.deepEqual(
    parse(readFileSync(join(target, 'sluice.yaml'), 'utf8')).spec.tenants.filter(
      ({ name }: { name: string }) => named.includes(name),
    ),
    shown,
    'the entries that the guide shows are those that the program writes',
  );
});

test('the resources at the top of the README compile without a remark', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const text = /^```yaml\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? '';
  const parsed = parseResources(text, 'README.md');
  assert.deepEqual(parsed.problems.map(formatProblem), []);
  const { config, statuses } = compile({ resources: parsed.resources });
  assert.deepEqual([config.pools.length, config.policies.length], [1, 1]);
  assert.ok(statuses.every(({ conditions }) => conditions.every(({ type }) => type !== 'Conflicted')));
});
