import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Election } from './election.ts';
import { FakeApiServer } from './fake-api-server.fixture.ts';
import { LEASE_DURATION_MS, leaseStep, microTime, observe, releasedLease } from './lease.ts';
import { keptLog, until } from './until.fixture.ts';

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/mail/leases/sluice-operator';

const held = (holder: string, version: string, seconds = 60) => ({
  metadata: { resourceVersion: version },
  spec: { holderIdentity: holder, leaseDurationSeconds: seconds, renewTime: '2020-01-01T00:00:00.000000Z' },
});

test('a standby takes over only after a whole lease without a renewal; times inside the lease, of another clock, say nothing', () => {
  const first = observe(undefined, held('other', '1'), 1_000);
  const wall = '2026-12-01T00:00:00.000000Z';
  assert.equal(leaseStep(first, 'me', 1_000 + LEASE_DURATION_MS - 1, wall).type, 'Wait');
  const renewed = observe(first, held('other', '2'), 50_000);
  assert.equal(leaseStep(renewed, 'me', 1_000 + LEASE_DURATION_MS, wall).type, 'Wait');
  const same = observe(renewed, held('other', '2'), 60_000);
  const step = leaseStep(same, 'me', 50_000 + LEASE_DURATION_MS, wall);
  assert.equal(step.type === 'Write' && step.lease.spec?.holderIdentity, 'me');
  assert.equal(step.type === 'Write' && step.lease.spec?.leaseTransitions, 1);
});

test('a lease that was released is free at once, and one of a second after a second', () => {
  const released = observe(undefined, releasedLease(held('other', '1'), microTime(0)), 0);
  assert.equal(leaseStep(released, 'me', 0, microTime(0)).type, 'Write');
  const short = observe(undefined, held('other', '1', 1), 0);
  assert.equal(leaseStep(short, 'me', 999, microTime(0)).type, 'Wait');
  assert.equal(leaseStep(short, 'me', 1_000, microTime(0)).type, 'Write');
});

test('times are written as the API server wants them: with microseconds', () => {
  assert.equal(microTime(Date.UTC(2026, 11, 1, 2, 3, 4, 5)), '2026-12-01T02:03:04.005000Z');
});

async function startServer(t: TestContext) {
  const server = await new FakeApiServer().listen();
  t.after(() => server.close());
  const candidate = (identity: string, renewDeadlineMs = 10_000) => {
    const happened: string[] = [];
    const client = server.client();
    const election = new Election({
      client,
      namespace: 'mail',
      name: 'sluice-operator',
      identity,
      onElected: () => happened.push('elected'),
      onLost: () => happened.push('lost'),
      logger: keptLog().logger,
      nowMs: () => performance.now(),
      // Clocks of two machines, years apart.
      wallMs: () => (identity === 'a' ? 0 : Date.UTC(2040, 1, 1)),
      renewDeadlineMs,
      retryPeriodMs: 5,
    });
    election.start();
    t.after(async () => {
      await election.stop();
      client.close();
    });
    return { election, happened };
  };
  return { server, candidate };
}

test('of two operators one writes; the other takes over as soon as the first has released the lease', async (t) => {
  const { server, candidate } = await startServer(t);
  const a = candidate('a');
  await until('a leads', () => a.election.isLeader);
  const b = candidate('b');
  const before = server.requests.length;
  await until('both look', () => server.requests.length > before + 12);
  assert.equal(b.election.isLeader, false);
  assert.deepEqual(a.happened, ['elected']);
  await a.election.stop();
  await until('b leads', () => b.election.isLeader);
  assert.match(JSON.stringify(server.object(LEASE)), /"holderIdentity":"b"/);
});

test('a leader that cannot renew stops writing before another one may begin, and leads again when it can', async (t) => {
  const { server, candidate } = await startServer(t);
  const a = candidate('a', 60);
  await until('a leads', () => a.election.isLeader);
  server.fault = () => ({ type: 'Answer', status: 503 });
  await until('a has stopped', () => a.happened.at(-1) === 'lost');
  assert.equal(a.election.isLeader, false);
  server.fault = () => undefined;
  await until('a leads again', () => a.election.isLeader);
  assert.deepEqual(a.happened.slice(0, 3), ['elected', 'lost', 'elected']);
});

test('a leader whose lease another one has taken stops at its next look', async (t) => {
  const { server, candidate } = await startServer(t);
  const a = candidate('a');
  await until('a leads', () => a.election.isLeader);
  server.put(LEASE, { spec: { holderIdentity: 'thief', leaseDurationSeconds: 60 } });
  await until('a has stopped', () => a.happened.at(-1) === 'lost');
  assert.equal(a.election.isLeader, false);
});
