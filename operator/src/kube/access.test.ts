import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inClusterAccess, kubeconfigAccess } from './access.ts';

test('a pod logs in with the token that is valid now: one that the kubelet has replaced would end the operator after an hour', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-account-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  write('ca.crt', 'CA');
  write('namespace', 'mail\n');
  write('token', 'first\n');
  const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
  const access = await inClusterAccess(environment, directory);
  assert.equal(access.server.href, 'https://[fd00::1]:6443/');
  assert.equal(access.namespace, 'mail');
  const bearer = async () => {
    const request: RequestOptions = { headers: { accept: 'application/json' } };
    await access.apply(request);
    return [request.headers, String(request.ca)];
  };
  assert.deepEqual(await bearer(), [{ accept: 'application/json', authorization: 'Bearer first' }, 'CA']);
  write('token', 'second\n');
  assert.deepEqual(await bearer(), [{ accept: 'application/json', authorization: 'Bearer second' }, 'CA']);
});

test('outside a cluster, and with a kubeconfig that is not there, the error says what to do', async () => {
  const code = 'SLUICE_CLUSTER_ACCESS';
  await assert.rejects(inClusterAccess({}), { code, message: /KUBERNETES_SERVICE_HOST is not set/ });
  await assert.rejects(inClusterAccess({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, '/nonexistent'), { code });
  await assert.rejects(kubeconfigAccess('/nonexistent'), { code });
});
