import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { JetStreamSpoolOptions, Spool, StoredMessage } from '@sluice/mta/spool';
import { openFollowed, testSpoolOptions } from '../harness/jetstream-opener.ts';
import { closeAfter } from '../harness/last-first.ts';
import { skipWithoutNats, startNats } from '../harness/nats-server.ts';
import { testEnvelope } from '../harness/test-mail.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats('mail that waits leaves SPOOL for DEFER; journals stay short');
const PREFIX = 'mail';
/** Of a segment, that DEFER may keep. */
const MIN_HOLES = 64;

interface Opened {
  readonly url: string;
  open(changes?: Partial<JetStreamSpoolOptions>): Promise<Spool>;
  /** Messages in a stream. */
  count(stream: 'spool-0' | 'defer' | 'journal'): Promise<number>;
}

async function start(context: TestContext): Promise<Opened> {
  const nats = await startNats();
  closeAfter(context, () => nats.close());
  const connection = await connect({ servers: nats.url });
  closeAfter(context, () => connection.close());
  const manager = await jetstreamManager(connection);
  return {
    url: nats.url,
    async open(changes = {}) {
      const spool = await openFollowed(testSpoolOptions([nats.url], PREFIX, changes));
      closeAfter(context, () => spool.close());
      return spool;
    },
    count: async (stream) => (await manager.streams.info(`${PREFIX}-${stream}`)).state.messages,
  };
}

async function replayed(spool: Spool): Promise<readonly StoredMessage[]> {
  const messages: StoredMessage[] = [];
  for await (const message of spool.replay()) messages.push(message);
  return messages;
}

test('mail that waits leaves SPOOL, keeps its attempts and its body, and is found again after a restart', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const { open, count } = await start(context);
  const spool = await open({ moveAfterMs: 0 });
  const sizes = [100, 20_000, 6_000_000];
  const references = [];
  for (const sizeBytes of sizes) {
    const reference = await spool.append(testEnvelope({ sizeBytes }), [Buffer.alloc(sizeBytes, 'x')]);
    assert.ok(!('refused' in reference), JSON.stringify(reference));
    references.push(reference);
  }
  const state = { pending: [0], attempts: 2, nextAttemptAtMs: 1_790_000_000_000, lastSource: 'ip-1' };
  for (const reference of references) {
    const result = await spool.record([{ kind: 'deferred', reference, group: 0, state }]);
    assert.deepEqual(result, { mismatched: 0 });
  }
  // Six parts and the envelopes; in SPOOL only the marker, or what the next message needs, is left.
  await until(
    'everything lies in DEFER',
    () => count('defer'),
    (messages) => messages >= 9,
    20_000,
  );
  await until(
    'SPOOL is empty',
    () => count('spool-0'),
    (messages) => messages <= 1,
    20_000,
  );
  for (const [index, reference] of references.entries()) {
    const read = await spool.read(reference);
    assert.equal(
      Buffer.concat(read?.body ?? []).length,
      sizes[index],
      'the queue still finds it under its old name',
    );
  }
  const [first] = references;
  assert.ok(first);
  assert.deepEqual(await spool.record([{ kind: 'done', reference: first, group: 0 }]), { mismatched: 0 });
  await spool.close();

  const again = await open({ moveAfterMs: 3_600_000 });
  const messages = await replayed(again);
  assert.deepEqual(
    messages.map(({ reference }) => reference.id),
    references.slice(1).map(({ id }) => id),
  );
  for (const { live, reference } of messages) {
    assert.deepEqual(live, new Map([[0, state]]));
    assert.ok(await again.read(reference));
  }
  const outcomes = messages.map(({ reference }) => ({ kind: 'done' as const, reference, group: 0 }));
  assert.deepEqual(await again.record(outcomes), { mismatched: 0 });
  await until(
    'DEFER is empty',
    () => count('defer'),
    (left) => left <= 1,
    20_000,
  );
  assert.equal(again.usage().messages, 0);
});

test('one message that waits does not keep the room of all that came and went behind it in DEFER', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const { open, count } = await start(context);
  const spool = await open({ moveAfterMs: 0, lookAtDeferEveryMs: 300 });
  const body = Buffer.alloc(2_500_000, 'x');
  // Large, so that its parts must be copied with it, and are not taken for what is over.
  const waits = await spool.append(testEnvelope({ sizeBytes: body.length }), [body]);
  assert.ok(!('refused' in waits));
  const state = { pending: [0], attempts: 1, nextAttemptAtMs: 1_790_000_000_000, lastSource: '' };
  await spool.record([{ kind: 'deferred', reference: waits, group: 0, state }]);
  const references = await Promise.all(
    Array.from({ length: 250 }, () => spool.append(testEnvelope(), [Buffer.from('x')])),
  );
  await until(
    'they lie in DEFER',
    () => count('spool-0'),
    (left) => left <= 1,
    20_000,
  );
  assert.ok((await count('defer')) > references.length);
  const outcomes = references.flatMap((reference) =>
    'refused' in reference ? [] : [{ kind: 'done' as const, reference, group: 0 }],
  );
  await spool.record(outcomes);
  await until(
    'what is over has left DEFER',
    () => count('defer'),
    (left) => left <= MIN_HOLES + 8,
    20_000,
  );
  const read = await spool.read(waits);
  assert.equal(Buffer.concat(read?.body ?? []).length, body.length, 'it is there, under its old name');
  await spool.close();
  const again = await open({ moveAfterMs: 3_600_000 });
  const [survivor, ...others] = await replayed(again);
  assert.deepEqual(others, []);
  assert.deepEqual([survivor?.reference.id, survivor?.live], [waits.id, new Map([[0, state]])]);
});

test('a journal does not grow with the mail that has passed', { skip, timeout: 60_000 }, async (context) => {
  const { open, count } = await start(context);
  const spool = await open({ maxJournalBatches: 20 });
  const waits = await spool.append(testEnvelope(), [Buffer.from('x')]);
  assert.ok(!('refused' in waits));
  const state = { pending: [0], attempts: 1, nextAttemptAtMs: 1_790_000_000_000, lastSource: '' };
  await spool.record([{ kind: 'deferred', reference: waits, group: 0, state }]);
  for (let round = 0; round < 120; round++) {
    const reference = await spool.append(testEnvelope(), [Buffer.from('x')]);
    assert.ok(!('refused' in reference));
    await spool.record([{ kind: 'done', reference, group: 0 }]);
  }
  // One old message holds SPOOL up; when it has left, everything of before can be purged.
  await spool.record([{ kind: 'done', reference: waits, group: 0 }]);
  await until(
    'the journal is short',
    async () => {
      const reference = await spool.append(testEnvelope(), [Buffer.from('x')]);
      assert.ok(!('refused' in reference));
      await spool.record([{ kind: 'done', reference, group: 0 }]);
      return count('journal');
    },
    (batches) => batches <= 30,
    40_000,
  );
  assert.deepEqual(await replayed(spool), []);
});
