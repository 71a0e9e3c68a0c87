import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Directive } from './directive.ts';
import { DirectiveLedger } from './directive-ledger.ts';

const suspension = (source: string): Directive => ({
  id: `operator suspend source=${source}`,
  effect: { type: 'Suspend' },
  selector: { source },
  origin: 'Operator',
  reason: '',
  createdAtMs: 0,
  expiresAtMs: 0,
});

function ledgerWith(...sources: readonly string[]): DirectiveLedger {
  const ledger = new DirectiveLedger();
  ledger.began();
  for (const [index, source] of sources.entries()) ledger.told(source, index + 1, suspension(source));
  ledger.read(sources.length);
  return ledger;
}

const sourcesIn = (ledger: DirectiveLedger): readonly (string | undefined)[] =>
  [...ledger.directives()].map(({ selector }) => selector.source).sort();

test('what stood is obeyed only when all of it was read, and what went while nobody told is gone then', () => {
  const ledger = ledgerWith('a', 'b');
  ledger.began();
  ledger.told('b', 2, suspension('b'));
  ledger.told('c', 4, suspension('c'));
  assert.deepEqual(sourcesIn(ledger), ['a', 'b'], 'until then nothing is forgotten');
  const news = ledger.read(4);
  assert.deepEqual(sourcesIn(ledger), ['b', 'c']);
  assert.deepEqual(
    news.map(({ selector }) => selector.source),
    ['c'],
  );
});

test('an acknowledgement that comes after the watch told of a removal brings nothing back', () => {
  const ledger = ledgerWith('a');
  ledger.told('b', 2, suspension('b'));
  ledger.told('b', 3, undefined);
  ledger.stored('b', 2, suspension('b'));
  assert.deepEqual(sourcesIn(ledger), ['a']);
});

test('what is acknowledged before the watch tells is obeyed at once, and the older word of another pod does not replace it', () => {
  const ledger = ledgerWith('a');
  ledger.stored('a', 3, undefined);
  assert.deepEqual(sourcesIn(ledger), []);
  ledger.stored('b', 5, suspension('b'));
  assert.equal(ledger.told('b', 4, undefined), false);
  assert.deepEqual(sourcesIn(ledger), ['b']);
});

test('what this pod stores while it reads anew is not lost when it has read', () => {
  const ledger = ledgerWith('a');
  ledger.began();
  ledger.told('a', 1, suspension('a'));
  ledger.stored('b', 2, suspension('b'));
  assert.deepEqual(sourcesIn(ledger), ['a', 'b']);
  ledger.read(1);
  assert.deepEqual(sourcesIn(ledger), ['a', 'b']);
});

test('a store that was made anew counts from the beginning, and is believed', () => {
  const ledger = ledgerWith('a', 'b', 'c');
  ledger.began();
  ledger.told('d', 1, suspension('d'));
  ledger.read(1);
  assert.deepEqual(sourcesIn(ledger), ['d']);
});
