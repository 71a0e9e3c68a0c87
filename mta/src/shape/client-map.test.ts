import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientMap } from './client-map.ts';

test('no pod is lost or mixed up with another while pods come and go', () => {
  const step = fc.record({
    client: fc.constantFrom('a', 'b', 'c'),
    act: fc.constantFrom('set', 'delete', 'clear', 'set'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const map = new ClientMap<number>();
      const model = new Map<string, number>();
      for (const [index, { client, act }] of steps.entries()) {
        if (act === 'set') {
          map.set(client, index);
          model.set(client, index);
        } else if (act === 'delete') {
          assert.equal(map.delete(client), model.delete(client));
        } else {
          map.clear();
          model.clear();
        }
        assert.deepEqual([...map], [...model]);
        assert.equal(map.size, model.size);
        for (const each of ['a', 'b', 'c']) {
          assert.equal(map.get(each), model.get(each));
          assert.equal(map.has(each), model.has(each));
        }
      }
    }),
  );
});
