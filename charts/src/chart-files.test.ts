import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { chartFiles, ROOT } from './chart-files.ts';
import { valuesSchema } from './values-schema.ts';

const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

test('values.yaml, its schema, the reference page and the CRDs of the chart are what the sources say; node charts/src/write-chart.ts', () => {
  for (const [path, text] of Object.entries(chartFiles())) assert.equal(read(path), text, path);
});

test('values.yaml holds the defaults and nothing else', () => {
  assert.deepEqual(parse(read('charts/sluice/values.yaml')), valuesSchema.parse({}));
});

test('each value says what it does: it is all that somebody reads who has only the chart', () => {
  const missing: string[] = [];
  const walk = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [name, member] of Object.entries('properties' in node ? (node.properties ?? {}) : {})) {
      const place = path === '' ? name : `${path}.${name}`;
      if (place === 'mta.settings') continue;
      if (!('description' in member)) missing.push(place);
      walk(member, place);
      if ('items' in member) walk(member.items, `${place}[]`);
    }
  };
  walk(JSON.parse(read('charts/sluice/values.schema.json')), '');
  assert.deepEqual(missing, []);
});

test('chart, programs and image are of one version', () => {
  const { version, appVersion } = parse(read('charts/sluice/Chart.yaml'));
  const { version: program } = JSON.parse(read('package.json'));
  assert.equal(appVersion, program);
  assert.equal(version, program);
});

test('the rights that the chart gives are those of operator/deploy', () => {
  const golden = parseAll(read('charts/testdata/trial.golden.yaml'));
  const forAll = parseAll(read('charts/testdata/operator-for-all.golden.yaml'));
  const rules = (objects: readonly Named[], kind: string, name: string) =>
    objects.find((object) => object.kind === kind && object.metadata.name === name)?.rules;
  const sorted = (given: readonly unknown[] | undefined) =>
    given?.map((rule) => JSON.stringify(rule)).toSorted();
  const deployed = (file: string): Named => parse(read(`operator/deploy/${file}`));
  assert.deepEqual(
    sorted(rules(golden, 'Role', 'sluice-operator')),
    sorted(deployed('operator-role.yaml').rules),
  );
  assert.deepEqual(sorted(rules(golden, 'Role', 'sluice-mta')), sorted(deployed('pod-role.yaml').rules));
  assert.deepEqual(
    sorted(rules(forAll, 'ClusterRole', 'mail-sluice-operator')),
    sorted(deployed('all-namespaces/operator-cluster-role.yaml').rules),
  );
});

interface Named {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly unknown[];
}

function parseAll(text: string): readonly Named[] {
  return text.split(/^---$/m).map((document) => parse(document));
}
