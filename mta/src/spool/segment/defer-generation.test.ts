import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeferGeneration, MIN_HOLES } from './defer-generation.ts';

test('one message that waits for days does not keep the room of everything that came and went behind it', () => {
  const generation = new DeferGeneration();
  let items = 1;
  let copies = 0;
  let most = 0;
  for (let gone = 1; gone <= 100_000; gone++) {
    items++;
    most = Math.max(most, items);
    generation.look(items, 1, 10 * gone);
    if (generation.upTo === 0) continue;
    copies++;
    // Its copy lies behind, what was before is purged.
    generation.survives(10 * gone + 1);
    items = 1;
  }
  assert.equal(generation.upTo, 0);
  assert.ok(most <= MIN_HOLES + 3, `${most} items`);
  assert.ok(copies <= 100_000 / MIN_HOLES, `${copies} copies`);
});

test('what is alive is not copied to and fro, and nothing is copied when all of it is over', () => {
  const generation = new DeferGeneration();
  generation.look(250_000, 250_000, 900_000);
  assert.equal(generation.upTo, 0);
  generation.look(400_000, 200_000, 900_000);
  assert.equal(generation.upTo, 0);
  generation.look(400_065, 200_000, 900_000);
  assert.equal(generation.upTo, 900_000);
  // It goes on until nothing from before is left, whatever is looked at meanwhile.
  generation.look(500_000, 199_000, 950_000);
  generation.survives(900_000);
  assert.equal(generation.upTo, 900_000);
  generation.survives(undefined);
  assert.equal(generation.upTo, 0);
  generation.look(1_000, 0, 960_000);
  assert.equal(generation.upTo, 0, 'the purge takes it');
});
