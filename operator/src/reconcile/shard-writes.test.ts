import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile, packConfigSet, parseResources } from '@sluice/crds';
import { shardConfigMap } from './shard-config-map.ts';
import { shardWrites } from './shard-writes.ts';

const RELEASE = { release: 'sluice', namespace: 'mail', nowS: 1_000 };

function setOf(count: number, budgetBytes?: number) {
  const text = Array.from(
    { length: count },
    (_, index) =>
      `apiVersion: sluice.email/v1alpha1\nkind: EgressPool\nmetadata: {name: pool-${index}}\nspec: {sources: [{name: s, address: 192.0.2.1, ehlo: a${index}.example}]}\n`,
  ).join('---\n');
  const { config, lastGood } = compile({ resources: parseResources(text, 'x.yaml').resources });
  return packConfigSet(config, [...lastGood.values()], budgetBytes);
}

const stored = (set: ReturnType<typeof setOf>, generation: number) =>
  set.shards(generation).map((shard) => ({ ...shardConfigMap('sluice', 'mail', shard) }));

test('new shards come before changed ones, and surplus goes last: a pod never reads half of a set as a whole', () => {
  const [small, large] = [setOf(2), setOf(80, 1_900)];
  assert.ok(large.count > 2);
  const growing = shardWrites(stored(small, 5), large, RELEASE);
  assert.equal(growing.generation, 1_000);
  assert.deepEqual(
    growing.steps.map((step) =>
      step.map((write) => (write.type === 'Apply' ? write.configMap.metadata.name : '')),
    ),
    [
      Array.from({ length: large.count - 1 }, (_, index) => `sluice-egress-${index + 1}`),
      ['sluice-egress-0'],
    ],
  );
  const shrinking = shardWrites(stored(large, 5), small, RELEASE);
  assert.deepEqual(
    shrinking.steps.map((step) => step[0]?.type),
    ['Apply', 'Delete'],
  );
});

test('the same set is no write and no new generation; another one is newer than all that are there, whatever the clock says', () => {
  const set = setOf(3);
  assert.deepEqual(shardWrites(stored(set, 5), set, RELEASE), { generation: 5, steps: [] });
  assert.equal(shardWrites(stored(set, 7_000), setOf(4), RELEASE).generation, 7_001);
  assert.equal(
    shardWrites([], set, RELEASE).generation,
    1_000,
    'nothing is there: still newer to pods that run',
  );
});
