import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compile, effectivePolicy, parseResources } from '@sluice/crds';
import { kumoShaping } from './kumo-shaping.ts';

const GUIDE = readFileSync(new URL('../../../docs/guides/migrate-from-kumomta.md', import.meta.url), 'utf8');
const block = (language: string, name: string) =>
  new RegExp(`\`\`\`${language}\\n# ${name}\\n([\\s\\S]*?)\`\`\``).exec(GUIDE)?.[1] ?? assert.fail(name);

// The first line of the block is the name of the file, and no part of it.
const input = [{ name: 'shaping.toml', text: block('toml', 'shaping.toml') }];
const { documents, notTranslated } = kumoShaping(input);

test('whoever follows the guide gets what it shows', () => {
  assert.deepEqual(documents, [block('yaml', 'policy.yaml')]);
  assert.equal(notTranslated.length, 2);
  for (const { file, line, directive, reason } of notTranslated)
    assert.ok(GUIDE.includes(`\n${file}:${line}: ${directive}: ${reason}\n`), directive);
});

test('the migrated configuration with its additions compiles without a problem, and the additions win', () => {
  const parsed = ['policy.yaml', 'pool.yaml', 'additions.yaml'].map((name) =>
    parseResources(block('yaml', name), name),
  );
  assert.deepEqual(
    parsed.flatMap(({ problems }) => problems),
    [],
  );
  const { statuses, config } = compile({ resources: parsed.flatMap(({ resources }) => resources) });
  assert.equal(statuses.length, 3);
  for (const { name, conditions } of statuses)
    for (const { type, status, message } of conditions)
      assert.equal(status, 'True', `${name}: ${type}: ${message}`);
  for (const { conditions } of statuses) assert.ok(conditions.every(({ type }) => type !== 'Conflicted'));
  const google = effectivePolicy(config, 'main', 'gmail.com', ['gmail-smtp-in.l.google.com']);
  assert.equal(google.group, 'google');
  const comcast = effectivePolicy(config, 'main', 'comcast.net', ['mx1.comcast.net']);
  assert.equal(comcast.limits.find(({ name }) => name === 'source-site')?.bounds.connections, 25);
  const kpn = effectivePolicy(config, 'main', 'kpn.example', ['mx.kpnmail.nl']);
  assert.equal(
    kpn.limits.find(({ name }) => name === 'source-site')?.bounds.connections,
    5,
    'as the additions say',
  );
});
