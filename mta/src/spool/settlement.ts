import type { BatchUnderWay } from './commit-queue.ts';
import type { BatchAnswer } from './sqlite-batch.ts';
import { readMessage } from './stored-form.ts';

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
  for (const [position, { resolve, reject }] of reads.entries()) {
    if (readFailure !== undefined) reject(new Error(readFailure.reason));
    else if (position < found.length) resolve(readMessage(found[position]));
  }
}
