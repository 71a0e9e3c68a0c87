import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventType } from './event.ts';
import { type EventBatch, EventStream, MAX_IN_FLIGHT, type StoreResult } from './event-stream.ts';
import { storeResult } from './open-event-stream.ts';

/** A stream on NATS that answers when it is let. */
class GatedStream {
  readonly sent: EventBatch[] = [];
  readonly #answers: ((result: StoreResult) => void)[] = [];

  readonly store = (batch: EventBatch): Promise<StoreResult> => {
    this.sent.push(batch);
    return new Promise((resolve) => this.#answers.push(resolve));
  };

  /** Answers the oldest open question. */
  answer(result: StoreResult = { kind: 'stored' }): void {
    this.#answers.shift()?.(result);
  }

  get open(): number {
    return this.#answers.length;
  }

  lines(type: EventType): string {
    return this.sent
      .filter((batch) => batch.type === type)
      .map(({ payload }) => payload.toString())
      .join('');
  }
}

function streamTo(
  store: GatedStream,
  options: { guarantee?: 'Complete' | 'BestEffort'; maxBatchBytes?: number; maxWaitingBytes?: number } = {},
) {
  const told: (string | undefined)[] = [];
  const stream = new EventStream({
    guarantee: 'Complete',
    ...options,
    store: store.store,
    onState: (reason) => told.push(reason),
  });
  return { stream, told };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const untilMs = performance.now() + 3_000;
  while (!condition()) {
    if (performance.now() > untilMs) assert.fail(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test('the journal waits for terminal events only: what may be missing holds up no outcome', async () => {
  const store = new GatedStream();
  const { stream } = streamTo(store);
  assert.equal(stream.stored(), undefined, 'nothing was told yet');
  stream.add('accepted', 'a\n');
  assert.equal(stream.stored(), undefined);
  stream.add('delivered', 'd1\n');
  stream.add('delivered', 'd2\n');
  stream.add('bounced', 'b\n');
  let durable = false;
  const stored = stream.stored()?.then(() => {
    durable = true;
  });
  assert.deepEqual(
    store.sent.map(({ type, count }) => [type, count]),
    [
      ['delivered', 2],
      ['bounced', 1],
    ],
    'at once, in one message for each type',
  );
  store.answer();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(durable, false, 'one of the two is not stored yet');
  store.answer();
  await stored;
  assert.equal(stream.stored(), undefined);
  assert.equal(store.lines('delivered'), 'd1\nd2\n');
  await until('the other event goes when it is old enough', () => store.lines('accepted') === 'a\n');
  stream.close();
});

test('a batch whose ack was lost is sent again with the same number, so that the server stores it once', async () => {
  const store = new GatedStream();
  const { stream, told } = streamTo(store);
  stream.add('delivered', 'd\n');
  const stored = stream.stored();
  store.answer({ kind: 'again', reason: 'timeout' });
  await until('it is sent again', () => store.sent.length === 2);
  assert.equal(store.sent[0]?.number, store.sent[1]?.number);
  assert.deepEqual(store.sent[0]?.payload, store.sent[1]?.payload);
  assert.equal(stream.trouble, 'timeout');
  store.answer();
  await stored;
  assert.deepEqual(told, ['timeout', undefined], 'told when it begins and when it ends, not each time');
  assert.equal(stream.dropped, 0);
  stream.close();
});

test('while NATS is gone memory is bounded: what may be missing is dropped and counted, terminal events are kept', async () => {
  const store = new GatedStream();
  const { stream } = streamTo(store, { maxBatchBytes: 100, maxWaitingBytes: 1_000 });
  const line = `${'x'.repeat(49)}\n`;
  for (let n = 0; n < 100; n++) stream.add('accepted', line);
  assert.equal(stream.waitingBytes, 1_000);
  assert.equal(stream.dropped, 80);
  for (let n = 0; n < 10; n++) stream.add('delivered', line);
  assert.equal(stream.dropped, 80);
  assert.equal(store.open, MAX_IN_FLIGHT, 'and only so much is under way');
  let durable = false;
  const stored = stream.stored()?.then(() => {
    durable = true;
  });
  while (!durable) {
    store.answer();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await stored;
  assert.equal(store.lines('delivered'), line.repeat(10));
  assert.equal(store.lines('accepted'), line.repeat(20));
  assert.equal(stream.waitingBytes, 0);
  stream.close();
});

test('with BestEffort mail never waits for events', async () => {
  const store = new GatedStream();
  const { stream } = streamTo(store, { guarantee: 'BestEffort', maxWaitingBytes: 10 });
  stream.add('delivered', '12345678\n');
  assert.equal(stream.stored(), undefined);
  stream.add('delivered', '12345678\n');
  assert.equal(stream.dropped, 1);
  stream.close();
  assert.equal(stream.dropped, 2, 'what was given up at the end counts too');
});

test('an event that the server never takes is given up and counted: it must not stop mail for ever', async () => {
  const store = new GatedStream();
  const { stream, told } = streamTo(store);
  stream.add('bounced', 'b\n');
  const stored = stream.stored();
  store.answer({ kind: 'never', reason: 'too large' });
  await stored;
  assert.equal(stream.dropped, 1);
  assert.deepEqual(told, ['too large']);
  stream.close();
});

test('a flush waits for every type, and closing lets nobody wait for ever', async () => {
  const store = new GatedStream();
  const { stream } = streamTo(store);
  stream.add('accepted', 'a\n');
  let flushed = false;
  const flushing = stream.flush().then(() => {
    flushed = true;
  });
  assert.equal(store.sent.length, 1);
  store.answer();
  await flushing;
  assert.ok(flushed);
  stream.add('expired', 'e\n');
  const stored = stream.stored();
  stream.close();
  await stored;
  assert.equal(stream.dropped, 1);
});

test('only an ack with a sequence is one', () => {
  assert.deepEqual(storeResult('{"stream":"s","seq":17}'), { kind: 'stored' });
  assert.deepEqual(storeResult('{"stream":"s","seq":17,"duplicate":true}'), { kind: 'stored' });
  assert.equal(
    storeResult('{"error":{"code":503,"err_code":10008,"description":"no leader"}}').kind,
    'again',
  );
  assert.equal(
    storeResult('{"error":{"code":400,"err_code":10054,"description":"too large"}}').kind,
    'never',
  );
  for (const odd of ['', 'null', '{}', '[]', '{"seq":"1"}'])
    assert.equal(storeResult(odd).kind, 'again', odd);
});
