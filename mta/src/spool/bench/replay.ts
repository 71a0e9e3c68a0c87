/**
 * Start with a full spool: time to open it and to replay every envelope, the file cold.
 *
 * `node mta/src/spool/bench/replay.ts [MESSAGES] [SIZE_BYTES]` → one JSON line. Dropping the page cache needs root; `cold` says whether it worked.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteSpool } from '../sqlite-spool.ts';
import { benchEnvelope } from './envelope.ts';

const messages = Number(process.argv[2] ?? 200_000);
const sizeBytes = Number(process.argv[3] ?? 2_048);
const directory = mkdtempSync(join(tmpdir(), 'sluice-spool-bench-'));
const path = join(directory, 'spool.sqlite');
const body = [Buffer.alloc(sizeBytes, 'The quick brown fox jumps over the lazy dog. 0123456789\r\n')];

const filled = await openSqliteSpool({ path, minFreeBytes: 0 });
const fillStartedAt = performance.now();
for (let count = 0; count < messages; count += 500) {
  await Promise.all(Array.from({ length: 500 }, () => filled.append(benchEnvelope(sizeBytes), body)));
}
const fillSeconds = (performance.now() - fillStartedAt) / 1000;
await filled.close();
const fileMb = Math.round(statSync(path).size / 1024 / 1024);

const cold = dropCaches();
const startedAt = performance.now();
const spool = await openSqliteSpool({ path, minFreeBytes: 0 });
const openedAt = performance.now();
let firstAt = 0;
let replayed = 0;
for await (const _ of spool.replay()) if (replayed++ === 0) firstAt = performance.now();
const endedAt = performance.now();
await spool.close();
rmSync(directory, { recursive: true });

console.log(
  JSON.stringify({
    bench: 'replay',
    messages: replayed,
    sizeBytes,
    fileMb,
    cold,
    appendsPerSecond: Math.round(messages / fillSeconds),
    openMs: Math.round(openedAt - startedAt),
    firstMs: Math.round(firstAt - startedAt),
    allMs: Math.round(endedAt - startedAt),
  }),
);

function dropCaches(): boolean {
  try {
    execFileSync('sync');
    writeFileSync('/proc/sys/vm/drop_caches', '1');
    return true;
  } catch {
    return false;
  }
}
