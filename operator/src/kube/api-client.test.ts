import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { apply } from './apply.ts';
import { recordEvent } from './events.ts';
import { FakeApiServer } from './fake-api-server.fixture.ts';

const POOLS = '/apis/sluice.email/v1alpha1/namespaces/mail/egresspools';

async function start(t: TestContext) {
  const server = await new FakeApiServer().listen();
  const client = server.client();
  t.after(async () => {
    client.close();
    await server.close();
  });
  return { server, client };
}

test('refusals are values that say what to do next, in the words of the API server', async (t) => {
  const { server, client } = await start(t);
  const cases = [
    [401, {}, 'Unauthorized'],
    [403, { message: 'pools is forbidden' }, 'Forbidden'],
    [404, {}, 'NotFound'],
    [409, { reason: 'AlreadyExists' }, 'AlreadyExists'],
    [409, { reason: 'Conflict' }, 'Conflict'],
    [410, {}, 'Gone'],
    [422, { message: 'spec.sources: too many' }, 'Invalid'],
    [429, { details: { retryAfterSeconds: 3 } }, 'Throttled'],
    [500, {}, 'Server'],
    [504, {}, 'Server'],
  ] as const;
  for (const [status, body, kind] of cases) {
    server.fault = () => ({ type: 'Answer', status, body });
    const result = await client.json({ method: 'GET', path: POOLS });
    if (result.ok) assert.fail(`${status} is no success`);
    assert.equal(result.kind, kind);
    assert.equal(result.status, status);
    if ('message' in body) assert.equal(result.message, body.message);
    if (status === 429) assert.equal(result.retryAfterMs, 3_000);
  }
});

test('a connection that breaks, and a server that never answers, are values too', async (t) => {
  const { server, client } = await start(t);
  server.fault = () => ({ type: 'Destroy' });
  const broken = await client.json({ method: 'GET', path: POOLS });
  assert.equal(!broken.ok && broken.kind, 'Unreachable');
  server.fault = () => ({ type: 'Hang' });
  const late = await client.json({ method: 'GET', path: POOLS, timeoutMs: 30 });
  assert.equal(!late.ok && late.message, 'no answer within 30 ms');
  const noHead = await client.stream({ method: 'GET', path: POOLS, timeoutMs: 30 });
  assert.equal(!noHead.ok && noHead.message, 'no answer within 30 ms');
});

test('an answer that is no JSON is a value: a proxy in between must not end the operator', async (t) => {
  const { server, client } = await start(t);
  server.fault = () => ({ type: 'Answer', status: 502, body: '<html>' });
  const result = await client.json({ method: 'GET', path: POOLS });
  assert.equal(!result.ok && result.kind, 'Server');
});

test('server-side apply says who applies, and what is applied twice is written once', async (t) => {
  const { server, client } = await start(t);
  const application = {
    path: `${POOLS}/a`,
    object: { metadata: { name: 'a' }, spec: { x: 1 } },
    fieldManager: 'sluice-operator',
    force: true,
  };
  assert.equal((await apply(client, application)).ok, true);
  const version = server.object(`${POOLS}/a`)?.metadata.resourceVersion;
  assert.equal((await apply(client, application)).ok, true);
  assert.equal(server.object(`${POOLS}/a`)?.metadata.resourceVersion, version);
  assert.deepEqual(server.requests[0]?.query, { fieldManager: 'sluice-operator', force: 'true' });
  assert.equal(server.requests[0]?.method, 'PATCH');
});

test('a long note of an event is cut, not refused', async (t) => {
  const { server, client } = await start(t);
  const subject = { apiVersion: 'v1', kind: 'EgressPool', namespace: 'mail', name: 'a', uid: 'u' };
  const event = {
    subject,
    type: 'Warning',
    reason: 'Invalid',
    action: 'Compile',
    note: 'ü'.repeat(2_000),
  } as const;
  assert.equal((await recordEvent(client, event, 'me', 0)).ok, true);
  const note = String(server.requests[0]?.body.note);
  assert.ok(Buffer.byteLength(note) <= 1_024 && note.endsWith('ü…'), note.slice(-5));
});
