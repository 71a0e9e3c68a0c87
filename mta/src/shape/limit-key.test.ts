import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundsInForce } from './limit-key.ts';

const five = { bounds: { connections: 5 }, generation: 4 };

test('a lane that still works by the old configuration does not bring old bounds back', () => {
  assert.equal(boundsInForce(five, { bounds: { connections: 9 }, generation: 3 }), five);
});

test('a newer configuration replaces what is in force, larger or smaller', () => {
  const nine = { bounds: { connections: 9 }, generation: 5 };
  assert.deepEqual(boundsInForce(five, nine), nine);
  assert.deepEqual(boundsInForce(nine, { ...five, generation: 6 }), { ...five, generation: 6 });
});

test('bounds shown without a generation apply, as the last word', () => {
  const shown = { bounds: { recipientRate: { count: 1, periodMs: 1_000 } }, generation: undefined };
  assert.deepEqual(boundsInForce(five, shown), { ...shown, generation: 4 });
});

test('the same bounds in another object change nothing and wake nobody', () => {
  assert.equal(boundsInForce(five, { bounds: { connections: 5 }, generation: 4 }), five);
});
