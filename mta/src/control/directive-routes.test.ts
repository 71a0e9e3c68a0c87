import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { SluiceError } from '@sluice/crds';
import { openFileDirectiveStore } from '../react/mod.ts';
import { startAdminServer } from './admin-server.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

async function start(context: TestContext) {
  const store = await openFileDirectiveStore({ nowMs: Date.now, onError: () => {} });
  const server = await startAdminServer({
    address: { host: '127.0.0.1', port: 0 },
    checks: [],
    metrics: { contentType: 'text/plain', render: async () => '' },
    directives: {
      store,
      chosenBy: async () => ({ groups: 3, recipients: 4, pods: 1, silent: [] }),
      nowMs: Date.now,
    },
    logger,
  });
  context.after(async () => {
    await server.close();
    await store.close();
  });
  const call = async (method: string, body: unknown) => {
    const response = await fetch(`http://127.0.0.1:${server.address.port}/directives`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.text() };
  };
  return { store, call };
}

test('a domain is meant however it is written: an order for Example.COM. holds its mail', async (context) => {
  const { store, call } = await start(context);
  const answer = await call('POST', { effect: { type: 'Hold' }, selector: { domain: 'Example.COM.' } });
  assert.equal(answer.status, 200, answer.body);
  assert.deepEqual(
    store.set.directives.map(({ selector }) => selector),
    [{ domain: 'example.com' }],
  );
});

test('a rehearsal changes nothing; an order without a choice, or with a source for held mail, is refused in words', async (context) => {
  const { store, call } = await start(context);
  const rehearsal = await call('POST', { effect: { type: 'Bounce' }, selector: { pool: 'a' }, dryRun: true });
  assert.deepEqual(JSON.parse(rehearsal.body).chosen, { groups: 3, recipients: 4, pods: 1, silent: [] });
  assert.equal(store.set.directives.length, 0);
  const all = await call('POST', { effect: { type: 'Suspend' }, selector: {} });
  assert.equal(all.status, 400);
  assert.match(all.body, /at least one field/);
  const early = await call('POST', { effect: { type: 'Hold' }, selector: { source: 'ip-1' } });
  assert.equal(early.status, 400);
  assert.match(early.body, /leave source and mxHost out/);
});

test('an order that the store did not take is answered as a failure, in its words', async (context) => {
  const { store, call } = await start(context);
  const parameters = { reason: 'NATS is gone', cure: 'Nothing was changed.' };
  store.put = () => Promise.reject(new SluiceError('SLUICE_DIRECTIVE_NOT_STORED', parameters));
  const answer = await call('POST', { effect: { type: 'Hold' }, selector: { domain: 'a.example' } });
  assert.equal(answer.status, 503);
  assert.deepEqual(JSON.parse(answer.body), {
    error: 'What was ordered was not stored: NATS is gone.',
    cure: 'Nothing was changed.',
  });
});

test('what is taken back is what has all of the values, and nothing else', async (context) => {
  const { store, call } = await start(context);
  for (const source of ['ip-1', 'ip-2'])
    await call('POST', { effect: { type: 'Suspend' }, selector: { source, group: 'google' } });
  await call('POST', { effect: { type: 'Hold' }, selector: { group: 'google' } });
  const gone = await call('DELETE', { types: ['Suspend'], selector: { source: 'ip-1' } });
  assert.equal(JSON.parse(gone.body).directives.length, 1);
  assert.equal(store.set.directives.length, 2);
});
