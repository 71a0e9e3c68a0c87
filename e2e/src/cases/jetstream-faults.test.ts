import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { SluiceError } from '@sluice/crds';
import type { JetStreamSpoolOptions, Spool } from '@sluice/mta/spool';
import { openFollowed, testSpoolOptions } from '../harness/jetstream-opener.ts';
import { closeAfter } from '../harness/last-first.ts';
import {
  type NatsOptions,
  type NatsServer,
  skipWithoutNats,
  startNats,
  startNatsCluster,
} from '../harness/nats-server.ts';
import { fillSpool, testEnvelope } from '../harness/test-mail.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats('full, missing, wrong and lost streams; nodes of a cluster that die');
const PREFIX = 'mail';
const MIB = 2 ** 20;

async function started(context: TestContext, options: NatsOptions = {}): Promise<NatsServer> {
  const nats = await startNats(options);
  closeAfter(context, () => nats.close());
  return nats;
}

async function opened(
  context: TestContext,
  servers: readonly string[],
  changes: Partial<JetStreamSpoolOptions> = {},
): Promise<Spool> {
  const spool = await openFollowed(testSpoolOptions(servers, PREFIX, changes));
  closeAfter(context, () => spool.close());
  return spool;
}

/** One request to the JetStream API, as the nats command line makes it. */
async function api(url: string, subject: string, request: unknown = {}): Promise<unknown> {
  const connection = await connect({ servers: url });
  const answer = await connection.request(`$JS.API.${subject}`, JSON.stringify(request), { timeout: 5_000 });
  await connection.close();
  return answer.json();
}

async function ids(spool: Spool): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { reference } of spool.replay()) found.push(reference.id);
  return found;
}

test('a full SPOOL refuses mail as full, still takes outcomes, and has room again when mail has left', {
  skip,
}, async (context) => {
  const nats = await started(context);
  const spool = await opened(context, [nats.url], { maxBytes: 8 * MIB });
  const { stored, refused, reason } = await fillSpool(spool, 100_000, 1_000);
  assert.equal(refused, 'full');
  assert.match(reason, /max_bytes/);
  assert.ok(stored.length > 20, `${stored.length} fitted`);
  const outcomes = stored.map((reference) => ({ kind: 'done' as const, reference, group: 0 }));
  assert.deepEqual(await spool.record(outcomes), { mismatched: 0 });
  await until(
    'there is room again',
    async () => (await fillSpool(spool, 100_000, 1)).refused,
    (again) => again === '',
    10_000,
  );
});

test('a server without room for the streams is told before any mail is taken', { skip }, async (context) => {
  const nats = await started(context, { maxStoreBytes: 16 * MIB });
  await assert.rejects(
    openFollowed(testSpoolOptions([nats.url], PREFIX)),
    (error: unknown) => error instanceof SluiceError && /max_file_store/.test(error.cure),
  );
});

test('streams that would lose mail are named with what to change', { skip }, async (context) => {
  const nats = await started(context);
  await (await openFollowed(testSpoolOptions([nats.url], PREFIX))).close();
  const info = await api(nats.url, `STREAM.INFO.${PREFIX}-spool-0`);
  const config = (info as { readonly config: Readonly<Record<string, unknown>> }).config;
  for (const [change, field] of [
    [{ discard: 'old' }, 'discard'],
    [{ max_age: 3_600_000_000_000 }, 'max_age'],
    [{ max_bytes: -1 }, 'max_bytes'],
  ] as const) {
    await api(nats.url, `STREAM.UPDATE.${PREFIX}-spool-0`, { ...config, ...change });
    await assert.rejects(openFollowed(testSpoolOptions([nats.url], PREFIX)), (error: unknown) => {
      assert.ok(error instanceof SluiceError);
      assert.equal(error.code, 'SLUICE_NATS_STREAM');
      assert.match(error.message, new RegExp(`${PREFIX}-spool-0 has ${field} `));
      assert.match(error.cure, /nats stream edit/);
      return true;
    });
  }
  await api(nats.url, `STREAM.UPDATE.${PREFIX}-spool-0`, config);
  await assert.rejects(
    openFollowed(testSpoolOptions([nats.url], PREFIX, { spoolStreams: 2 })),
    (error: unknown) => error instanceof SluiceError && /spoolStreams/.test(error.cure),
  );
});

test('a deleted stream refuses mail, and nothing is acked that is not stored', { skip }, async (context) => {
  const nats = await started(context);
  const spool = await opened(context, [nats.url]);
  assert.equal((await fillSpool(spool, 100, 1)).stored.length, 1);
  await api(nats.url, `STREAM.DELETE.${PREFIX}-spool-0`);
  const { refused, stored } = await fillSpool(spool, 100, 5);
  assert.equal(stored.length, 0);
  assert.equal(refused, 'unavailable');
});

test('a second process on the same segments fences the first one off: it neither stores nor records any more', {
  skip,
}, async (context) => {
  const nats = await started(context);
  const first = await opened(context, [nats.url]);
  const kept = (await fillSpool(first, 100, 3)).stored;
  const second = await opened(context, [nats.url]);
  assert.deepEqual(
    await ids(second),
    kept.map(({ id }) => id),
  );
  const [reference] = kept;
  assert.ok(reference);
  // Resolves, so that the pod goes on; what becomes of the message is the second one's to say.
  await first.record([{ kind: 'done', reference, group: 0 }]);
  assert.equal((await fillSpool(first, 100, 1)).refused, 'unavailable');
  assert.equal((await ids(second)).length, 3);
  assert.deepEqual(await second.record([{ kind: 'done', reference, group: 0 }]), { mismatched: 0 });
});

test('nodes of three die, one after the other and all at once: nothing that got its 250 is lost', {
  skip,
  timeout: 180_000,
}, async (context) => {
  const nodes = await startNatsCluster();
  closeAfter(context, () => Promise.all(nodes.map((node) => node.close())));
  const urls = nodes.map(({ url }) => url);
  const spool = await opened(context, urls, {
    durability: 'Replicated',
    spoolStreams: 2,
    openSegments: 2,
    ringSegments: 2,
  });
  const accepted: string[] = [];
  const body = [Buffer.alloc(2_000, 'x')];
  let longestMs = 0;
  const append = async (): Promise<boolean> => {
    const startMs = performance.now();
    const result = await spool.append(testEnvelope({ sizeBytes: 2_000 }), body);
    longestMs = Math.max(longestMs, performance.now() - startMs);
    if (!('refused' in result)) accepted.push(result.id);
    return !('refused' in result);
  };
  for (const node of nodes) {
    for (let count = 0; count < 100; count++) await append();
    await node.kill('SIGKILL');
    await until('mail is accepted with two nodes', append, Boolean, 40_000);
    for (let count = 0; count < 100; count++) await append();
    await node.start();
    await until('mail is accepted with three nodes', append, Boolean, 40_000);
  }
  await Promise.all(nodes.map((node) => node.kill('SIGKILL')));
  assert.equal(await append(), false);
  await Promise.all(nodes.map((node) => node.start()));
  await until('mail is accepted after all were dead', append, Boolean, 40_000);
  assert.ok(longestMs < 5_300, `an answer took ${Math.round(longestMs)} ms`);
  const again = await opened(context, urls, {
    durability: 'Replicated',
    spoolStreams: 2,
    openSegments: 2,
    ringSegments: 2,
  });
  const found = new Set(await ids(again));
  assert.deepEqual(
    accepted.filter((id) => !found.has(id)),
    [],
    'lost',
  );
  context.diagnostic(`${accepted.length} accepted, longest answer ${Math.round(longestMs)} ms`);
});
