import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { FakeApiServer } from './kube/fake-api-server.fixture.ts';
import { keptLog, until } from './kube/until.fixture.ts';
import { startOperator } from './operator.ts';

async function start(server: FakeApiServer, more: object = {}) {
  const operator = await startOperator({
    access: server.access(),
    namespace: 'mail',
    scope: 'Namespace',
    release: 'sluice',
    library: [],
    health: { host: '127.0.0.1', port: 0 },
    logger: keptLog().logger,
    ...more,
  });
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${operator.healthPort}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  return { operator, ask };
}

test('health knows whether watches are alive: an operator that sees nothing is not ready, and is not restarted for it', async (t) => {
  const server = await new FakeApiServer().listen();
  let deaf = true;
  server.fault = ({ path }) => (deaf && path.endsWith('/egresspools') ? { type: 'Destroy' } : undefined);
  const { operator, ask } = await start(server);
  t.after(async () => {
    await operator.stop();
    await server.close();
  });
  let ready = await ask('/readyz');
  const isSettled = async () => {
    ready = await ask('/readyz');
    return ready.text === 'EgressPool: not yet listed\n';
  };
  while (!(await isSettled())) assert.equal(ready.status, 503);
  assert.equal((await ask('/livez')).status, 200);
  deaf = false;
  while (ready.status !== 200) ready = await ask('/readyz');
  assert.match(
    (await ask('/metrics')).text,
    /^sluice_operator_watch_silence_seconds\{watch="EgressPool"\} \d/m,
  );
});

test('a NATS that takes connections and says nothing holds up neither publishing, nor statuses for long, nor the end', async (t) => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const server = await new FakeApiServer().listen();
  const pool = '/apis/sluice.email/v1alpha1/namespaces/mail/egresspools/a';
  server.put(pool, {
    apiVersion: 'sluice.email/v1alpha1',
    kind: 'EgressPool',
    spec: { sources: [{ name: 's', address: '192.0.2.1', ehlo: 'out.example.com' }] },
  });
  const nats = { servers: [`nats://127.0.0.1:${port}`], login: { kind: 'none' }, prefix: 'sluice' } as const;
  const { operator, ask } = await start(server, { nats });
  t.after(async () => {
    await server.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  await until('it is published', () => server.paths('/api/v1/namespaces/mail/configmaps').length > 0);
  const said = () => JSON.stringify(server.object(pool)?.status ?? {});
  await until('the status says that it is not known who runs it', () => said().includes('FeedbackLost'));
  assert.match((await ask('/metrics')).text, /^sluice_operator_feedback 0$/m);
  const startMs = performance.now();
  await operator.stop();
  assert.ok(performance.now() - startMs < 6_000);
});
