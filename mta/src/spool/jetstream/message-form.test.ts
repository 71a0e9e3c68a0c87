import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import fc from 'fast-check';
import { envelopeOf } from '../contract.fixture.ts';
import {
  MAX_ENVELOPE_HEADER_BYTES,
  markerHeaders,
  messageForm,
  partHeaders,
  storedForm,
} from './message-form.ts';

/** Headers as NATS carries them: printed, and read again by somebody else. */
function carried(set: MsgHdrs): MsgHdrs {
  const again = headers();
  for (const [name, values] of set) for (const value of values) again.append(name, value);
  return again;
}

test('an envelope comes back from the headers alone, whatever is in it', () => {
  const text = fc.string({ unit: 'grapheme' });
  fc.assert(
    fc.property(text, fc.array(text, { minLength: 1, maxLength: 20 }), text, (sender, recipients, tenant) => {
      const envelope = envelopeOf({ sender, recipients, tenant });
      const stored = storedForm(carried(messageForm(envelope, []).headers), new Uint8Array());
      assert.deepEqual(stored, { kind: 'message', envelope, parts: [], bodyFrom: 0 });
    }),
  );
});

test('an envelope with too many recipients for headers goes before the body and takes nothing away from it', () => {
  const recipients = Array.from({ length: 5_000 }, (_, index) => `subscriber-${index}@somewhere.example`);
  const envelope = envelopeOf({ recipients });
  const { headers: set, prefix } = messageForm(envelope, []);
  assert.ok(prefix !== undefined && prefix.length > MAX_ENVELOPE_HEADER_BYTES);
  const payload = Buffer.concat([prefix, Buffer.from('body')]);
  assert.deepEqual(storedForm(set, new Uint8Array()), { kind: 'long-envelope' });
  const stored = storedForm(set, payload);
  assert.ok(stored.kind === 'message');
  assert.deepEqual(stored.envelope, envelope);
  assert.equal(payload.subarray(stored.bodyFrom).toString(), 'body');
});

test('the parts of a large body are named in order, also when others wrote in between', () => {
  const parts = [17, 18, 1_000_000_000_000, 1_000_000_000_005];
  const stored = storedForm(messageForm(envelopeOf(), parts).headers, new Uint8Array());
  assert.deepEqual(stored.kind === 'message' && stored.parts, parts);
});

test('a part, a marker and what is not ours are never taken for a message', () => {
  const nothing = new Uint8Array();
  assert.deepEqual(storedForm(partHeaders('01KAXY0S3E8M0N8Q7V6Y5ZJ4TC', 3), nothing), {
    kind: 'part',
    id: '01KAXY0S3E8M0N8Q7V6Y5ZJ4TC',
    part: 3,
  });
  assert.deepEqual(storedForm(markerHeaders('01KAXY0S3E8M0N8Q7V6Y5ZJ4TC'), nothing), {
    kind: 'marker',
    session: '01KAXY0S3E8M0N8Q7V6Y5ZJ4TC',
  });
  assert.deepEqual(storedForm(undefined, nothing), { kind: 'other' });
  assert.deepEqual(storedForm(headers(), nothing), { kind: 'other' });
});
