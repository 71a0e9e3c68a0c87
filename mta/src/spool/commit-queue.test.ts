import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as check, integer, property, tuple } from 'fast-check';
import { CommitQueue } from './commit-queue.ts';
import { bodyOf, envelopeOf } from './contract.fixture.ts';
import { MAX_BATCH_BYTES, PART_BYTES } from './sqlite-batch.ts';

const ignore = (): void => undefined;

test('whatever the sizes and pieces, every body reaches the store whole, in order, in batches of bounded size', () => {
  const message = tuple(
    integer({ min: 0, max: 3 }).chain((parts) =>
      integer({ min: Math.max(0, parts * PART_BYTES - 2), max: parts * PART_BYTES + 2 }),
    ),
    integer({ min: 1, max: 3_000_000 }).map((pieceBytes) => Math.max(50_000, pieceBytes)),
  );
  check(
    property(array(message, { minLength: 1, maxLength: 8 }), (messages) => {
      const queue = new CommitQueue();
      const bodies = messages.map(([sizeBytes, pieceBytes], index) => bodyOf(index, sizeBytes, pieceBytes));
      for (const [index, body] of bodies.entries()) queue.addAppend(index, envelopeOf(), body, 0, ignore);
      const received = bodies.map((): Uint8Array[] => []);
      const complete: number[] = [];
      while (!queue.isEmpty) {
        const { batch, appends } = queue.next(0);
        const bytes = new Uint8Array(batch.bodies ?? new ArrayBuffer());
        let packed = 0;
        for (const { sequence, offset, length, part } of batch.parts) {
          assert.equal(received[sequence]!.length, part);
          received[sequence]!.push(bytes.slice(offset, offset + length));
          packed += length;
        }
        for (const { sequence, offset, length, parts } of batch.appends) {
          assert.equal(received[sequence]!.length, parts);
          received[sequence]!.push(bytes.slice(offset, offset + length));
          packed += length;
          complete.push(sequence);
        }
        assert.deepEqual(
          appends.map(({ sequence }) => sequence),
          batch.appends.map(({ sequence }) => sequence),
        );
        assert.ok(packed <= MAX_BATCH_BYTES && batch.parts.length + batch.appends.length > 0);
        queue.giveBack(batch.bodies);
      }
      assert.deepEqual(complete, [...bodies.keys()]);
      for (const [index, body] of bodies.entries()) {
        assert.ok(Buffer.concat(received[index]!).equals(Buffer.concat(body)), `body ${index}`);
        assert.ok(received[index]!.every((piece) => piece.length <= PART_BYTES));
      }
    }),
    { numRuns: 15, seed: 20261124 },
  );
});

test('a message that is given up after its first piece is withdrawn, and holds nobody up', () => {
  const queue = new CommitQueue();
  const large = envelopeOf();
  queue.addAppend(1, large, bodyOf(1, MAX_BATCH_BYTES + 10, 1_000_000), 0, ignore);
  queue.addAppend(2, envelopeOf(), bodyOf(2, 10), 0, ignore);
  const { unfinished, appends } = queue.next(0);
  assert.equal(unfinished?.sequence, 1);
  assert.deepEqual(appends, []);
  queue.dropFirst();
  assert.ok(queue.isWithdrawn({ sequence: 1, id: large.id }));
  const { batch } = queue.next(0);
  assert.deepEqual(batch.withdrawn, [{ sequence: 1, id: large.id }]);
  assert.deepEqual(
    batch.appends.map(({ sequence }) => sequence),
    [2],
  );
  assert.ok(!queue.isEmpty, 'until the store says that it is deleted');
  queue.forgetWithdrawn(batch.withdrawn);
  assert.ok(queue.isEmpty);
});

test('a read does not make a commit of the outcomes that still gather, and takes none of them with it', () => {
  const queue = new CommitQueue();
  const reference = { sequence: 1, id: envelopeOf().id };
  queue.addRecord([{ kind: 'done', reference, group: 0 }], ignore, ignore);
  queue.addRead({ reference, resolve: ignore, reject: ignore });
  assert.deepEqual([queue.hasReads, queue.hasChanges], [true, false]);
  const first = queue.next(0, false).batch;
  assert.deepEqual([first.reads, first.outcomes.sequences], [[reference], []]);
  assert.deepEqual([queue.outcomes, queue.isEmpty], [1, false]);
  const second = queue.next(0).batch;
  assert.deepEqual(second.outcomes, { sequences: [1], ids: [reference.id], groups: [0], states: [''] });
  assert.ok(queue.isEmpty);
});
