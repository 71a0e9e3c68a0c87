import { fork } from 'node:child_process';
import { z } from 'zod';
import { formatHostPort, type HostPort } from '../config/mod.ts';
import { WORKER_VARIABLE, type WorkerPlace } from './worker-settings.ts';
import type { WorkerProcess } from './worker-supervisor.ts';

/** What a worker tells the process above it. */
const readyMessage = z.object({ admin: z.string() });

/** Starts this program again as a worker, with the same flags of Node. */
export function startWorker(program: string, args: readonly string[], place: WorkerPlace): WorkerProcess {
  const child = fork(program, [...args], {
    env: { ...process.env, [WORKER_VARIABLE]: `${place.number}/${place.of}` },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ready = Promise.withResolvers<string>();
  child.on('message', (message) => {
    const parsed = readyMessage.safeParse(message);
    if (parsed.success) ready.resolve(parsed.data.admin);
  });
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
    child.once('error', (error) => resolve(error.message));
  });
  return { pid: child.pid ?? 0, stop: () => child.kill('SIGTERM'), ready: ready.promise, ended };
}

/** Of a worker: tells that it is ready. */
export function tellReady(admin: HostPort): void {
  process.send?.({ admin: formatHostPort(admin) });
}

/** Of a worker: resolves when the process above it is gone, however it ended. */
export function supervisorGone(): Promise<void> {
  return new Promise((resolve) => process.once('disconnect', () => resolve()));
}
