import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseResources } from '@sluice/crds';
import { parseAllDocuments } from 'yaml';
import { type ControlPlane, skipWithoutControlPlane, startControlPlane } from '../harness/control-plane.ts';
import { type OperatorProcess, startOperatorProcess } from '../harness/operator-process.ts';
import { mountServiceAccount } from '../harness/service-account.ts';
import { resource, type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';
import { WRONG_MANIFESTS, type WrongManifest } from '../harness/wrong-manifests.ts';

/** A user waits no longer for a status. */
const STATUS_MS = 2_000;
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DEFINITIONS = join(ROOT, 'crds/generated');

const skip = await skipWithoutControlPlane('the operator against a real API server');
let cluster: ControlPlane;
let operator: OperatorProcess;

before(async () => {
  if (skip !== false) return;
  cluster = await startControlPlane();
  await kubectl('apply', '-f', DEFINITIONS);
  await kubectl('create', 'namespace', 'mail');
  await kubectl('-n', 'mail', 'apply', '-f', join(ROOT, 'operator/deploy'));
  const roles = { operator: 'sluice-operator', mta: 'sluice-mta' };
  for (const [user, role] of Object.entries(roles))
    await kubectl('-n', 'mail', 'create', 'rolebinding', role, `--role=${role}`, `--user=${user}`);
  const account = ['--role=sluice-mta', '--serviceaccount=mail:pod'];
  await kubectl('-n', 'mail', 'create', 'rolebinding', 'pods', ...account);
  operator = await startOperatorProcess(cluster.kubeconfig('operator'), 'mail', ['--no-providers']);
  await operator.leads;
});

after(async () => {
  if (skip !== false) return;
  await operator?.program.kill('SIGTERM');
  await cluster?.close();
});

/** What kubectl printed; fails with its words. */
async function kubectl(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await cluster.kubectl(args);
  assert.equal(code, 0, err);
  return out;
}

async function apply(...documents: readonly unknown[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: documents };
  const { code, err } = await cluster.kubectl(['-n', 'mail', 'apply', '-f', '-'], JSON.stringify(list));
  assert.equal(code, 0, err);
}

/** The address of a source never changes, what it says in EHLO may. */
const pool = (name: string, ehlo = 'out.example.com', more: object = {}) =>
  resource('EgressPool', name, { sources: [{ name: 's', address: '192.0.2.1', ehlo }], ...more });

/** A condition as `status/reason/observedGeneration: message`; `''` = there is none. */
function condition(name: string, type: string): Promise<string> {
  const path = `{range .status.conditions[?(@.type=="${type}")]}{.status}/{.reason}/{.observedGeneration}: {.message}{end}`;
  return kubectl('-n', 'mail', 'get', name, '-o', `jsonpath=${path}`);
}

async function configHeader(): Promise<{ readonly generation: number; readonly hash: string }> {
  const text = await kubectl(
    '-n',
    'mail',
    'get',
    'configmap',
    'sluice-egress-0',
    '-o',
    'jsonpath={.data.shard\\.json}',
  );
  return JSON.parse(text);
}

test('the CRDs install by client-side and by server-side apply', { skip }, async () => {
  assert.match(await kubectl('apply', '-f', DEFINITIONS), /egresspools.sluice.email unchanged/);
  assert.match(
    await kubectl('apply', '--server-side', '--force-conflicts', '-f', DEFINITIONS),
    /shapingpolicies.sluice.email serverside-applied/,
  );
});

test('kubectl explains fields, and shows what matters in a table, under the short names', {
  skip,
}, async () => {
  golden('explain-sources.txt', await kubectl('explain', 'egresspool.spec.sources'));
  await apply(
    pool('shown'),
    resource('ShapingPolicy', 'shown', {
      priority: 100,
      default: { session: { messagesPerConnection: 50 } },
    }),
    resource('EgressPool', 'astray', {
      sources: [{ name: 's', address: '192.0.2.9', ehlo: 'out.example.com' }],
      egress: { type: 'Bind', bind: { address: '2001:db8::1' } },
    }),
  );
  const shown = () => kubectl('-n', 'mail', 'get', 'epool,shape');
  const table = await until(
    'the table',
    shown,
    (text) => (text.match(/True|False/g) ?? []).length >= 3,
    STATUS_MS,
  );
  // How old a resource is differs from run to run.
  golden('get-resources.txt', table.replaceAll(/ \d+s$/gm, ' AGE'));
  await kubectl('-n', 'mail', 'delete', 'epool/astray', 'epool/shown', 'shape/shown');
});

/** What users see, word for word; `UPDATE_GOLDEN=1` writes it. */
function golden(file: string, seen: string): void {
  const path = fileURLToPath(new URL(`../../testdata/kubectl/${file}`, import.meta.url));
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, seen);
  assert.equal(seen, readFileSync(path, 'utf8'));
}

test('what Sluice takes the API server takes', { skip }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-manifests-'));
  let valid = 0;
  try {
    for (const file of globSync(join(ROOT, 'crds/testdata/*.in.yaml'))) {
      for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
        const value: unknown = document.errors.length > 0 ? undefined : document.toJS();
        if (typeof value !== 'object' || value === null || !('kind' in value)) continue;
        const text = JSON.stringify({ ...value, metadata: { name: `m${valid}` } });
        const { resources, rejected, foreign } = parseResources(text, 'x.yaml');
        if (resources.length !== 1 || rejected.length + foreign.length > 0) continue;
        writeFileSync(join(directory, `${valid++}.json`), text);
      }
    }
    assert.ok(valid >= 30, `${valid}`);
    await kubectl('-n', 'default', 'apply', '--dry-run=server', '-f', directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('sixty mistakes are refused by the API server or get Accepted=False; each complaint names the field', {
  skip,
}, async () => {
  let byServer = 0;
  const admitted: (WrongManifest & { readonly name: string })[] = [];
  for (const [index, wrong] of WRONG_MANIFESTS.entries()) {
    const name = `wrong-${index}`;
    const text = JSON.stringify(resource(wrong.kind, name, wrong.spec));
    const { code, err } = await cluster.kubectl(['-n', 'mail', 'apply', '-f', '-'], text);
    if (code === 0) admitted.push({ ...wrong, name });
    else {
      byServer++;
      assert.match(err, wrong.names, text);
    }
  }
  for (const { kind, name, names, spec } of admitted) {
    const said = await until(
      `${name} says what is wrong: ${JSON.stringify(spec)}`,
      () => condition(`${kind.toLowerCase()}/${name}`, 'Accepted'),
      (text) => text !== '',
      STATUS_MS,
    );
    assert.match(said, /^False\/Invalid/, JSON.stringify(spec));
    assert.match(said, names);
    await kubectl('-n', 'mail', 'delete', `${kind.toLowerCase()}/${name}`);
  }
  process.stdout.write(
    `# mistakes refused by the API server: ${byServer}, by the operator: ${admitted.length}\n`,
  );
  assert.ok(byServer + admitted.length >= 60);
});

test('a change is in the ConfigMap and in the status within two seconds, again and again, at two writes each', {
  skip,
}, async () => {
  await apply(pool('quick'));
  await until(
    'it is ready',
    () => condition('epool/quick', 'Ready'),
    (text) => text.startsWith('True/Published'),
    STATUS_MS,
  );
  const writesBefore = await writes();
  const times: number[] = [];
  const changes = 30;
  for (let index = 1; index <= changes; index++) {
    const { generation } = await configHeader();
    await apply(pool('quick', `out-${index}.example.com`));
    const startMs = performance.now();
    await until('the set is newer', configHeader, (header) => header.generation > generation, STATUS_MS);
    await until(
      'the status is of this generation',
      () => condition('epool/quick', 'Ready'),
      (text) => text.startsWith(`True/Published/${index + 1}:`),
      STATUS_MS,
    );
    times.push(performance.now() - startMs);
  }
  times.sort((a, b) => a - b);
  const [p50 = 0, p99 = 0] = [times[Math.floor(changes / 2)], times.at(-1)];
  process.stdout.write(
    `# from apply to status, as kubectl sees it: p50 ${p50.toFixed(0)} ms, worst ${p99.toFixed(0)} ms\n`,
  );
  assert.ok(p99 < STATUS_MS);
  assert.equal((await writes()) - writesBefore, changes * 2, 'one ConfigMap and one status for each change');
});

async function writes(): Promise<number> {
  const text = await (await fetch(`${operator.health}/metrics`)).text();
  return [...text.matchAll(/^sluice_operator_writes_total\{object="(ConfigMap|Status)"\} (\d+)/gm)].reduce(
    (sum, [, , count]) => sum + Number(count),
    0,
  );
}

test('running pods have a change in force within two seconds of kubectl, go on without the API server, and start without it', {
  skip,
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-pods-'));
  const pods: SluiceProcess[] = [];
  try {
    const account = await mountServiceAccount(cluster, 'mail', 'pod', join(directory, 'account'));
    const start = (name: string): Promise<SluiceProcess> =>
      startSluice({
        spec: { resources: { configMaps: { serviceAccountDirectory: account.directory } } },
        resources: {},
        directory: join(directory, name),
        environment: account.environment,
      });
    for (const name of ['a', 'b', 'c']) pods.push(await start(name));
    const inForce = async (): Promise<readonly string[]> =>
      Promise.all(pods.map(async ({ admin }) => hashOf(await (await fetch(`${admin}/metrics`)).text())));
    const runs = async (hash: string) =>
      until('all pods run it', inForce, (hashes) => hashes.every((each) => each === hash), STATUS_MS);
    const times: number[] = [];
    for (let index = 0; index < 20; index++) {
      const { generation } = await configHeader();
      await apply(pool('run', `run-${index}.example.com`));
      const startMs = performance.now();
      const { hash } = await until(
        'the set is newer',
        configHeader,
        (header) => header.generation > generation,
        STATUS_MS,
      );
      await runs(hash);
      times.push(performance.now() - startMs);
    }
    times.sort((a, b) => a - b);
    process.stdout.write(
      `# from apply to three pods running it: p50 ${times[10]?.toFixed(0)} ms, worst ${times.at(-1)?.toFixed(0)} ms\n`,
    );

    const { hash } = await configHeader();
    await account.rotate();
    await cluster.stopApiServer('SIGKILL');
    await pods.pop()?.kill('SIGKILL');
    pods.push(await start('c'));
    assert.deepEqual(
      await inForce(),
      [hash, hash, hash],
      'the one that started anew knows what was in force',
    );
    await cluster.startApiServer();
    await until(
      'a change arrives again',
      async () => {
        await cluster.kubectl(['-n', 'mail', 'delete', 'epool/run']);
        return inForce();
      },
      (hashes) => hashes.every((each) => each !== hash),
      30_000,
    );
  } finally {
    await Promise.all(pods.map((pod) => pod.close()));
    rmSync(directory, { recursive: true, force: true });
  }
});

function hashOf(metrics: string): string {
  return /^sluice_config_info\{hash="([0-9a-f]+)"\} 1$/m.exec(metrics)?.[1] ?? '';
}

test('a resource that is admitted and wrong keeps its last good form, says why, and is told in an Event', {
  skip,
}, async () => {
  await apply(pool('careful'));
  await until(
    'it is ready',
    () => condition('epool/careful', 'Ready'),
    (text) => text.startsWith('True'),
    STATUS_MS,
  );
  const { hash } = await configHeader();
  // The address stays IPv4, the way out binds IPv6: no rule of a schema sees both.
  await apply(
    pool('careful', 'out.example.com', { egress: { type: 'Bind', bind: { address: '2001:db8::1' } } }),
  );
  const said = await until(
    'it says so',
    () => condition('epool/careful', 'Accepted'),
    (text) => text.startsWith('False'),
    STATUS_MS,
  );
  assert.match(said, /^False\/Invalid\/2: .*spec\.sources\[0\]\.address/);
  assert.match(await condition('epool/careful', 'Stalled'), /^True\/Invalid/);
  assert.equal((await configHeader()).hash, hash, 'what pods run has not changed');
  const described = () => kubectl('-n', 'mail', 'describe', 'epool/careful');
  await until('the Event is there', described, (text) => /Warning +Invalid/.test(text), STATUS_MS);
  await kubectl('-n', 'mail', 'delete', 'epool/careful');
});

test('the operator may do what it needs in its namespace and nothing else; no Secret is readable, no spec writable', {
  skip,
}, async () => {
  const may = async (user: string, namespace: string, ...what: readonly string[]) =>
    (await cluster.kubectl(['auth', 'can-i', ...what, '-n', namespace, '--as', user])).out.trim();
  assert.equal(await may('operator', 'mail', 'patch', 'configmaps'), 'yes');
  for (const [verb = '', what = ''] of [
    ['get', 'secrets'],
    ['list', 'secrets'],
    ['patch', 'egresspools'],
    ['delete', 'egresspools'],
    ['get', 'pods'],
    ['create', 'roles'],
  ])
    assert.equal(await may('operator', 'mail', verb, what), 'no', `${verb} ${what}`);
  assert.equal(await may('operator', 'default', 'list', 'configmaps'), 'no');
  assert.equal(await may('mta', 'mail', 'list', 'configmaps'), 'yes');
  assert.equal(await may('mta', 'mail', 'patch', 'configmaps'), 'no');
  // One that was just started knows no roles for a moment: only what came before counts.
  const { lines } = operator.program;
  const restart = lines.findIndex((line) => /watching begins again/.test(line));
  const forbidden = lines
    .slice(0, restart < 0 ? undefined : restart)
    .filter((line) => /forbidden/.test(line));
  assert.deepEqual(forbidden, [], 'and the role is enough');
});

test('the API server dies and comes back: the operator goes on by itself', { skip }, async () => {
  await cluster.stopApiServer('SIGKILL');
  await until(
    'it noticed',
    () => operator.program.lines.join('\n'),
    (text) => /watching begins again/.test(text),
    10_000,
  );
  await cluster.startApiServer();
  await apply(pool('after', 'after.example.com'));
  await until(
    'it is ready',
    async () => (await cluster.kubectl(['-n', 'mail', 'get', 'epool/after', '-o', 'json'])).out,
    (text) => /"reason": "Published"/.test(text),
    40_000,
  );
  assert.equal((await fetch(`${operator.health}/readyz`)).status, 200);
  assert.equal((await fetch(`${operator.health}/livez`)).status, 200);
});

test('of two operators one writes, and when it ends the other takes over', { skip }, async () => {
  const second = await startOperatorProcess(cluster.kubeconfig('operator'), 'mail', ['--no-providers']);
  assert.match(await (await fetch(`${second.health}/metrics`)).text(), /^sluice_operator_leader 0$/m);
  const first = operator;
  operator = second;
  assert.equal(await first.program.kill('SIGTERM'), 0);
  await second.leads;
  const { generation, hash } = await configHeader();
  await apply(pool('taken', 'taken.example.com'));
  await until(
    'the second writes',
    configHeader,
    (header) => header.generation > generation && header.hash !== hash,
    STATUS_MS,
  );
});
