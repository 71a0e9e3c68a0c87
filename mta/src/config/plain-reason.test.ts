import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { plainReason } from './plain-reason.ts';

function reasonOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return plainReason(error);
  }
  return '';
}

test('who names a file that is not there reads one sentence about it, not the name of a system call', () => {
  assert.equal(
    reasonOf(() => readFileSync("/nowhere/it's, open 'x'")),
    'no such file or directory',
  );
  assert.equal(
    reasonOf(() => readFileSync('/')),
    'illegal operation on a directory',
  );
  assert.equal(
    reasonOf(() => readdirSync('/dev/null')),
    'not a directory',
  );
  assert.equal(plainReason(new Error('it is not UTF-8 text')), 'it is not UTF-8 text');
  assert.equal(plainReason('x'), 'x');
});
