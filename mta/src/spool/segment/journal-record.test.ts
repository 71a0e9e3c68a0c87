import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { newMessageId } from '../message-id.ts';
import { decodeBatch, encodeBatch, type JournalBatch, type JournalRecord } from './journal-record.ts';
import { placeNumber, placeOf } from './place.ts';

const whole = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const small = fc.nat(200);
const ulid = fc
  .tuple(
    fc.constantFrom(...'01234567'),
    fc.string({
      unit: fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'),
      minLength: 25,
      maxLength: 25,
    }),
  )
  .map(([first, rest]) => first + rest);
const place = fc.record({
  store: fc.constantFrom('spool' as const, 'defer' as const),
  sequence: whole,
  id: ulid,
});
const reply = fc.record({
  code: fc.integer({ min: 200, max: 599 }),
  enhanced: fc.constantFrom('', '4.7.28'),
  text: fc.string({ unit: 'grapheme' }),
  host: fc.string(),
});
const recipients = fc.uniqueArray(fc.nat(5_000)).map((list) => list.toSorted((a, b) => a - b));
const owed = fc.record(
  {
    action: fc.constantFrom('failed' as const, 'delayed' as const, 'relayed' as const),
    recipients,
    reply,
    atMs: whole,
    untilMs: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  },
  { requiredKeys: ['action', 'recipients', 'reply', 'atMs'], noNullPrototype: true },
);
const state = fc.record(
  {
    pending: recipients,
    owed: fc.array(owed, { maxLength: 3 }),
    toldOfDelay: fc.constant(true as const),
    attempts: small,
    nextAttemptAtMs: whole,
    lastSource: fc.string(),
    lastReply: reply,
  },
  { requiredKeys: ['pending', 'attempts', 'nextAttemptAtMs', 'lastSource'], noNullPrototype: true },
);
const groups = fc.uniqueArray(small).map((list) => list.toSorted((a, b) => a - b));
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.constant({ kind: 'fence' as const }),
  fc.record({ kind: fc.constant('inflight' as const), place, group: small, uncleanEnds: small }),
  fc.record({ kind: fc.constant('done' as const), place, group: small }),
  fc.record({ kind: fc.constant('deferred' as const), place, group: small, state }),
  fc.record({ kind: fc.constant('moved' as const), place, toSequence: whole, doneGroups: groups }),
  fc.record({ kind: fc.constant('withdrawn' as const), place }),
  fc.record({ kind: fc.constant('suspected' as const), place, group: small, uncleanEnds: small }),
  fc.record({
    kind: fc.constant('released' as const),
    inflight: fc.array(fc.record({ place, group: small })),
  }),
  fc.record({
    kind: fc.constant('handover' as const),
    epoch: whole,
    session: ulid,
    inflight: fc.array(fc.record({ place, group: small })),
  }),
  fc.record({ kind: fc.constant('settled' as const), epoch: whole }),
);
const batch: fc.Arbitrary<JournalBatch> = fc.record({
  session: ulid,
  epoch: whole,
  number: whole,
  records: fc.array(record),
});

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('journal batches', () => {
  test('what was journalled about a message is read back as it was, whatever it is', () => {
    fc.assert(
      fc.property(batch, (written) => {
        const { bytes, taken } = encodeBatch(written);
        assert.equal(taken, written.records.length);
        assert.deepEqual(plain(decodeBatch(bytes)), plain(written));
      }),
      { numRuns: 300 },
    );
  });

  test('a journal of a newer version stops the reader instead of losing what it does not understand', () => {
    const { bytes } = encodeBatch({ session: newMessageId(1), epoch: 1, number: 1, records: [] });
    bytes[0] = 2;
    const read = decodeBatch(bytes);
    assert.ok('unreadable' in read && read.unreadable === 'version');
    assert.match(read.reason, /version 2, this Sluice reads version 1/);
  });

  test('damaged bytes are refused, never read as something else or with an exception', () => {
    fc.assert(
      fc.property(batch, fc.nat(), fc.nat(255), (written, position, value) => {
        const { bytes } = encodeBatch(written);
        const cut = decodeBatch(bytes.subarray(0, position % bytes.length));
        assert.ok('unreadable' in cut || cut.records.length < written.records.length);
        bytes[position % bytes.length] = value;
        const read = decodeBatch(bytes);
        assert.ok('unreadable' in read || Array.isArray(read.records));
      }),
      { numRuns: 300 },
    );
    assert.ok('unreadable' in decodeBatch(new Uint8Array()));
  });

  test('a batch never exceeds what NATS takes; the rest goes into the next one', () => {
    const id = newMessageId(1);
    const records = Array.from(
      { length: 1_000 },
      (_, index): JournalRecord => ({
        kind: 'done',
        place: { store: 'spool', sequence: 1_000_000 + index, id },
        group: 0,
      }),
    );
    const { bytes, taken } = encodeBatch({ session: id, epoch: 7, number: 1, records }, 10_000);
    assert.ok(bytes.length <= 10_000 && taken > 400 && taken < 500, `${taken} records`);
    const read = decodeBatch(bytes);
    assert.ok('records' in read && read.records.length === taken);
    assert.ok(bytes.length / taken < 22, 'a done outcome takes 21 bytes');
    assert.throws(() => encodeBatch({ session: id, epoch: 7, number: 1, records }, 30), RangeError);
  });

  test('a place of any segment is one number of 48 bits and back', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.boolean(), fc.nat(2 ** 39 - 1), (segment, deferred, sequence) => {
        const store = deferred ? 'defer' : 'spool';
        const number = placeNumber(segment, store, sequence);
        assert.ok(number < 2 ** 48);
        assert.deepEqual(placeOf(number), { segment, store, sequence });
      }),
    );
  });
});
