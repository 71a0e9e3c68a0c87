/** Entry of the store's thread: SQLite is synchronous, and an fsync must not stop the SMTP sessions. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, BatchAnswer, Request, StoreOptions } from './sqlite-batch.ts';
import { SpoolOpenError } from './sqlite-file.ts';
import { SqliteStore } from './sqlite-store.ts';

const port = parentPort;
const options: StoreOptions = workerData;

function say(answer: Answer, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(answer, transfer);
}

/** Buffers of an answer that change hands instead of being copied. */
function transferred({ bodies, reads }: BatchAnswer): ArrayBuffer[] {
  return bodies === undefined ? [...reads.buffers] : [...reads.buffers, bodies];
}

function carryOut(store: SqliteStore, request: Request): void {
  switch (request.kind) {
    case 'batch': {
      const answer = store.run(request);
      say(answer, transferred(answer));
      break;
    }
    case 'page':
      say(store.page(request.afterSequence, request.atMost));
      break;
    case 'measure':
      say({ kind: 'measured', usage: store.usage() });
      break;
    case 'close':
      store.close(request.nextSequence);
      say({ kind: 'closed' });
      port?.close();
      return;
  }
  if (store.broken === undefined) return;
  say({ kind: 'broken', reason: store.broken });
  port?.close();
  store.close();
}

try {
  const store = new SqliteStore(options);
  port?.on('message', (request: Request) => carryOut(store, request));
  say({ kind: 'opened', nextSequence: store.nextSequence, usage: store.usage() });
} catch (error) {
  if (!(error instanceof SpoolOpenError)) throw error;
  say({ kind: 'not-opened', problem: error.problem, reason: error.message });
  port?.close();
}
