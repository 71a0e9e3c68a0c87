import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { canonicalJson, contentHash } from './canonical-json.ts';
import { compile } from './compile.ts';
import { configHash, packedConfig } from './config-text.ts';
import type { EgressConfig } from './egress-config.ts';
import { parseResources } from './resource-parser.ts';

function configOf(names: readonly string[], weight = 10): EgressConfig {
  const documents = names.map(
    (name) =>
      `{apiVersion: sluice.email/v1alpha1, kind: EgressPool, metadata: {name: ${name}}, spec: {sources: [{name: s, address: 192.0.2.1, ehlo: a.example, weight: ${weight}}]}}`,
  );
  documents.push(
    '{apiVersion: sluice.email/v1alpha1, kind: ShapingPolicy, metadata: {name: p}, spec: {priority: 7, default: {session: {messagesPerConnection: 5}}}}',
  );
  return compile({ resources: parseResources(documents.join('\n---\n'), 'x.yaml').resources }).config;
}

test('what is put together of pieces is the canonical text: a pod that checks the hash takes it', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { maxLength: 60 });
  fc.assert(
    fc.property(names, (pools) => {
      const config = configOf(pools);
      const { hash, ...content } = config;
      assert.equal(hash, contentHash(content));
      assert.equal(configHash(content), hash);
      assert.equal(gunzipSync(packedConfig(config)).toString(), canonicalJson(config));
    }),
    { numRuns: 60 },
  );
});

test('bytes follow from the content alone, whatever was packed before: an operator that takes over writes nothing', () => {
  const names = Array.from({ length: 100 }, (_, index) => `pool-${index}`);
  const first = packedConfig(configOf(names));
  packedConfig(configOf(names.slice(3)));
  packedConfig(configOf(names, 5));
  assert.deepEqual(packedConfig(configOf(names)), first);
});
