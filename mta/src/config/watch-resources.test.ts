import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import type { LogFields, Logger } from './logger.ts';
import type { ResourceState } from './resource-state.ts';
import { watchResources } from './watch-resources.ts';

const IN_FORCE_MS = 2_000;
const root = mkdtempSync(join(tmpdir(), 'sluice-resources-'));
after(() => rmSync(root, { recursive: true }));

const pool = (address: string, match = '') => `apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: a}
spec:
  ${match}
  sources: [{name: ip-1, address: ${address}, ehlo: out.example}]
`;

async function watched(t: TestContext, directory: string) {
  const changes: ResourceState[] = [];
  const log: string[] = [];
  const line = (level: string) => (fields: LogFields, message: string) =>
    void log.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger: Logger = {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: () => logger,
  };
  let nowMs = 1_000;
  const watch = await watchResources({
    directory,
    settings: { tenants: [{ name: 'acme', labels: {}, authUsers: [], senderDomains: [] }], classes: [] },
    logger,
    onChange: (state) => changes.push(state),
    now: () => nowMs++,
  });
  t.after(() => watch.close());
  return { watch, changes, log };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + IN_FORCE_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `${what}: not within ${IN_FORCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a change is in force within two seconds; a broken one keeps what is in force, and says so in state and log', async (t) => {
  const directory = mkdtempSync(join(root, 'd-'));
  writeFileSync(join(directory, 'pool.yaml'), pool('192.0.2.1'));
  const { watch, changes, log } = await watched(t, directory);
  const first = watch.state;
  assert.equal(first.ok, true);
  assert.equal(first.config.pools[0]?.sources[0]?.address, '192.0.2.1');
  assert.equal(changes.length, 0, 'the first configuration is the one returned');

  writeFileSync(join(directory, 'pool.yaml'), pool('192.0.2.2'));
  await until(() => changes.length === 1, 'change');
  assert.equal(watch.state.config.pools[0]?.sources[0]?.address, '192.0.2.2');
  assert.notEqual(watch.state.hash, first.hash);
  assert.ok(watch.state.loadedAtMs > first.loadedAtMs);

  const good = watch.state;
  writeFileSync(join(directory, 'pool.yaml'), pool('192.0.2.3').replace('sources', 'sorces'));
  await until(() => !watch.state.ok, 'broken change');
  assert.equal(watch.state.hash, good.hash);
  assert.equal(watch.state.loadedAtMs, good.loadedAtMs);
  assert.equal(changes.length, 1);
  assert.deepEqual(watch.state.refused, ['EgressPool/a']);
  assert.ok(
    log.some((text) => text.startsWith('error') && text.includes('sorces') && text.includes('EgressPool/a')),
  );

  writeFileSync(join(directory, 'pool.yaml'), pool('192.0.2.2'));
  await until(() => watch.state.ok, 'mended');
  assert.equal(watch.state.hash, good.hash);
  assert.equal(changes.length, 1, 'the same configuration again is no change');
  assert.ok(log.some((text) => text.includes('in order again')));
});

test('a ConfigMap mounted by Kubernetes is followed through its ..data swap', async (t) => {
  const directory = mkdtempSync(join(root, 'd-'));
  const mount = (version: string, address: string) => {
    mkdirSync(join(directory, `..${version}`));
    writeFileSync(join(directory, `..${version}`, 'pool.yaml'), pool(address));
    symlinkSync(`..${version}`, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  };
  mount('1', '192.0.2.1');
  symlinkSync(join('..data', 'pool.yaml'), join(directory, 'pool.yaml'));
  const { watch, changes } = await watched(t, directory);
  mount('2', '192.0.2.2');
  await until(() => changes.length === 1, 'swap');
  assert.equal(watch.state.config.pools[0]?.sources[0]?.address, '192.0.2.2');
});

test('a directory that is not there yet is a problem, and its resources are taken when it comes', async (t) => {
  const directory = join(mkdtempSync(join(root, 'd-')), 'later');
  const { watch, changes } = await watched(t, directory);
  assert.equal(watch.state.ok, false);
  assert.equal(watch.state.problems[0]?.code, 'SLUICE_CONFIG_UNREADABLE');
  assert.deepEqual(watch.state.config.pools, []);
  mkdirSync(directory);
  writeFileSync(join(directory, 'pool.yaml'), pool('192.0.2.1'));
  await until(() => changes.length === 1, 'directory appears');
  assert.equal(watch.state.ok, true);
});

test('a directory that goes away takes nothing with it: the last good configuration stays', async (t) => {
  const directory = mkdtempSync(join(root, 'd-'));
  writeFileSync(join(directory, 'pool.yaml'), pool('192.0.2.1'));
  const { watch, changes } = await watched(t, directory);
  rmSync(directory, { recursive: true });
  await until(() => !watch.state.ok || changes.length > 0, 'gone');
  await until(() => watch.state.problems[0]?.code === 'SLUICE_CONFIG_UNREADABLE', 'unreadable');
  assert.equal(watch.state.config.pools.length, 1);
});

test('a tenant that sluice.yaml does not have is a warning: such a condition never holds', async (t) => {
  const directory = mkdtempSync(join(root, 'd-'));
  writeFileSync(join(directory, 'pool.yaml'), pool('192.0.2.1', 'match: [{name: m, tenants: [acme, acne]}]'));
  const { watch, log } = await watched(t, directory);
  assert.equal(watch.state.ok, true);
  assert.deepEqual(
    watch.state.warnings.map(({ what }) => what),
    ['EgressPool/a: sluice.yaml has no tenant "acne".'],
  );
  assert.ok(log.some((text) => text.startsWith('warn') && text.includes('acne')));
});

test('a start while a resource is broken runs with its last good form, not without its limits', async (t) => {
  const directory = mkdtempSync(join(root, 'd-'));
  const lastGoodFile = join(root, 'kept', 'last-good.json');
  const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
  const options = {
    directory,
    lastGoodFile,
    settings: { tenants: [], classes: [] },
    logger,
    onChange: () => {},
  };
  writeFileSync(join(directory, 'pool.yaml'), pool('192.0.2.1'));
  const first = await watchResources(options);
  const { hash } = first.state;
  first.close();

  writeFileSync(join(directory, 'pool.yaml'), pool('192.0.2.9').replace('sources', 'sorces'));
  const second = await watchResources(options);
  t.after(() => second.close());
  assert.equal(second.state.ok, false);
  assert.equal(second.state.hash, hash, 'the pool of before is in force');

  writeFileSync(lastGoodFile, 'not JSON');
  const third = await watchResources(options);
  t.after(() => third.close());
  assert.equal(third.state.config.pools.length, 0, 'an unreadable copy is no reason not to start');
});
