import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from './logger.ts';
import { textLine } from './text-line.ts';

function logTo(lines: string[], settings: Parameters<typeof createLogger>[0]) {
  return createLogger(settings, { write: (line) => lines.push(line) });
}

test('a line is JSON with level, time and message, so that collectors can index it', () => {
  const lines: string[] = [];
  const logger = logTo(lines, { level: 'Info', format: 'JSON' });
  logger.child({ room: 'intake' }).warn({ client: '192.0.2.1' }, 'refused');
  logger.debug({}, 'not asked for');
  assert.equal(lines.length, 1);
  const { time, ...rest } = JSON.parse(lines[0] ?? '');
  assert.deepEqual(rest, { level: 'warn', room: 'intake', client: '192.0.2.1', msg: 'refused' });
  assert.match(time, /^\d{4}-\d\d-\d\dT.*Z$/);
});

test('a password never reaches the log, even when somebody hands over the whole object', () => {
  const lines: string[] = [];
  const logger = logTo(lines, { level: 'Debug', format: 'JSON' });
  logger.info({ password: 'wonder', auth: { username: 'alice', password: 'wonder' } }, 'logging in');
  assert.doesNotMatch(lines.join(''), /wonder/);
  assert.match(lines.join(''), /alice/);
});

test('people read text: time, level, message, then the fields', () => {
  const lines: string[] = [];
  logTo(lines, { level: 'Info', format: 'Text' }).info(
    { port: 25, name: 'a b', file: 'x.yaml' },
    'listening',
  );
  assert.match(
    lines[0] ?? '',
    /^\d\d:\d\d:\d\d\.\d{3} INFO {2}listening {2}port=25 {2}name="a b" {2}file=x\.yaml\n$/,
  );
  assert.equal(textLine('not json\n'), 'not json\n');
});
