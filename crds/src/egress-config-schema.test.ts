import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compile, contentHash, parseEgressConfig, parseResources } from './mod.ts';

const INPUT = readFileSync(new URL('../testdata/all-fields.in.yaml', import.meta.url), 'utf8');
const { config } = compile({ resources: parseResources(INPUT, 'f.yaml').resources });

function reasonFor(value: unknown): string {
  const loaded = parseEgressConfig(JSON.stringify(value), 'egress.json');
  assert.ok('problem' in loaded);
  assert.equal(loaded.problem.code, 'SLUICE_EGRESS_CONFIG_INVALID');
  assert.equal(loaded.problem.file, 'egress.json');
  return loaded.problem.what;
}

/** A configuration with another content and the hash that belongs to it. */
function rehashed(change: object): object {
  const { hash, ...content } = { ...config, ...change };
  return { ...content, hash: contentHash(content) };
}

test('a configuration changed on its way is not run', () => {
  assert.match(reasonFor({ ...config, pools: [] }), /its hash is [0-9a-f]{64}, not [0-9a-f]{64}/);
});

test('a configuration of a later format is not half understood', () => {
  assert.match(reasonFor(rehashed({ formatVersion: 2 })), /formatVersion/);
  assert.match(reasonFor(rehashed({ reactions: [] })), /reactions/);
  assert.match(
    reasonFor(rehashed({ matches: [{ pool: 'a', name: 'b', priority: 0, urgency: 'High' }] })),
    /urgency/,
  );
});

test('a pod never uses a source whose warm-up it cannot carry out, whoever wrote the configuration', () => {
  const [pool] = config.pools;
  const [source] = pool?.sources ?? [];
  assert.ok(source);
  const warmup = {
    startDate: '2026-12-01',
    recipientsPerDay: [1],
    advanceAtDeliveredPercent: 90,
    onExhausted: 'Wait',
  };
  const withState = (state: string): object =>
    rehashed({ pools: [{ ...pool, sources: [{ ...source, warmup, state }] }] });
  assert.match(reasonFor(withState('Active')), /cannot carry out/);
  assert.match(reasonFor(withState('Draining')), /cannot carry out/);
  assert.ok('config' in parseEgressConfig(JSON.stringify(withState('Disabled'))));
});

test('what is no configuration at all is a problem, not an exception', () => {
  for (const text of ['', '{', 'null', '[]', '1', '"x"'])
    assert.ok('problem' in parseEgressConfig(text), text);
});

test('white space and the order of members do not matter: tools may print it anew', () => {
  const turned = Object.fromEntries(Object.entries(config).toReversed());
  assert.ok('config' in parseEgressConfig(JSON.stringify(turned, null, 4)));
});
