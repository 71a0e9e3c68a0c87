/** Entry of the store's thread: SQLite is synchronous, and an fsync must not stop the SMTP sessions. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, Request, SqliteOptions } from './sqlite-batch.ts';
import { SpoolOpenError, SqliteStore } from './sqlite-store.ts';

const port = parentPort;
const options: SqliteOptions = workerData;

function say(answer: Answer, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(answer, transfer);
}

try {
  const store = new SqliteStore(options);
  port?.on('message', (request: Request) => {
    switch (request.kind) {
      case 'batch': {
        const { bodies } = request;
        say({ kind: 'batch', bodies, ...store.run(request) }, bodies === undefined ? [] : [bodies]);
        break;
      }
      case 'replay':
        say({ kind: 'replay', rows: store.page(request.afterSequence, request.atMost) });
        break;
      case 'close':
        store.close();
        say({ kind: 'closed' });
        port.close();
        break;
    }
  });
  say({ kind: 'opened', nextSequence: store.nextSequence, usage: store.usage() });
} catch (error) {
  if (!(error instanceof SpoolOpenError)) throw error;
  say({ kind: 'not-opened', problem: error.problem, reason: error.message });
  port?.close();
}
