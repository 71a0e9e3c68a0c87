import { messageIds } from '../../message-id.ts';
import { decodeBatch, encodeBatch, type JournalRecord } from '../journal-record.ts';
import { SegmentState } from '../segment-state.ts';

/**
 * Adopts a million deferred messages in memory, each with a last reply of its own: `node --expose-gc mta/src/spool/segment/bench/million.ts [messages]`.
 * Prints one line of JSON: microseconds per message to decode and fold the journal, and to look up what DEFER holds; bytes per message.
 */
const MESSAGES = Number(process.argv[2] ?? 1_000_000);
const PER_BATCH = 500;

const newId = messageIds((bytes) => bytes.fill(7));
const ids = Array.from({ length: MESSAGES }, () => newId(1_780_000_000_000));
const session = newId(1_780_000_000_000);
const batches: Buffer[] = [];
for (let first = 0; first < MESSAGES; first += PER_BATCH) {
  const records = ids.slice(first, first + PER_BATCH).flatMap((id, index): JournalRecord[] => {
    const sequence = first + index + 1;
    const place = { store: 'defer' as const, sequence, id };
    const lastReply = { code: 451, enhanced: '4.7.1', text: `Try again later ${id}`, host: 'mx1.example' };
    const state = {
      pending: [0],
      attempts: 3,
      nextAttemptAtMs: 1_780_000_000_000 + index,
      lastReply,
      lastSource: 'ip-1',
    };
    return [
      { kind: 'moved', place, toSequence: sequence, doneGroups: [] },
      { kind: 'deferred', place, group: 0, state },
    ];
  });
  batches.push(encodeBatch({ session, epoch: 1, number: 1 + first, records }).bytes);
}

const before = await memory();
const startMs = performance.now();
const state = new SegmentState();
for (const [index, bytes] of batches.entries()) {
  const batch = decodeBatch(bytes);
  if ('unreadable' in batch) throw new Error(batch.reason);
  state.apply(2 + index, batch);
}
const foldedMs = performance.now();
let live = 0;
for (const [index, id] of ids.entries())
  if (state.seen({ store: 'defer', sequence: index + 1, id }, 1)) live++;
const seenMs = performance.now();
const replaying = await memory();
state.endReplay();
const after = await memory();
process.stdout.write(
  `${JSON.stringify({
    messages: Math.min(live, ids.length),
    foldMicros: Number((((foldedMs - startMs) * 1_000) / MESSAGES).toFixed(2)),
    seenMicros: Number((((seenMs - foldedMs) * 1_000) / MESSAGES).toFixed(2)),
    replayBytesPerMessage: Math.round((replaying - before) / MESSAGES),
    bytesPerMessage: Math.round((after - before) / MESSAGES),
    journalBytesPerMessage: Math.round(batches.reduce((sum, { length }) => sum + length, 0) / MESSAGES),
  })}\n`,
);

async function memory(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
