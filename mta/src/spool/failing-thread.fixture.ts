/**
 * The store's thread with faults: carries out what `<path>.fault` says, then goes on as the real one. One fault a file:
 * `die-before-commit`, `die-after-commit` (once), `stall MS` (once), `free BYTES` and `no-outcomes` (until the file is gone).
 */
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, Request, StoreOptions } from './sqlite-batch.ts';

const { path }: StoreOptions = workerData;
const file = `${path}.fault`;

function fault(word: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const [name, value = ''] = readFileSync(file, 'utf8').split(' ');
  if (name !== word) return undefined;
  if (name !== 'free' && name !== 'no-outcomes') unlinkSync(file);
  return value;
}

const port = parentPort;
if (port === null) throw new Error('this runs in a thread');

port.on('message', ({ kind }: Request) => {
  if (kind !== 'batch') return;
  if (fault('die-before-commit') !== undefined) process.exit(1);
  const stallMs = fault('stall');
  if (stallMs !== undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(stallMs));
});

const say = port.postMessage.bind(port);
const sayOrFail = (answer: Answer, transfer: ArrayBuffer[] = []): void => {
  if (answer.kind === 'batch' && fault('die-after-commit') !== undefined)
    throw new Error('died after the commit');
  if (answer.kind === 'batch' && fault('no-outcomes') !== undefined) {
    say({ ...answer, outcomeFailure: { refused: 'full', reason: 'no room for outcomes' } }, transfer);
    return;
  }
  const freeBytes = fault('free');
  const isMeasured = answer.kind === 'batch' || answer.kind === 'measured';
  if (freeBytes !== undefined && isMeasured) {
    say({ ...answer, usage: { ...answer.usage, freeBytes: Number(freeBytes) } }, transfer);
  } else say(answer, transfer);
};
Object.assign(port, { postMessage: sayOrFail });

await import('./sqlite-thread.ts');
