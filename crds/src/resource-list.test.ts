import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem, parseResources } from './mod.ts';

const HEAD = 'apiVersion: sluice.email/v1alpha1\n';
const POOL = `${HEAD}kind: EgressPool
metadata: {name: main}
spec: {sources: [{name: ip-1, address: 192.0.2.1, ehlo: a.example}]}
`;

function told(text: string): readonly string[] {
  return parseResources(text, 'f.yaml').problems.map(formatProblem);
}

test('what kubectl get -o yaml prints can be checked and applied elsewhere: lists, server fields and status included', () => {
  const printed = `apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: sluice.email/v1alpha1
  kind: EgressPool
  metadata:
    name: main
    uid: 6b6f
    generation: 3
    resourceVersion: "12"
    creationTimestamp: "2026-11-24T13:00:00Z"
    managedFields: [{manager: kubectl}]
  spec: {sources: [{name: ip-1, address: 192.0.2.1, ehlo: a.example}]}
  status: {conditions: []}
- apiVersion: sluice.email/v1alpha1
  kind: ShapingPolicy
  metadata: {name: p}
  spec: {}
`;
  const { resources, problems, complete } = parseResources(printed, 'f.yaml');
  assert.deepEqual(problems, []);
  assert.ok(complete);
  assert.deepEqual(
    resources.map(({ kind, name, place, resource }) => [kind, name, place.line, Object.keys(resource)]),
    [
      ['EgressPool', 'main', 5, ['apiVersion', 'kind', 'metadata', 'spec']],
      ['ShapingPolicy', 'p', 16, ['apiVersion', 'kind', 'metadata', 'spec']],
    ],
  );
  const typed = `${HEAD}kind: EgressPoolList\nitems:\n- {apiVersion: sluice.email/v1alpha1, kind: EgressPool, metadata: {name: a}, spec: {}}\n`;
  assert.deepEqual(told(typed), ['f.yaml:4:84: items[0].spec.sources is missing. Add it: a list.']);
});

test('a mistake in an item of a list is shown where it was written', () => {
  const text = `apiVersion: v1\nkind: List\nitems:\n- apiVersion: sluice.email/v1alpha1\n  kind: ShapingPolicy\n  metadata: {name: p}\n  spec:\n    priorty: 1\n- {kind: EgressPool}\n- just a word\n`;
  assert.deepEqual(told(text), [
    'f.yaml:8:5: items[0].spec.priorty: Unknown field "priorty". Did you mean "priority"?',
    'f.yaml:9:3: items[1].apiVersion is missing. Add it: sluice.email/v1alpha1.',
    'f.yaml:10:3: items[2] must be a resource (apiVersion, kind, metadata, spec), not a single value. Begin with apiVersion: sluice.email/v1alpha1; separate resources by a line with ---.',
  ]);
});

test('resources of other programs are left out and named; those that are only mistyped are mistakes', () => {
  const text = `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: sluice}\n---\n${POOL}---\napiVersion: v1\nkind: ConfigMap\n---\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n`;
  const { resources, problems, foreign, complete } = parseResources(text, 'f.yaml');
  assert.equal(resources.length, 1);
  assert.deepEqual(problems, []);
  assert.ok(complete, 'nothing that is ours may be hidden in it');
  assert.deepEqual(
    foreign.map(({ apiVersion, kind, name, place }) => [apiVersion, kind, name, place.line]),
    [
      ['apps/v1', 'Deployment', 'sluice', 1],
      ['v1', 'ConfigMap', '', 10],
      ['kustomize.config.k8s.io/v1beta1', 'Kustomization', '', 13],
    ],
  );
  for (const [apiVersion, kind] of [
    ['sluice.emial/v1alpha1', 'ShapingPolicy'],
    ['sluice.emial/v1alpha1', 'Other'],
    ['v1', 'EgresPool'],
    ['v1', 'MtaConfg'],
    ['sluice.email/v1alpha1', 'Other'],
  ])
    assert.equal(told(`apiVersion: ${apiVersion}\nkind: ${kind}\n`).length, 1, `${apiVersion} ${kind}`);
});

test('settings among the resources are told where they belong', () => {
  assert.deepEqual(told(`${HEAD}kind: MtaConfg\n`), [
    'f.yaml:2:7: kind must be EgressPool or ShapingPolicy, not "MtaConfg". An MtaConfig holds the settings: move it to the file that sluice run --config names.',
  ]);
});
