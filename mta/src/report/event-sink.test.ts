import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, createReadStream, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { SluiceError } from '@sluice/crds';
import { type MailEvent, mailEventSchema } from './event.ts';
import { createEventSink } from './event-sink.ts';
import { BATCH_CHARS } from './line-writer.ts';
import { createLogger } from './logger.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-events-'));
after(() => rmSync(directory, { recursive: true }));

const logged: string[] = [];
const logger = createLogger({ level: 'Info', format: 'JSON' }, { write: (line) => logged.push(line) });

const DELIVERED: MailEvent = {
  type: 'delivered',
  time: '2026-12-01T10:00:00.000Z',
  id: '01JDZZZZZZZZZZZZZZZZZZZZZZ',
  sender: 'news@sender.example',
  recipients: ['jörg@gmail.example'],
  pool: 'shared',
  source: 'ip-1',
  sourceAddress: '192.0.2.10',
  site: 'mx.gmail.example',
  domain: 'gmail.example',
  attempts: 1,
  phase: 'FinalDot',
  reply: { code: 250, enhanced: '2.0.0', text: 'OK\nqueued' },
  ageMs: 12,
};

function readEvents(file: string): readonly MailEvent[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  assert.equal(lines.pop(), '', 'the file ends with a line end');
  return lines.map((line) => mailEventSchema.parse(JSON.parse(line)));
}

test('without readers nothing is built, written or counted', async () => {
  const sink = createEventSink({ settings: { stdout: 'Disabled' }, logger });
  assert.equal(sink.wants, false);
  sink.emit(DELIVERED);
  assert.equal(sink.dropped, 0);
  await sink.close();
});

test('every event reaches the file and standard output, one JSON object a line, in order', async () => {
  const [file, stdout] = [join(directory, 'all.jsonl'), join(directory, 'stdout.jsonl')];
  const stdoutFd = openSync(stdout, 'a');
  const sink = createEventSink({ settings: { stdout: 'Enabled', file }, logger, stdoutFd });
  assert.equal(sink.wants, true);
  const count = Math.ceil((3 * BATCH_CHARS) / JSON.stringify(DELIVERED).length);
  for (let attempts = 0; attempts < count; attempts++) sink.emit({ ...DELIVERED, attempts });
  await sink.close();
  closeSync(stdoutFd);
  for (const written of [readEvents(file), readEvents(stdout)]) {
    assert.deepEqual(
      written.map(({ attempts }) => attempts),
      Array.from({ length: count }, (_, n) => n),
    );
    assert.deepEqual(written[0]?.recipients, DELIVERED.recipients);
  }
  assert.equal(sink.dropped, 0);
});

test('a single event is written soon, not when the next batch is full', async () => {
  const file = join(directory, 'single.jsonl');
  const sink = createEventSink({ settings: { stdout: 'Disabled', file }, logger });
  sink.emit(DELIVERED);
  const deadline = Date.now() + 2_000;
  while (readFileSync(file).length === 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(readEvents(file).length, 1);
  await sink.close();
});

test('a log collector that stands still costs events, counted, and never memory or mail', async () => {
  // A pipe that nobody reads takes 64 KiB; opened for reading too, so that opening does not wait for a reader.
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const pipe = openSync(path, 'r+');
  const sink = createEventSink({
    settings: { stdout: 'Enabled' },
    logger,
    stdoutFd: pipe,
    maxPendingChars: 4 * BATCH_CHARS,
  });
  const fits = Math.floor((4 * BATCH_CHARS) / (JSON.stringify(DELIVERED).length + 1));
  const started = performance.now();
  for (let n = 0; n < fits + 500; n++) sink.emit(DELIVERED);
  assert.ok(performance.now() - started < 1_000, 'emit does not wait for the reader');
  assert.equal(sink.dropped, 500);

  const reader = createInterface({ input: createReadStream(path) });
  let read = 0;
  for await (const line of reader) {
    mailEventSchema.parse(JSON.parse(line));
    if (++read === fits) break;
  }
  assert.equal(read, fits, 'what was taken arrives once the reader goes on');
  await sink.close();
  closeSync(pipe);
});

test('a full disk is told once, counted, and writing goes on when there is room again', async () => {
  const full = openSync('/dev/full', 'a');
  logged.length = 0;
  const sink = createEventSink({ settings: { stdout: 'Enabled' }, logger, stdoutFd: full });
  sink.emit(DELIVERED);
  await sink.flush();
  sink.emit(DELIVERED);
  await sink.flush();
  assert.equal(sink.dropped, 2);
  assert.equal(logged.length, 1);
  assert.match(logged[0] ?? '', /cannot be written/);
  assert.match(logged[0] ?? '', /ENOSPC/);
  await sink.close();
  closeSync(full);
});

test('a file that cannot be opened stops the start with a cure', () => {
  const file = join(directory, 'missing', 'events.jsonl');
  assert.throws(
    () => createEventSink({ settings: { stdout: 'Disabled', file }, logger }),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_EVENTS_FILE_UNWRITABLE',
  );
});

test('the schema of events refuses a member that is not documented', () => {
  assert.equal(mailEventSchema.safeParse(DELIVERED).success, true);
  assert.equal(mailEventSchema.safeParse({ ...DELIVERED, colour: 'red' }).success, false);
  assert.equal(mailEventSchema.safeParse({ ...DELIVERED, time: 'yesterday' }).success, false);
});
