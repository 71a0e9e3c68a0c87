import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { newMessageId } from '../message-id.ts';
import { NO_ROW, PlaceTable, ROW_BYTES } from './place-table.ts';

const far = 2 ** 39 - 5_000;

describe('the table of places', () => {
  test('finds every place that is there, in order, and none that left, whatever came and went', () => {
    const step = fc.record({ add: fc.integer({ min: 0, max: 9 }), at: fc.nat(4_000), near: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 3_000, maxLength: 6_000 }), fc.boolean(), (steps, high) => {
        const base = high ? far : 1;
        const table = new PlaceTable();
        const model = new Map<number, string>();
        let tail = base;
        for (const { add, at, near } of steps) {
          const sequence = near ? tail++ : base + at;
          if (add > 2) {
            const id = newMessageId(1_000);
            const row = table.add(sequence, id);
            table.setFlags(row, at & 0xff);
            table.setNumber(row, sequence * 3);
            model.set(sequence, id);
          } else {
            const row = table.find(sequence - 50);
            assert.equal(row !== NO_ROW, model.has(sequence - 50));
            if (row !== NO_ROW) table.remove(row);
            model.delete(sequence - 50);
          }
        }
        assert.equal(table.size, model.size);
        const seen: number[] = [];
        table.first((row) => {
          seen.push(table.sequence(row));
          return false;
        });
        assert.deepEqual(
          seen,
          [...model.keys()].toSorted((a, b) => a - b),
        );
        for (const [sequence, id] of model) {
          const row = table.find(sequence);
          assert.equal(table.id(row), id);
          assert.ok(table.isId(row, id));
          assert.equal(table.number(row), sequence * 3);
        }
      }),
      { numRuns: 10, endOnFailure: true },
    );
  });

  test('rows that come nearly in order, as a journal names them, leave no chunk half empty: an index of millions would take twice its memory', () => {
    const rows = 50_000;
    for (const late of [4, 50, 500]) {
      const table = new PlaceTable();
      const id = newMessageId(1);
      // Each comes up to so many places late.
      const order = Array.from(
        { length: rows },
        (_, number) => [number + ((number * 7_919) % late), number + 1] as const,
      );
      for (const [, sequence] of order.toSorted(([a], [b]) => a - b)) table.add(sequence, id);
      assert.ok(
        table.bytes < 1.15 * rows * ROW_BYTES,
        `${Math.round(table.bytes / rows)} bytes a row, ${late} late`,
      );
    }
  });

  test('memory follows what is there: a day of mail that came and went leaves nothing behind', () => {
    const table = new PlaceTable();
    for (let sequence = 1; sequence <= 300_000; sequence++) {
      table.add(sequence, newMessageId(sequence));
      if (sequence > 1_000) table.remove(table.find(sequence - 1_000));
    }
    assert.equal(table.size, 1_000);
    assert.ok(table.bytes < 400_000, `${table.bytes} bytes`);
  });
});
