import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../spool/mod.ts';
import { until } from './dispatcher.fixture.ts';
import { MAX_UNJOURNALLED_OUTCOMES, OutcomeJournal } from './outcome-journal.ts';

const outcome = (sequence: number): Outcome => ({
  kind: 'done',
  reference: { sequence, id: String(sequence) },
  group: 0,
});

/** A store that records when it is let. */
class GatedStore {
  failing = false;
  readonly batches: (readonly Outcome[])[] = [];
  #let: (() => void) | undefined;
  gated = false;
  /** What the journal is told of the events. */
  events: Promise<void> | undefined;

  async record(outcomes: readonly Outcome[]): Promise<{ readonly mismatched: number }> {
    if (this.gated)
      await new Promise<void>((resolve) => {
        this.#let = resolve;
      });
    if (this.failing) throw new Error('disk full');
    this.batches.push(outcomes);
    return { mismatched: 0 };
  }

  release(): void {
    this.gated = false;
    this.#let?.();
  }
}

function journalOf(store: GatedStore) {
  const told = { room: 0, errors: 0, faults: 0 };
  const journal = new OutcomeJournal(
    store,
    {
      eventsStored: () => store.events,
      onRoom: () => told.room++,
      onError: () => told.errors++,
      onFault: () => told.faults++,
      onMismatch: () => {},
    },
    1,
  );
  return { journal, told };
}

test('a store that fails for a while loses no outcome, keeps their order, and no event goes out before it works', async () => {
  const store = new GatedStore();
  store.failing = true;
  const { journal, told } = journalOf(store);
  const events: number[] = [];
  journal.add(outcome(1), () => events.push(1));
  await until('it failed twice', () => told.errors >= 2);
  journal.add(outcome(2), () => events.push(2));
  assert.deepEqual(events, []);
  store.failing = false;
  await journal.drained();
  assert.deepEqual(
    store.batches.flat().map(({ reference }) => reference.sequence),
    [1, 2],
  );
  assert.deepEqual(events, [1, 2]);
});

test('more outcomes than W that are not durable stop new transactions, and lanes are told when there is room: the bound on duplicates', async () => {
  const store = new GatedStore();
  store.gated = true;
  const { journal, told } = journalOf(store);
  for (let sequence = 1; sequence <= MAX_UNJOURNALLED_OUTCOMES; sequence++) journal.add(outcome(sequence));
  assert.equal(journal.full, false);
  journal.add(outcome(MAX_UNJOURNALLED_OUTCOMES + 1));
  assert.equal(journal.full, true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(told.room, 0);
  store.release();
  await journal.drained();
  assert.equal(journal.full, false);
  assert.equal(told.room, 1);
});

test('an event that cannot be told stops neither the other events nor the outcomes after it', async () => {
  const store = new GatedStore();
  const { journal, told } = journalOf(store);
  let second = false;
  journal.add(outcome(1), () => {
    throw new Error('bug');
  });
  journal.add(outcome(2), () => {
    second = true;
  });
  await journal.drained();
  journal.add(outcome(3));
  await journal.drained();
  assert.equal(told.faults, 1);
  assert.ok(second);
  assert.equal(store.batches.flat().length, 3);
});

test('an outcome is recorded only after its event is stored, or a crash between the two would lose the event', async () => {
  const store = new GatedStore();
  const { journal } = journalOf(store);
  const { promise, resolve } = Promise.withResolvers<void>();
  store.events = promise;
  journal.add(outcome(1));
  await new Promise((done) => setImmediate(() => setImmediate(done)));
  assert.deepEqual(store.batches, []);
  assert.equal(journal.unjournalled, 1, 'it counts as not recorded: transactions stop at W');
  resolve();
  await journal.drained();
  assert.equal(store.batches.flat().length, 1);
});

test('a drained process records nothing whose event could not be stored', async () => {
  const store = new GatedStore();
  const { journal } = journalOf(store);
  const { promise, resolve } = Promise.withResolvers<void>();
  store.events = promise;
  journal.add(outcome(1));
  await new Promise((done) => setImmediate(() => setImmediate(done)));
  journal.close();
  resolve();
  await journal.drained();
  assert.deepEqual(store.batches, []);
});

test('a store that is gone for good does not keep a drained process alive', async () => {
  const store = new GatedStore();
  store.failing = true;
  const { journal } = journalOf(store);
  let told = false;
  journal.add(outcome(1), () => {
    told = true;
  });
  journal.close();
  await journal.drained();
  assert.ok(!told, 'what is not durable is not reported as final');
  journal.add(outcome(2));
  assert.equal(journal.unjournalled, 0);
});

test('who waits until what there is is durable does not wait for ever on a busy pod: returned mail and reports would', async () => {
  const store = new GatedStore();
  const { journal } = journalOf(store);
  let busy = true;
  let sequence = 0;
  const next = (): void => {
    if (busy) journal.add(outcome(++sequence), next);
  };
  next();
  journal.add(outcome(++sequence), next);
  await journal.drained();
  await journal.drained();
  busy = false;
  assert.ok(store.batches.length >= 2);
  await journal.drained();
  assert.equal(store.batches.flat().length, sequence);
});
