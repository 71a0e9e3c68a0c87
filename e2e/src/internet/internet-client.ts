import { type ChildProcess, fork } from 'node:child_process';
import type { InternetOptions, ProviderRecord } from './internet.ts';

export interface InternetQuestion {
  readonly id: number;
  readonly ask: 'records' | 'delivered' | 'refused';
  readonly run?: string;
}

/** The fake internet in a process of its own. */
export interface RemoteInternet {
  readonly dns: { readonly address: string; readonly port: number };
  readonly smtpPort: number;
  readonly pid: number;
  records(): Promise<readonly ProviderRecord[]>;
  delivered(run: string): Promise<Uint8Array>;
  refused(): Promise<ReadonlySet<string>>;
  close(): Promise<void>;
}

/**
 * Starts the fake internet as a child process and waits until it answers.
 *
 * Example: `const internet = await spawnInternet({ shape: DEMO_SHAPE, smtpPort: 0 });`
 */
export async function spawnInternet(options: Omit<InternetOptions, 'onDelivered'>): Promise<RemoteInternet> {
  const child = fork(new URL('./internet-process.ts', import.meta.url), [JSON.stringify(options)], {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, (answer: unknown) => void>();
  let nextId = 1;
  const ready = await new Promise<{ dns: { address: string; port: number }; smtpPort: number }>(
    (resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the fake internet ended with ${code}`)));
      child.on(
        'message',
        (
          message: { ready?: true; id?: number; answer?: unknown } & {
            dns: { address: string; port: number };
            smtpPort: number;
          },
        ) => {
          if (message.ready === true) return resolve(message);
          waiting.get(message.id ?? 0)?.(message.answer);
          waiting.delete(message.id ?? 0);
        },
      );
    },
  );
  const ask = <T>(
    question: Omit<InternetQuestion, 'id'>,
    check: (answer: unknown) => answer is T,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      const id = nextId++;
      waiting.set(id, (answer) =>
        check(answer) ? resolve(answer) : reject(new Error(`unexpected answer to ${question.ask}`)),
      );
      child.send({ ...question, id });
    });
  return {
    dns: ready.dns,
    smtpPort: ready.smtpPort,
    pid: child.pid ?? 0,
    records: () =>
      ask({ ask: 'records' }, (answer): answer is readonly ProviderRecord[] => Array.isArray(answer)),
    delivered: (run) => ask({ ask: 'delivered', run }, (answer) => answer instanceof Uint8Array),
    refused: () => ask({ ask: 'refused' }, (answer): answer is ReadonlySet<string> => answer instanceof Set),
    close: () => ended(child),
  };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.disconnect();
  });
}
