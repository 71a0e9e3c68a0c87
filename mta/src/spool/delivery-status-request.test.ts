import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeXtext, encodeXtext } from './delivery-status-request.ts';

test('an envelope id with any printable character comes back as the sender wrote it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
      const xtext = encodeXtext(text);
      assert.match(xtext, /^[!-<>-~]*$/);
      assert.equal(decodeXtext(xtext), text);
    }),
  );
});

test('what is no xtext is not taken for it: it would break out of the command that carries it', () => {
  for (const text of ['a b', 'a=b', '+', '+2', '+2g', '+2b', 'a\r\nb', 'ä']) {
    assert.equal(decodeXtext(text), undefined, JSON.stringify(text));
  }
  assert.equal(decodeXtext('+41+2B'), 'A+');
});
