import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as check, constantFrom, integer, oneof, property } from 'fast-check';
import { bodyOf, envelopeOf } from './contract.fixture.ts';
import {
  MAX_SHARING_BYTES,
  readMessages,
  SHARED_BUFFER_BYTES,
  StoredMessagesPacker,
} from './stored-messages.ts';

const missing = -1;

test('whatever the sizes of the messages that are read together, each one gets its own octets', () => {
  const size = oneof(
    integer({ min: missing, max: 3_000 }),
    constantFrom(0, MAX_SHARING_BYTES - 1, MAX_SHARING_BYTES, MAX_SHARING_BYTES + 1, 100_000),
  );
  check(
    property(array(size, { maxLength: 40 }), integer({ min: 1, max: 5_000 }), (sizes, pieceBytes) => {
      const packer = new StoredMessagesPacker();
      const expected = sizes.map((sizeBytes, index) => {
        if (sizeBytes === missing) {
          packer.addMissing();
          return undefined;
        }
        const envelope = envelopeOf({ campaign: `c${index}` });
        const body = bodyOf(index, sizeBytes, pieceBytes);
        // The store hands out buffers of their own; these are parts of larger ones, which must not show either.
        packer.add(
          JSON.stringify(envelope),
          body.map((piece) => new Uint8Array(piece)),
        );
        return { envelope, octets: Buffer.concat(body) };
      });
      const stored = packer.finish();
      const messages = readMessages(structuredClone(stored, { transfer: [...stored.buffers] }));
      assert.deepEqual(
        messages.map((read) => read && { envelope: read.envelope, octets: Buffer.concat(read.body) }),
        expected,
      );
    }),
    { numRuns: 200, seed: 20261124 },
  );
});

test('a small message that stays in memory does not keep more than its share of a buffer', () => {
  const packer = new StoredMessagesPacker();
  for (let count = 0; count < 100; count++) packer.add(JSON.stringify(envelopeOf()), [new Uint8Array(2_048)]);
  packer.add(JSON.stringify(envelopeOf()), [new Uint8Array(new ArrayBuffer(50_000), 10, 20_000)]);
  const sizes = readMessages(packer.finish()).map((read) => read?.body[0]?.buffer.byteLength);
  assert.ok(sizes.slice(0, 100).every((bytes) => bytes === SHARED_BUFFER_BYTES));
  assert.equal(sizes[100], 20_000);
});
