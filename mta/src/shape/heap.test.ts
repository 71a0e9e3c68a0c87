import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Heap } from './heap.ts';

interface Item {
  readonly rank: number;
}

test('who is first in line is always the one with the best rank, whoever joined or left before', () => {
  const step = fc.record({ rank: fc.integer({ min: 0, max: 20 }), remove: fc.nat(30), shift: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const heap = new Heap<Item>((one, other) => one.rank < other.rank);
      let model: Item[] = [];
      for (const { rank, remove, shift } of steps) {
        const item = { rank };
        heap.push(item);
        model.push(item);
        const removed = model[remove];
        if (removed !== undefined) {
          assert.equal(heap.delete(removed), true);
          assert.equal(heap.delete(removed), false);
          model = model.filter((each) => each !== removed);
        }
        if (shift) {
          const first = heap.shift();
          model = model.filter((each) => each !== first);
        }
        assert.equal(heap.size, model.length);
        assert.equal(
          heap.first?.rank,
          model.length === 0 ? undefined : Math.min(...model.map((each) => each.rank)),
        );
      }
      const rest: number[] = [];
      for (let next = heap.shift(); next !== undefined; next = heap.shift()) rest.push(next.rank);
      assert.deepEqual(
        rest,
        model.map((each) => each.rank).sort((one, other) => one - other),
      );
    }),
  );
});
