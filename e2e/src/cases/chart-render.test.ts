import assert from 'node:assert/strict';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadSettings } from '@sluice/mta/config';
import { parseAllDocuments, stringify } from 'yaml';
import { bothHelms, CHART, type Helm } from '../harness/helm.ts';

const TESTDATA = fileURLToPath(new URL('../../../charts/testdata/', import.meta.url));
const found = await bothHelms('what the chart renders');
const skip = 'skip' in found ? found.skip : false;
const helms: readonly Helm[] = 'skip' in found ? [] : found;

const USERS = '[{username: shop, password: secret}]';

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

async function template(helm: Helm, values: string): Promise<readonly Rendered[]> {
  const { code, out, err } = await helm(['template', 'sluice', CHART, '-n', 'mail', '-f', '-'], values);
  assert.equal(code, 0, err);
  return parseAllDocuments(out)
    .map((document) => document.toJS())
    .filter((value) => value !== null)
    .toSorted((a, b) => `${a.kind}/${a.metadata.name}`.localeCompare(`${b.kind}/${b.metadata.name}`));
}

for (const file of globSync(join(TESTDATA, '*.values.yaml'))) {
  const name = basename(file, '.values.yaml');
  test(`values "${name}" become what stands in ${name}.golden.yaml, with Helm 3 and Helm 4 alike`, {
    skip,
  }, async () => {
    const values = readFileSync(file, 'utf8');
    const golden = file.replace('.values.', '.golden.');
    for (const helm of helms) {
      const objects = await template(helm, values);
      const text = objects
        .filter(({ kind }) => kind !== 'CustomResourceDefinition')
        .map((object) => stringify(object, { lineWidth: 0 }))
        .join('---\n');
      if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
      assert.equal(text, readFileSync(golden, 'utf8'), `Helm ${helm.line}`);
    }
  });
}

test('every sluice.yaml that the chart writes is one that sluice run takes', { skip }, (t) => {
  for (const file of globSync(join(TESTDATA, '*.golden.yaml'))) {
    const settings = parseAllDocuments(readFileSync(file, 'utf8'))
      .map((document) => document.toJS())
      .map(({ kind, data }) => (kind === 'ConfigMap' ? data['sluice.yaml'] : undefined))
      .find((text) => text !== undefined);
    if (settings === undefined) continue;
    const directory = mkdtempSync(join(tmpdir(), 'sluice-chart-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const text = settings.replaceAll('/etc/sluice/', `${directory}/`);
    for (const [path] of text.matchAll(
      /\/\S+\/(password|users\.yaml|list\.yaml|tls\.crt|tls\.key|ca\.crt|user\.creds)$/gm,
    )) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, path.endsWith('.yaml') ? USERS : 'there');
    }
    const at = join(directory, 'sluice.yaml');
    writeFileSync(at, text);
    const loaded = loadSettings(at);
    assert.deepEqual('problems' in loaded ? loaded.problems : [], [], file);
  }
});

test('the values of the install guide are ones that the chart takes', { skip }, async () => {
  const guide = readFileSync(new URL('../../../docs/guides/install-kubernetes.md', import.meta.url), 'utf8');
  const blocks = [...guide.matchAll(/^```yaml\n# (production|operator|team)\.yaml\n([\s\S]*?)^```$/gm)];
  assert.equal(blocks.length, 3);
  for (const helm of helms)
    for (const [, name, values = ''] of blocks)
      assert.ok((await template(helm, values)).length > 5, `${name}.yaml with Helm ${helm.line}`);
});

test('helm lint has nothing to say', { skip }, async () => {
  for (const helm of helms)
    for (const file of globSync(join(TESTDATA, '*.values.yaml'))) {
      const { code, out } = await helm(['lint', '--strict', CHART, '-f', file]);
      assert.equal(code, 0, out);
      assert.doesNotMatch(out, /\[(WARNING|ERROR)\]/);
    }
});

/** What is wrong, and what Helm must say of it. */
const WRONG: readonly (readonly [string, RegExp])[] = [
  ['mta: {replica: 3}', /mta'?:? .*'?replica'?/],
  ['trail: {enabled: false}', /trail/],
  ['mta: {replicas: two}', /mta[./]replicas/],
  ['mta: {settings: {hostnam: a.example}}', /mta[./]settings.*hostnam/s],
  ['mta: {settings: {listeners: {}}}', /mta[./]settings.*listeners/s],
  ['mta: {settings: {dkim: {rules: [{name: a, signature: []}]}}}', /signature/],
  ['smtp: {listeners: [{name: smtp, port: 25, servicePort: 25}]}', /smtp[./]listeners[./]0[./]port/],
  ['smtp: {listeners: []}', /smtp[./]listeners/],
  ['smtp: {service: {type: Ingress}}', /smtp[./]service[./]type/],
  ['nats: {servers: ["nats://user:secret@nats:4222"]}', /nats[./]servers[./]0/],
  ['operator: {scope: Cluster}', /operator[./]scope/],
  ['podSecurity: {runAsUser: 0}', /podSecurity[./]runAsUser/],
  ['image: {digest: "sha256:12"}', /image[./]digest/],
  ['trial: {enabled: false}', /nats\.servers: with trial\.enabled=false mail must outlive a pod/],
  [
    'nats: {servers: ["nats://n:4222"], credentials: {type: Password, secretName: s}}',
    /nats\.credentials\.user/,
  ],
  ['nats: {servers: ["nats://n:4222"], credentials: {type: Creds}}', /nats\.credentials\.secretName/],
  ['operator: {enabled: false}', /mta\.configName/],
  [
    'smtp: {listeners: [{name: a, port: 2525, servicePort: 25}, {name: b, port: 2525, servicePort: 26}]}',
    /port 2525 of listener b is taken/,
  ],
];

test('values that are wrong are refused, and the complaint names them', { skip }, async () => {
  for (const helm of helms)
    for (const [values, says] of WRONG) {
      const { code, err } = await helm(['template', 'sluice', CHART, '-f', '-'], values);
      assert.notEqual(code, 0, `Helm ${helm.line} takes ${values}`);
      assert.match(err, says, `Helm ${helm.line}: ${values}`);
    }
});
