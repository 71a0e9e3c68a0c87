import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseResources } from '@sluice/crds';
import { parse } from 'yaml';
import { argoHealth, skipWithoutLua } from '../harness/argo-health.ts';

const CUSTOMIZATIONS = new URL(
  '../../../charts/argo-cd/resource_customizations/sluice.email/',
  import.meta.url,
);
const KINDS = ['EgressPool', 'ShapingPolicy'];
const skip = skipWithoutLua('what Argo CD shows of resources');
const read = (path: string): string => readFileSync(new URL(path, CUSTOMIZATIONS), 'utf8');

interface HealthTest {
  readonly healthStatus: { readonly status: string; readonly message: string };
  readonly inputPath: string;
}

for (const kind of KINDS) {
  test(`Argo CD shows of ${kind}s what their status says, and waits for the operator to have seen a change`, {
    skip,
  }, async () => {
    const { tests }: { readonly tests: readonly HealthTest[] } = parse(read(`${kind}/health_test.yaml`));
    assert.ok(tests.length >= 8);
    for (const { healthStatus, inputPath } of tests) {
      const object = parse(read(`${kind}/${inputPath}`));
      assert.deepEqual(await argoHealth(read(`${kind}/health.lua`), object), healthStatus, inputPath);
    }
  });
}

test('both kinds have one script, and its test data are resources that Sluice takes', () => {
  assert.equal(read('EgressPool/health.lua'), read('ShapingPolicy/health.lua'));
  for (const kind of KINDS) {
    const { tests }: { readonly tests: readonly HealthTest[] } = parse(read(`${kind}/health_test.yaml`));
    for (const { inputPath } of tests)
      assert.deepEqual(parseResources(read(`${kind}/${inputPath}`), inputPath).problems, []);
  }
});
