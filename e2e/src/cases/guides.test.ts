import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { compile, formatProblem, parseResources } from '@sluice/crds';
import { loadSettings, type Settings } from '@sluice/mta/config';
import { parse, stringify } from 'yaml';

const GUIDE = new URL('../../../docs/guides/standalone.md', import.meta.url);
/** Files that the guide makes by commands; what is in them does not matter to a check of the settings. */
const MADE_BY_COMMANDS = ['tls/cert.pem', 'tls/key.pem', 'shop.password'];
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

test('the resources at the top of the README compile without a remark', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const text = /^```yaml\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? '';
  const parsed = parseResources(text, 'README.md');
  assert.deepEqual(parsed.problems.map(formatProblem), []);
  const { config, statuses } = compile({ resources: parsed.resources });
  assert.deepEqual([config.pools.length, config.policies.length], [1, 1]);
  assert.ok(statuses.every(({ conditions }) => conditions.every(({ type }) => type !== 'Conflicted')));
});
