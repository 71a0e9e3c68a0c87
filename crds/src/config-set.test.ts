import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Compiled, compile } from './compile.ts';
import { newestSet } from './config-set.ts';
import { type ConfigShard, formsOf, packConfigSet, parseShardHeader } from './config-shard.ts';
import { parseResources } from './resource-parser.ts';

function compiledOf(names: readonly string[], annotation = ''): Compiled {
  const documents = names.map(
    (name, index) => `apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: ${name}, annotations: {note: "${annotation}"}}
spec: {sources: [{name: s, address: 192.0.2.${(index % 250) + 1}, ehlo: ${name}.example}]}`,
  );
  return compile({ resources: parseResources(documents.join('\n---\n'), 'x.yaml').resources });
}

function packOf(compiled: Compiled, budgetBytes?: number) {
  return packConfigSet(compiled.config, [...compiled.lastGood.values()], budgetBytes);
}

const MANY = Array.from({ length: 200 }, (_, index) => `pool-${index}`);

test('what is packed is what a pod unpacks, in one shard or in many', () => {
  const compiled = compiledOf(MANY);
  for (const budget of [undefined, 6_000, 3_000]) {
    const { shards, count } = packOf(compiled, budget);
    const packed = shards(7);
    assert.equal(packed.length, count);
    const found = newestSet(packed.toReversed());
    if ('missing' in found) assert.fail(found.missing);
    assert.deepEqual(found.set.config, compiled.config);
    assert.equal(found.set.generation, 7);
    assert.deepEqual([...formsOf(packed).keys()].toSorted(), [...compiled.lastGood.keys()].toSorted());
  }
  assert.ok(packOf(compiled, 3_000).count > 1);
});

test('no shard is larger than its budget: the API server would refuse it', () => {
  const { shards } = packOf(compiledOf(MANY), 4_000);
  for (const { config, forms } of shards(1)) assert.ok(config.length + forms.length <= 4_000);
});

test('a set of which a shard is missing is not used, and it is said what is missing', () => {
  const packed = packOf(compiledOf(MANY), 3_000).shards(7);
  const found = newestSet(packed.slice(1));
  assert.deepEqual(found, {
    missing: `of the set of generation 7 there are ${packed.length - 1} of ${packed.length} shards`,
  });
  assert.deepEqual(newestSet([]), { missing: 'there is no shard of a configuration' });
});

test('while an operator writes, the newest set that is whole is used', () => {
  const old = packOf(compiledOf(MANY), 3_000).shards(7);
  const next = packOf(compiledOf(['a'])).shards(8);
  const half = packOf(compiledOf(MANY.slice(1)), 3_000).shards(9);
  const found = newestSet([...old, ...half.slice(1), ...next]);
  assert.equal('set' in found && found.set.generation, 8);
});

test('a damaged set is not used', () => {
  const packed = packOf(compiledOf(MANY)).shards(7);
  const broken = packed.map((shard) => ({ ...shard, config: shard.config.subarray(0, 50) }));
  assert.deepEqual(newestSet(broken), { missing: 'the set of generation 7 cannot be unpacked' });
});

test('annotations and labels make no new set: a tool that touches them wakes no pod', () => {
  assert.equal(packOf(compiledOf(['a'], 'x')).setHash, packOf(compiledOf(['a'], 'y')).setHash);
  assert.notEqual(packOf(compiledOf(['a'])).setHash, packOf(compiledOf(['b'])).setHash);
});

test('an operator that dies between any two writes loses no last good form', () => {
  const sizes = fc.integer({ min: 1, max: 30 });
  const budgets = fc.constantFrom(1_700, 2_500, 100_000);
  fc.assert(
    fc.property(sizes, sizes, budgets, budgets, fc.nat(300), (before, after, budgetA, budgetB, died) => {
      const names = MANY.slice(0, Math.max(before, after));
      const kept = names.slice(0, Math.min(before, after));
      const old = packOf(compiledOf(names.slice(0, before)), budgetA).shards(1);
      const next = packOf(compiledOf(names.slice(0, after)), budgetB).shards(2);
      const stored = new Map<number, ConfigShard>(old.map((shard) => [shard.header.index, shard]));
      // New shards first, then those that are there, then surplus goes: `shardWrites` of the operator.
      const order = [
        ...next.filter(({ header }) => !stored.has(header.index)),
        ...next.filter(({ header }) => stored.has(header.index)),
      ];
      const surplus = old.filter(({ header }) => header.index >= next.length);
      const steps = [
        ...order.map((shard) => () => void stored.set(shard.header.index, shard)),
        ...surplus.map(
          ({ header }) =>
            () =>
              void stored.delete(header.index),
        ),
      ];
      for (const step of steps.slice(0, died % (steps.length + 1))) step();
      const forms = formsOf([...stored.values()]);
      for (const name of kept) assert.ok(forms.has(`EgressPool/${name}`), `${name} is lost`);
    }),
    { numRuns: 25 },
  );
});

test('headers of another format, or of nothing, are none of ours', () => {
  const [shard] = packOf(compiledOf(['a'])).shards(1);
  assert.deepEqual(parseShardHeader(JSON.stringify(shard?.header)), shard?.header);
  for (const text of ['', '{}', JSON.stringify({ ...shard?.header, formatVersion: 2 }), '[]'])
    assert.equal(parseShardHeader(text), undefined);
});
