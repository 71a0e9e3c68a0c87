import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import type { JetStreamSpoolOptions, Reference, SharedSpool, Spool } from '@sluice/mta/spool';
import { openFollowed, testSpoolOptions } from '../harness/jetstream-opener.ts';
import { closeAfter } from '../harness/last-first.ts';
import { type NatsServer, skipWithoutNats, startNats, startNatsCluster } from '../harness/nats-server.ts';
import { testEnvelope } from '../harness/test-mail.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats(
  'leaders that move, a cluster without a majority, a server that lost its disk, a store that was rolled back',
);
const PREFIX = 'mail';
/** A client is answered within 5 s; what the test and the machine add. */
const ANSWER_WITHIN_MS = 5_300;
const REPLICATED = {
  durability: 'Replicated',
  spoolStreams: 2,
  openSegments: 2,
  ringSegments: 2,
} satisfies Partial<JetStreamSpoolOptions>;

async function ids(spool: Spool): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for await (const { reference } of spool.replay()) found.add(reference.id);
  return found;
}

/** Appends, and remembers what was promised and how long the longest answer took. */
class Sender {
  readonly spool: SharedSpool;
  readonly accepted: Reference[] = [];
  refusals = 0;
  longestMs = 0;

  constructor(spool: SharedSpool) {
    this.spool = spool;
  }

  async send(): Promise<boolean> {
    const startMs = performance.now();
    const result = await this.spool.append(testEnvelope({ sizeBytes: 2_000 }), [Buffer.alloc(2_000, 'x')]);
    this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
    if ('refused' in result) this.refusals++;
    else this.accepted.push(result);
    return !('refused' in result);
  }

  async sendSome(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) await this.send();
  }

  /** Ids that were promised and are not there, as the process sees it and as the next one would. */
  async lost(servers: readonly string[]): Promise<readonly string[]> {
    const again = await openFollowed(testSpoolOptions(servers, PREFIX, REPLICATED));
    const found = await ids(again);
    await again.close();
    return this.accepted.map(({ id }) => id).filter((id) => !found.has(id));
  }
}

async function cluster(context: TestContext): Promise<{ nodes: readonly NatsServer[]; sender: Sender }> {
  const nodes = await startNatsCluster();
  closeAfter(context, () => Promise.all(nodes.map((node) => node.close())));
  const spool = await openFollowed(
    testSpoolOptions(
      nodes.map(({ url }) => url),
      PREFIX,
      REPLICATED,
    ),
  );
  closeAfter(context, () => spool.close());
  return { nodes, sender: new Sender(spool) };
}

test('leaders of streams move while mail comes and goes: nothing that got its 250 is lost, every client is answered', {
  skip,
  timeout: 120_000,
}, async (context) => {
  const { nodes, sender } = await cluster(context);
  const urls = nodes.map(({ url }) => url);
  const asker = await connect({ servers: urls });
  closeAfter(context, () => asker.close());
  const streams = [`${PREFIX}-spool-0`, `${PREFIX}-spool-1`, `${PREFIX}-journal`, `${PREFIX}-defer`];
  let moves = 0;
  const done = new Set<string>();
  for (const stream of [...streams, ...streams]) {
    const sending = Promise.all(Array.from({ length: 8 }, () => sender.sendSome(25)));
    const answer = await asker.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, '', { timeout: 5_000 });
    if (answer.json<{ success?: boolean }>().success === true) moves++;
    await sending;
    const [first] = sender.accepted.filter(({ id }) => !done.has(id));
    if (first === undefined) continue;
    done.add(first.id);
    assert.deepEqual(await sender.spool.record([{ kind: 'done', reference: first, group: 0 }]), {
      mismatched: 0,
    });
  }
  await until('mail is accepted', () => sender.send(), Boolean, 20_000);
  assert.equal(moves, 2 * streams.length);
  assert.ok(sender.longestMs <= ANSWER_WITHIN_MS, `an answer took ${Math.round(sender.longestMs)} ms`);
  assert.deepEqual(
    (await sender.lost(urls)).filter((id) => !done.has(id)),
    [],
  );
  context.diagnostic(
    `${moves} moves, ${sender.accepted.length} accepted, ${sender.refusals} refused, longest answer ${Math.round(sender.longestMs)} ms`,
  );
});

test('a cluster without a majority can only be read: clients are refused in time, and it goes on by itself; a server that lost its disk takes nothing with it', {
  skip,
  timeout: 120_000,
}, async (context) => {
  const { nodes, sender } = await cluster(context);
  const urls = nodes.map(({ url }) => url);
  const [first, second, third] = nodes;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  await sender.sendSome(100);
  const [kept] = sender.accepted;
  assert.ok(kept);
  await Promise.all([first.kill('SIGKILL'), second.kill('SIGKILL')]);
  assert.equal(await sender.send(), false, 'nothing is promised that one server alone has');
  let recorded = false;
  const recording = sender.spool.record([{ kind: 'done', reference: kept, group: 0 }]).then(() => {
    recorded = true;
  });
  assert.equal(await sender.send(), false);
  assert.equal(recorded, false, 'an outcome that one server alone has is not durable');
  await Promise.all([first.start(), second.start()]);
  await until('mail is accepted with a majority', () => sender.send(), Boolean, 40_000);
  await recording;

  await sender.sendSome(100);
  // Its disk is gone with it, and it comes back empty.
  await first.close();
  await until('mail is accepted with two', () => sender.send(), Boolean, 40_000);
  await first.start();
  const monitor = await connect({ servers: urls });
  closeAfter(context, () => monitor.close());
  await until(
    'it has caught up',
    async () => {
      // While it has no leader nobody answers.
      const answer = await monitor
        .request(`$JS.API.STREAM.INFO.${PREFIX}-spool-0`, '', { timeout: 2_000 })
        .catch(() => undefined);
      return answer?.json<{ cluster?: { replicas?: { current: boolean; offline?: boolean }[] } }>().cluster
        ?.replicas;
    },
    (replicas) => replicas?.length === 2 && replicas.every(({ current, offline }) => current && !offline),
    40_000,
  );
  assert.ok(sender.longestMs <= ANSWER_WITHIN_MS, `an answer took ${Math.round(sender.longestMs)} ms`);
  assert.deepEqual(await sender.lost(urls), [kept.id], 'only what is done is gone');
});

test('a store that was rolled back is read again: what it lost is not believed to be there, and nothing that took its place is touched', {
  skip,
  timeout: 90_000,
}, async (context) => {
  const nats = await startNats();
  closeAfter(context, () => nats.close());
  const gone: number[] = [];
  const spool = await openFollowed(testSpoolOptions([nats.url], PREFIX), {
    onGone: (parts) => gone.push(...parts),
  });
  closeAfter(context, () => spool.close());
  const sender = new Sender(spool);
  await sender.sendSome(10);
  const before = sender.accepted.slice();
  const copy = `${nats.directory}-before`;
  closeAfter(context, () => rmSync(copy, { recursive: true, force: true }));
  await nats.kill('SIGTERM');
  cpSync(nats.directory, copy, { recursive: true });
  await nats.start();
  await until('mail is accepted', () => sender.send(), Boolean, 20_000);
  await sender.sendSome(20);
  const [first] = before;
  assert.ok(first);
  await spool.record([{ kind: 'done', reference: first, group: 0 }]);
  const after = sender.accepted.slice(before.length);

  await nats.kill('SIGKILL');
  rmSync(nats.directory, { recursive: true });
  cpSync(copy, nats.directory, { recursive: true });
  await nats.start();
  await until(
    'the segment is given up',
    () => gone.length,
    (count) => count > 0,
    30_000,
  );
  await until('mail is accepted again', () => sender.send(), Boolean, 30_000);
  await sender.sendSome(20);
  const newest = sender.accepted.slice(before.length + after.length);
  // In the places of what is lost new mail lies by now.
  assert.ok(newest.some(({ sequence }) => after.some((lost) => lost.sequence === sequence)));
  for (const reference of after) assert.equal(await spool.read(reference), undefined);
  await spool.record(after.map((reference) => ({ kind: 'done', reference, group: 0 })));
  const expected = new Set([...before, ...newest].map(({ id }) => id));
  assert.deepEqual(await ids(spool), expected);
  for (const { id, ...rest } of newest) assert.ok(await spool.read({ id, ...rest }), id);
});
