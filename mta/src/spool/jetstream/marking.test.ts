import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Marking } from './marking.ts';

const refused = { kind: 'refused', error: { code: 503, errorCode: 10077, description: 'full' } } as const;

test('a segment that was lost while its store took no marker is not marked any more: it would go on for ever', async () => {
  let awaited = true;
  let published = 0;
  const marking = new Marking({
    publish: async () => {
      if (++published === 2) awaited = false;
      return refused;
    },
    isAwaited: () => awaited,
  });
  await marking.mark('spool', 7);
  assert.equal(published, 2);
});

test('a marker that was refused is published until it is stored, by one attempt at a time and store', async () => {
  const published: string[] = [];
  const marking = new Marking({
    publish: async (store, epoch) => {
      published.push(`${store} ${epoch}`);
      return published.length === 1 ? refused : { kind: 'stored', sequence: 1 };
    },
    isAwaited: () => true,
  });
  const first = marking.mark('spool', 7);
  const second = marking.mark('spool', 7);
  const other = marking.mark('defer', 7);
  await Promise.all([first, second, other]);
  assert.deepEqual(published, ['spool 7', 'defer 7', 'spool 7']);
});
