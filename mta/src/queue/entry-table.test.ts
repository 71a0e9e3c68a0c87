import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EntryTable, FREE, NONE, READY } from './entry-table.ts';
import { sampleEntry } from './sample.ts';

test('every field comes back as it was given, so no message is taken for another', () => {
  const field = fc.record({
    sequence: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    idCheck: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    group: fc.nat(),
    attempts: fc.nat(65_535),
    recipients: fc.nat(),
    sizeBytes: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  });
  fc.assert(
    fc.property(field, fc.nat(2 ** 29 - 1), fc.nat(), (fields, unit, tick) => {
      const table = new EntryTable();
      const entry = table.add(sampleEntry(fields), tick, tick, tick, unit);
      table.setState(entry, READY);
      assert.deepEqual(
        {
          sequence: table.sequence(entry),
          idCheck: table.idCheck(entry),
          group: table.group(entry),
          attempts: table.attempts(entry),
          recipients: table.recipients(entry),
          sizeBytes: table.sizeBytes(entry),
        },
        { ...fields },
      );
      assert.equal(table.unit(entry), unit);
      assert.equal(table.state(entry), READY);
      table.setAttempts(entry, 7);
      assert.equal(table.sequence(entry), fields.sequence);
      assert.equal(table.attempts(entry), 7);
    }),
    { numRuns: 100 },
  );
});

test('slots are used again, so a queue that drains does not grow', () => {
  const table = new EntryTable();
  const entries = Array.from({ length: 70_000 }, () => table.add(sampleEntry(), 0, 0, 0, 1));
  const full = table.bytes;
  for (const entry of entries) table.free(entry);
  const again = new Set(entries.map(() => table.add(sampleEntry(), 0, 0, 0, 1)));
  assert.equal(table.bytes, full);
  assert.deepEqual([...again].sort(), [...entries].sort());
  assert.ok(!again.has(NONE));
});

test('a number that names no entry is free, and a sequence that does not fit is refused', () => {
  const table = new EntryTable();
  assert.equal(table.state(1), FREE);
  assert.throws(() => table.add(sampleEntry({ sequence: 2 ** 48 }), 0, 0, 0, 0), RangeError);
});
