import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bodyOf, collect, envelopeOf, stored } from './contract.fixture.ts';
import type { AppendRefusal, Outcome, Reference, Spool } from './spool.ts';
import { PAGE_BYTES } from './sqlite-batch.ts';
import { openSqliteSpool, type SqliteSpoolOptions } from './sqlite-spool.ts';

const done = (reference: Reference): Outcome => ({ kind: 'done', reference, group: 0 });

async function directoryOf(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-spool-'));
  context.after(() => rm(directory, { recursive: true }));
  return directory;
}

interface Faulty {
  readonly spool: Spool;
  readonly path: string;
  /** Sets the next fault, see failing-thread.fixture.ts; `undefined` takes it back. */
  fault(what: string | undefined): void;
}

async function openFaulty(context: TestContext, options: Partial<SqliteSpoolOptions> = {}): Promise<Faulty> {
  const path = join(await directoryOf(context), 'spool.sqlite');
  const threadEntry = new URL('./failing-thread.fixture.ts', import.meta.url);
  const spool = await openSqliteSpool({ path, minFreeBytes: 0, threadEntry, ...options });
  context.after(() => spool.close());
  return {
    spool,
    path,
    fault(what) {
      if (what === undefined) unlinkSync(`${path}.fault`);
      else writeFileSync(`${path}.fault`, what);
    },
  };
}

function refusal(result: Reference | AppendRefusal): AppendRefusal {
  if (!('refused' in result)) assert.fail('it was taken');
  return result;
}

/** Appends until the store takes it. */
async function appendInTime(spool: Spool): Promise<Reference> {
  for (const deadlineMs = Date.now() + 10_000; ; ) {
    const result = await spool.append(envelopeOf(), bodyOf(1, 100));
    if (!('refused' in result)) return result;
    assert.ok(Date.now() < deadlineMs, `still refused: ${result.reason}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function replayed(spool: Spool): Promise<Reference[]> {
  return (await collect(spool.replay())).map(({ reference }) => reference);
}

async function afterRestart({ spool, path }: Faulty): Promise<Reference[]> {
  await spool.close();
  const again = await openSqliteSpool({ path, minFreeBytes: 0 });
  try {
    return await replayed(again);
  } finally {
    await again.close();
  }
}

for (const fault of ['die-before-commit', 'die-after-commit']) {
  test(`${fault}: everybody who waits is told, the spool comes back by itself, and nothing refused is sent`, async (context) => {
    const faulty = await openFaulty(context);
    const { spool } = faulty;
    const kept = stored(await spool.append(envelopeOf(), bodyOf(1, 100)));
    const finished = stored(await spool.append(envelopeOf(), bodyOf(1, 100)));
    faulty.fault(fault);
    const append = spool.append(envelopeOf(), bodyOf(2, 100));
    const record = spool.record([done(finished)]);
    const read = spool.read(kept);
    record.catch(() => undefined);
    read.catch(() => undefined);
    assert.equal(refusal(await append).refused, 'unavailable');
    await assert.rejects(record, /died|ended with 1/);
    await assert.rejects(read, /died|ended with 1/);
    assert.equal(refusal(await spool.append(envelopeOf(), bodyOf(3, 100))).refused, 'unavailable');
    const later = await appendInTime(spool);
    assert.ok(later.sequence > kept.sequence);
    await spool.record([done(finished)]);
    assert.deepEqual(await replayed(spool), [kept, later]);
    assert.deepEqual(await afterRestart(faulty), [kept, later]);
  });
}

test('a spool whose store died can still be closed', async (context) => {
  const { spool, fault } = await openFaulty(context);
  fault('die-before-commit');
  refusal(await spool.append(envelopeOf(), bodyOf(2, 100)));
  await spool.close();
});

test('a disk that hangs never holds a client longer than the time-out, and what it stores late is taken back', async (context) => {
  const faulty = await openFaulty(context, { appendTimeoutMs: 400 });
  const { spool } = faulty;
  const kept = stored(await spool.append(envelopeOf(), bodyOf(1, 100)));
  faulty.fault('stall 2000');
  const startedMs = performance.now();
  const first = spool.append(envelopeOf(), bodyOf(2, 100));
  const large = spool.append(envelopeOf(), bodyOf(4, 20 * 1024 * 1024, 64 * 1024));
  const record = spool.record([done(kept)]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const second = spool.append(envelopeOf(), bodyOf(3, 100));
  assert.match(refusal(await first).reason, /within 400 ms/);
  assert.ok(performance.now() - startedMs < 1_500, 'the answer came from the clock, not from the disk');
  assert.equal(refusal(await large).refused, 'unavailable');
  assert.equal(refusal(await second).refused, 'unavailable');
  const third = refusal(await spool.append(envelopeOf(), bodyOf(4, 100)));
  assert.match(third.reason, /has not answered/);
  assert.ok(performance.now() - startedMs < 1_500, 'who comes later does not wait at all');
  assert.deepEqual(await record, { mismatched: 0 }, 'outcomes wait: they are never given up');
  const later = await appendInTime(spool);
  assert.deepEqual(await replayed(spool), [later]);
  assert.deepEqual(await afterRestart(faulty), [later]);
});

test('a disk too full even for deletions can be left: closing does not wait for it', async (context) => {
  const faulty = await openFaulty(context, { appendTimeoutMs: 200 });
  const { spool } = faulty;
  const kept = stored(await spool.append(envelopeOf(), bodyOf(1, 100)));
  faulty.fault('stall 600');
  const late = spool.append(envelopeOf(), bodyOf(2, 100));
  await new Promise((resolve) => setImmediate(resolve));
  const record = spool.record([done(kept)]);
  refusal(await late);
  faulty.fault('no-outcomes');
  await assert.rejects(record, /no room/);
  await spool.close();
});

test('mail is refused as full while too little is free, and taken again as soon as there is room', async (context) => {
  const { spool, fault } = await openFaulty(context, { minFreeBytes: 1_000_000 });
  fault('free 1000000');
  stored(await spool.append(envelopeOf(), bodyOf(1, 100)));
  const refused = refusal(await spool.append(envelopeOf(), bodyOf(2, 100)));
  assert.equal(refused.refused, 'full');
  assert.match(refused.reason, /spec\.spool\.sqlite\.minFreeBytes/);
  fault(undefined);
  await appendInTime(spool);
});

test('what waits for the disk is bounded, but one message of any size is taken', async (context) => {
  const { spool } = await openFaulty(context, { maxWaitingBytes: 10_000 });
  const results = await Promise.all([
    spool.append(envelopeOf({ sizeBytes: 50_000 }), bodyOf(1, 50_000)),
    spool.append(envelopeOf({ sizeBytes: 1_000 }), bodyOf(2, 1_000)),
  ]);
  stored(results[0]);
  assert.equal(refusal(results[1]).refused, 'unavailable');
  stored(await spool.append(envelopeOf({ sizeBytes: 1_000 }), bodyOf(2, 1_000)));
});

test('a full store refuses mail as full, still records outcomes, and takes mail again when there is room', async (context) => {
  const { spool } = await openFaulty(context, { maxPages: 100 });
  const references: Reference[] = [];
  let refused: AppendRefusal | undefined;
  while (refused === undefined) {
    const result = await spool.append(envelopeOf(), bodyOf(references.length, 50_000));
    if ('refused' in result) refused = result;
    else references.push(result);
  }
  assert.equal(refused.refused, 'full');
  assert.ok(references.length > 10);
  const [together, result] = await Promise.all([
    spool.record(references.slice(0, 5).map(done)),
    spool.append(envelopeOf(), bodyOf(1, 5_000_000)),
  ]);
  assert.deepEqual(together, { mismatched: 0 });
  assert.equal(refusal(result).refused, 'full');
  stored(await spool.append(envelopeOf(), bodyOf(1, 50_000)));
  assert.equal((await replayed(spool)).length, references.length - 5 + 1);
});

test('a large message that did not fit leaves nothing behind', async (context) => {
  const faulty = await openFaulty(context, { maxPages: (30 * 1024 * 1024) / PAGE_BYTES });
  const { spool } = faulty;
  for (let round = 0; round < 3; round++) {
    const refused = refusal(await spool.append(envelopeOf(), bodyOf(1, 40 * 1024 * 1024, 1_000_000)));
    assert.equal(refused.refused, 'full');
    // Its pieces were given back, or this would not fit.
    const fits = stored(await spool.append(envelopeOf(), bodyOf(round, 20 * 1024 * 1024, 1_000_000)));
    await spool.record([done(fits)]);
  }
  assert.equal(spool.usage().messages, 0);
  assert.deepEqual(await afterRestart(faulty), []);
});

test('a disk that reports errors: mail is refused, and taken again when the disk works again', async (context) => {
  const prlimit = '/usr/bin/prlimit';
  if (!existsSync(prlimit)) return context.skip('prlimit (util-linux) makes the errors, and is not here');
  const faulty = await openFaulty(context);
  const { spool, path } = faulty;
  const kept = stored(await spool.append(envelopeOf(), bodyOf(1, 100)));
  const ignore = (): void => undefined;
  process.on('SIGXFSZ', ignore);
  const limit = (bytes: string): void => {
    execFileSync(prlimit, ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
  };
  try {
    limit(String(statSync(`${path}-wal`).size));
    const refused = refusal(await spool.append(envelopeOf(), bodyOf(2, 100_000)));
    assert.equal(refused.refused, 'unavailable');
    assert.match(refused.reason, /I\/O/);
    await assert.rejects(spool.record([done(kept)]));
  } finally {
    limit('unlimited');
    process.off('SIGXFSZ', ignore);
  }
  const later = await appendInTime(spool);
  // A new owner begins a new block of sequences: after an error what counts is what is on the disk, not what a cache remembers.
  assert.ok(later.sequence >= 100_000, 'the file was opened again');
  assert.deepEqual(await replayed(spool), [kept, later]);
  assert.deepEqual(await afterRestart(faulty), [kept, later]);
});

test('two processes never own one spool: both would send everything', async (context) => {
  const { spool, path } = await openFaulty(context);
  await assert.rejects(openSqliteSpool({ path, minFreeBytes: 0 }), { code: 'SLUICE_SPOOL_LOCKED' });
  const opener = fileURLToPath(new URL('./sqlite-opener.fixture.ts', import.meta.url));
  const program = `import(${JSON.stringify(opener)}).then(({ openSpool }) => openSpool(${JSON.stringify(path)})).then(
    () => console.log('opened'), (error) => console.log(error.code)).then(() => process.exit())`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program]);
  assert.equal(stdout, 'SLUICE_SPOOL_LOCKED\n');
  stored(await spool.append(envelopeOf(), bodyOf(1, 10)));
  await spool.close();
  await (await openSqliteSpool({ path, minFreeBytes: 0 })).close();
});

test('others on the machine cannot read the mail', async (context) => {
  const { spool, path } = await openFaulty(context);
  stored(await spool.append(envelopeOf(), bodyOf(1, 10)));
  for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o777, 0o600);
});
