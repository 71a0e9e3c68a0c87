import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { SluiceError } from '@sluice/crds';
import type { Directive } from './directive.ts';
import { openFileDirectiveStore } from './file-directive-store.ts';

const newPath = () => join(mkdtempSync(join(tmpdir(), 'sluice-directives-')), 'state', 'directives.json');

function suspension(source: string, expiresAtMs: number): Directive {
  return {
    id: `operator suspend source=${source}`,
    effect: { type: 'Suspend' },
    selector: { source },
    origin: 'Operator',
    reason: 'test',
    createdAtMs: 0,
    expiresAtMs,
  };
}

async function open(path: string, nowMs: () => number = Date.now) {
  const errors: string[] = [];
  const store = await openFileDirectiveStore({ path, nowMs, onError: (what) => errors.push(what) });
  return { store, errors };
}

test('a suspension outlives a restart, one that was taken back does not come again', async () => {
  const path = newPath();
  const first = await open(path);
  await first.store.put([suspension('ip-1', 0), suspension('ip-2', 0)]);
  assert.equal(await first.store.remove(['operator suspend source=ip-2', 'unknown']), 1);
  await first.store.close();
  const second = await open(path);
  assert.deepEqual(second.store.set.directives, [suspension('ip-1', 0)]);
  assert.deepEqual([...first.errors, ...second.errors], []);
  await second.store.close();
});

test('a directive ends at its time by itself, not before, and whoever obeys it is told', async () => {
  const { store } = await open(newPath());
  const endsAtMs = Date.now() + 60;
  const ended = new Promise<number>((resolve) => {
    store.onChange = () => {
      if (store.set.directives.length === 0) resolve(Date.now());
    };
  });
  await store.put([suspension('ip-1', endsAtMs)]);
  assert.equal(store.set.directives.length, 1);
  assert.ok((await ended) >= endsAtMs);
  await store.close();
});

test('a damaged file does not stop the start: what can be read holds, the rest is told', async () => {
  const path = newPath();
  const first = await open(path);
  await first.store.put([suspension('ip-1', 0)]);
  await first.store.close();
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, JSON.stringify({ directives: [...JSON.parse(text).directives, { id: 'x' }] }));
  const second = await open(path);
  assert.equal(second.store.set.directives.length, 1);
  assert.equal(second.errors.length, 1);
  await second.store.close();
  writeFileSync(path, '{');
  const third = await open(path);
  assert.equal(third.store.set.directives.length, 0);
  assert.deepEqual(third.errors, ['the directives of before cannot be read and do not hold']);
  await third.store.close();
});

test('a storm of replies that each change a directive does not keep the disk writing long after it', async (context) => {
  const path = newPath();
  const { store, errors } = await open(path);
  await store.put([suspension('ip-0', 0)]);
  let events = 0;
  const watcher = watch(dirname(path), () => events++);
  context.after(() => watcher.close());
  const puts = Array.from({ length: 400 }, (_, index) => store.put([suspension(`ip-${index}`, 0)]));
  await Promise.all(puts);
  await store.close();
  assert.deepEqual(errors, []);
  assert.ok(events < 50, `${events} changes of files`);
  const again = await open(path);
  assert.equal(again.store.set.directives.length, 400);
  await again.store.close();
});

test('a directive that the disk did not take is no success; it holds nevertheless, and the words say so', async () => {
  const path = newPath();
  writeFileSync(dirname(path), 'a file where the directory should be');
  const { store, errors } = await open(path);
  await assert.rejects(store.put([suspension('ip-1', 0)]), (error) => {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, 'SLUICE_DIRECTIVE_NOT_STORED');
    assert.match(error.cure, /in force until this MTA ends/);
    return true;
  });
  assert.equal(store.set.directives.length, 1);
  store.react([suspension('ip-2', 0)]);
  assert.equal(store.set.directives.length, 2);
  await store.close();
  assert.deepEqual(errors.slice(1), ['directives hold, but will not outlive this process']);
});
