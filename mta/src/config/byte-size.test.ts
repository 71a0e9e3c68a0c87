import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatByteSize, parseByteSize } from './byte-size.ts';

test('sizes mean what they mean in Kubernetes: Mi is 1024², M is 1000²', () => {
  assert.equal(parseByteSize('64Mi'), 67_108_864);
  assert.equal(parseByteSize('64M'), 64_000_000);
  assert.equal(parseByteSize('1k'), 1_000);
  assert.equal(parseByteSize('0'), 0);
  for (const text of ['', '-1', '1.5Gi', '64MB', '64 Mi', 'Mi', '1e6', '999999999999999Ti']) {
    assert.equal(parseByteSize(text), undefined, text);
  }
});

test('a size that is shown reads back as the same number', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 - 1 }), fc.constantFrom(1, 2 ** 10, 2 ** 20), (count, unit) => {
      assert.equal(parseByteSize(formatByteSize(count * unit)), count * unit);
    }),
  );
});
