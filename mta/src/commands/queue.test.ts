import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startAdminServer } from '../control/mod.ts';
import type { ListingFilter, ListingRow } from '../dispatch/mod.ts';
import { sluice } from './command-run.fixture.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

function row(fields: Partial<ListingRow>): ListingRow {
  return {
    pool: '',
    site: '',
    tenant: '',
    domain: '',
    ready: 0,
    asleep: 0,
    waiting: 0,
    inFlight: 0,
    recipients: 0,
    oldestAcceptedAtMs: 0,
    nextDueAtMs: 0,
    lastReply: '',
    lastReplyAtMs: 0,
    ...fields,
  };
}

const NO_QUEUE = {
  address: { host: '127.0.0.1', port: 0 },
  checks: [],
  metrics: { contentType: 'text/plain', render: async () => '' },
  queue: () => ({ entries: 0, lanes: [] }),
  logger,
};

/** An MTA's admin server whose queue has these rows. */
async function adminWith(context: TestContext, rows: readonly ListingRow[], asked: ListingFilter[] = []) {
  const server = await startAdminServer({
    ...NO_QUEUE,
    listing: (_by, filter) => {
      asked.push(filter);
      return rows;
    },
  });
  context.after(() => server.close());
  return `127.0.0.1:${server.address.port}`;
}

test('the queues of several MTAs are added up, most mail first, and the filters reach them', async (context) => {
  const asked: ListingFilter[] = [];
  const hourAgo = Date.now() - 3_600_500;
  const one = await adminWith(
    context,
    [
      row({
        tenant: 'shop',
        ready: 2,
        waiting: 1,
        oldestAcceptedAtMs: hourAgo,
        lastReply: '421 slow',
        lastReplyAtMs: 1,
      }),
    ],
    asked,
  );
  const two = await adminWith(context, [
    row({ tenant: 'news', ready: 50 }),
    row({ tenant: 'shop', asleep: 4 }),
  ]);
  const ran = await sluice(['queue', 'list', '--by', 'tenant', '--pool', 'main', '--admin', one, two]);
  assert.deepEqual(asked, [{ pool: 'main' }]);
  assert.equal(
    ran.out,
    'TENANT  GROUPS  READY  LIMITED  WAITING  IN FLIGHT  OLDEST  NEXT DUE  LAST REPLY\n' +
      'news    50      50     0        0        0          -       -\n' +
      'shop    7       2      4        1        0          1h      -         421 slow\n',
  );
  const json = await sluice([
    'queue',
    'list',
    '--by',
    'tenant',
    '--limit',
    '1',
    '--admin',
    one,
    two,
    '--json',
  ]);
  assert.deepEqual(JSON.parse(json.out), {
    by: 'Tenant',
    rows: [{ tenant: 'news', groups: 50, ready: 50, asleep: 0, waiting: 0, inFlight: 0, recipients: 0 }],
    more: 1,
    poisoned: 0,
    silent: [],
  });
});

test('an MTA that does not answer is named, with what to do; a wrong --by is a wrong command line', async () => {
  const gone = await startAdminServer({ ...NO_QUEUE, listing: () => [] });
  await gone.close();
  const dead = await sluice(['queue', 'list', '--admin', `127.0.0.1:${gone.address.port}`]);
  assert.equal(dead.exitCode, 1);
  assert.match(
    dead.err,
    /Cannot ask the MTA at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*\[SLUICE_ADMIN_UNREACHABLE\]/,
  );
  assert.match(dead.err, /cure: Check that it runs/);
  const wrong = await sluice(['queue', 'list', '--by', 'colour']);
  assert.equal(wrong.exitCode, 2);
  assert.match(wrong.err, /it is lane, tenant or domain/);
});
