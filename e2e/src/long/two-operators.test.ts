import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ControlPlane, skipWithoutControlPlane, startControlPlane } from '../harness/control-plane.ts';
import { type OperatorProcess, startOperatorProcess } from '../harness/operator-process.ts';
import { resource } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Comes with Debian's libfaketime. */
const [FAKETIME] = globSync('/usr/lib/*/faketime/libfaketime.so.1');
const COVERS = 'two operators whose clocks are a minute apart';
const noFaketime: string | false =
  FAKETIME === undefined ? `libfaketime is missing: NOT COVERED: ${COVERS}` : false;
const skip = noFaketime || (await skipWithoutControlPlane(COVERS));

const LEASE_MS = 60_000;
/** A standby looks every 10 s, and both sides have a request under way. */
const TAKE_OVER_MS = LEASE_MS + 20_000;
/** A user changes something so often. */
const CHANGE_MS = 1_500;

/** A write of an operator, as the API server saw it. */
interface Write {
  readonly user: string;
  readonly atMs: number;
  readonly isLease: boolean;
}

let directory: string;
let cluster: ControlPlane;
let changing: NodeJS.Timeout | undefined;

before(async () => {
  if (skip !== false) return;
  directory = mkdtempSync(join(tmpdir(), 'sluice-two-'));
  cluster = await startControlPlane({ auditFile: join(directory, 'audit.jsonl') });
  await kubectl('apply', '-f', join(ROOT, 'crds/generated'));
  await kubectl('create', 'namespace', 'mail');
  await kubectl('-n', 'mail', 'apply', '-f', join(ROOT, 'operator/deploy/operator-role.yaml'));
  for (const user of ['early', 'late'])
    await kubectl('-n', 'mail', 'create', 'rolebinding', user, '--role=sluice-operator', `--user=${user}`);
});
after(async () => {
  clearInterval(changing);
  await cluster?.close();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

async function kubectl(...args: readonly string[]): Promise<void> {
  const { code, err } = await cluster.kubectl(args);
  assert.equal(code, 0, err);
}

function operatorOf(user: string, clock: readonly string[] = []): Promise<OperatorProcess> {
  return startOperatorProcess(cluster.kubeconfig(user), 'mail', ['--no-providers'], clock);
}

/** Requests of both operators that changed something, in the order of the API server. */
function writes(): readonly Write[] {
  return readFileSync(join(directory, 'audit.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('"ResponseComplete"') && /"username":"(early|late)"/.test(line))
    .flatMap((line) => {
      const { user, verb, objectRef, requestReceivedTimestamp, responseStatus } = JSON.parse(line);
      if (!['create', 'update', 'patch', 'delete'].includes(verb) || responseStatus.code >= 300) return [];
      const isLease = objectRef.resource === 'leases';
      return [{ user: user.username, atMs: Date.parse(requestReceivedTimestamp), isLease }];
    })
    .toSorted((a, b) => a.atMs - b.atMs);
}

const ofResources = (user: string) => writes().filter((write) => write.user === user && !write.isLease);
const lastLease = (user: string) =>
  writes().findLast((write) => write.user === user && write.isLease)?.atMs ?? 0;

test('of two operators whose clocks are a minute apart one writes; the other takes over when the lease is over, not before, and the first one never writes again', {
  skip,
  timeout: 400_000,
}, async () => {
  const early = await operatorOf('early');
  await early.leads;
  const late = await operatorOf('late', [
    'env',
    `LD_PRELOAD=${FAKETIME}`,
    'FAKETIME=+60s',
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
  ]);
  let number = 0;
  changing = setInterval(() => {
    const sources = [{ name: 's', address: '192.0.2.1', ehlo: `n${++number}.example.com` }];
    const text = JSON.stringify(resource('EgressPool', 'a', { sources }));
    void cluster.kubectl(['-n', 'mail', 'apply', '-f', '-'], text);
  }, CHANGE_MS);
  await until(
    'changes are published',
    () => ofResources('early').length,
    (count) => count > 8,
    30_000,
  );
  assert.deepEqual(ofResources('late'), [], 'a clock that is ahead takes nothing over');
  const [line] = late.program.lines.filter((each) => /"watching"/.test(each));
  const aheadMs = Date.parse(/"time":"([^"]+)"/.exec(line ?? '')?.[1] ?? '') - Date.now();
  assert.ok(aheadMs > 30_000, `its clock is ${aheadMs} ms ahead`);

  process.kill(early.program.pid, 'SIGSTOP');
  const stopped = Date.now();
  await until(
    'the other one writes',
    () => ofResources('late').length,
    (count) => count > 2,
    TAKE_OVER_MS,
  );
  const silentMs = (ofResources('late')[0]?.atMs ?? 0) - lastLease('early');
  process.stdout.write(
    `# stopped: the other one wrote ${silentMs} ms after the last renewal, ${(ofResources('late')[0]?.atMs ?? 0) - stopped} ms after the stop\n`,
  );
  assert.ok(silentMs >= LEASE_MS, `${silentMs}`);
  const before = ofResources('early').length;
  process.kill(early.program.pid, 'SIGCONT');
  const lateWrites = ofResources('late').length;
  await until(
    'time goes by',
    () => ofResources('late').length,
    (count) => count > lateWrites + 12,
    40_000,
  );
  assert.equal(ofResources('early').length, before, 'one that was stopped does not write when it goes on');

  const killed = Date.now();
  await late.program.kill('SIGKILL');
  const beforeKill = lastLease('late');
  await until(
    'the first one takes over',
    () => ofResources('early').length,
    (count) => count > before + 2,
    TAKE_OVER_MS,
  );
  const again = ofResources('early')[before]?.atMs ?? 0;
  process.stdout.write(
    `# kill -9: the other one wrote ${again - beforeKill} ms after the last renewal, ${again - killed} ms after the kill\n`,
  );
  assert.ok(again - beforeKill >= LEASE_MS);
  assert.ok(again - killed <= TAKE_OVER_MS);
  assert.equal((await fetch(`${early.health}/readyz`)).status, 200);
  assert.equal(await early.program.kill('SIGTERM'), 0);
});
