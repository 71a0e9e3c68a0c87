import type { BatchUnderWay } from './commit-queue.ts';
import type { BatchAnswer } from './sqlite-batch.ts';
import { readMessages } from './stored-messages.ts';

/** Answers the record calls of a batch, each with its own mismatches. */
export function settleRecords({ records }: BatchUnderWay, { outcomeFailure, mismatched }: BatchAnswer): void {
  let end = 0;
  for (const { outcomes, resolve, reject } of records) {
    const start = end;
    end += outcomes.length;
    if (outcomeFailure !== undefined) reject(new Error(outcomeFailure.reason));
    else if (mismatched.length === 0) resolve({ mismatched: 0 });
    else resolve({ mismatched: mismatched.filter((position) => position >= start && position < end).length });
  }
}

/** Answers the reads of a batch that the store had room for. */
export function settleReads({ reads }: BatchUnderWay, { readFailure, reads: found }: BatchAnswer): void {
  if (reads.length === 0) return;
  const messages = readFailure === undefined ? readMessages(found) : [];
  for (const [position, { resolve, reject }] of reads.entries()) {
    if (readFailure !== undefined) reject(new Error(readFailure.reason));
    else if (position < messages.length) resolve(messages[position]);
  }
}
