import assert from 'node:assert/strict';
import { compile, type EgressPool, parseResources, type ShapingPolicy } from '@sluice/crds';
import type { Translation } from './translation.ts';

/** All resources of a translation; fails where one does not parse, or is not in force as it stands. */
export function resourcesIn({ documents }: Translation) {
  const text = documents.join('---\n');
  const parsed = parseResources(text, 'translated.yaml');
  assert.deepEqual(parsed.problems, [], text);
  assert.equal(parsed.resources.length, documents.length);
  for (const { name, conditions } of compile({ resources: parsed.resources }).statuses)
    for (const { type, status, message } of conditions)
      assert.equal(status, type === 'Conflicted' ? 'False' : 'True', `${name}: ${type}: ${message}\n${text}`);
  return parsed.resources.map(({ resource }) => resource);
}

/** The first policy of a translation, or one that says nothing. */
export function policyIn(translation: Translation): ShapingPolicy {
  const policy = resourcesIn(translation).find((resource) => resource.kind === 'ShapingPolicy');
  return policy?.kind === 'ShapingPolicy'
    ? policy
    : {
        apiVersion: 'sluice.email/v1alpha1',
        kind: 'ShapingPolicy',
        metadata: { name: 'none' },
        spec: { priority: 0 },
      };
}

export function poolsIn(translation: Translation): readonly EgressPool[] {
  return resourcesIn(translation).filter(
    (resource): resource is EgressPool => resource.kind === 'EgressPool',
  );
}
