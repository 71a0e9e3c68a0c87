import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PROVIDERS, startSink } from '@sluice/mta/sink';

/** A plain sink in a process of its own, so that its CPU is not counted as Sluice's. */
export interface SinkProcess {
  readonly address: string;
  readonly port: number;
  readonly pid: number;
  delivered(): Promise<number>;
  close(): Promise<void>;
}

const SELF = fileURLToPath(import.meta.url);

/** Example: `const sink = await spawnSink('127.0.0.1');` */
export async function spawnSink(address: string): Promise<SinkProcess> {
  const child = fork(SELF, [address], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const port = Number(await nextMessage(child));
  return {
    address,
    port,
    pid: child.pid ?? 0,
    delivered: async () => {
      child.send('delivered?');
      return Number(await nextMessage(child));
    },
    close: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.disconnect();
      }),
  };
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`the sink ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}

if (process.argv[1] === SELF && process.send !== undefined) {
  const sink = await startSink({
    behaviour: PROVIDERS.plain('mx.bench.example'),
    address: process.argv[2] ?? '127.0.0.1',
    port: 0,
  });
  process.send(sink.port);
  process.on('message', () => process.send?.(sink.ledger.totals.delivered));
  process.on('disconnect', () => process.exit(0));
}
