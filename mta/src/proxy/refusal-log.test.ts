import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '../config/mod.ts';
import { LOG_EVERY_MS, RefusalLog } from './refusal-log.ts';

test('a scanner does not fill the log, and the log still says how often it came', () => {
  const lines: unknown[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    warn: (fields) => void lines.push(fields),
    error() {},
    child: () => logger,
  };
  let nowMs = 0;
  const log = new RefusalLog(logger, () => nowMs);
  for (let count = 0; count < 1_000; count++)
    log.tell('198.51.100.1', 'client', 'this client is not allowed');
  log.tell('10.0.0.1', 'auth', 'user "x" is refused');
  assert.equal(lines.length, 2);
  nowMs = LOG_EVERY_MS;
  log.tell('198.51.100.2', 'client', 'this client is not allowed');
  assert.deepEqual(lines.at(-1), {
    client: '198.51.100.2',
    refused: 'client',
    reason: 'this client is not allowed',
    sinceLastLine: 999,
  });
});
