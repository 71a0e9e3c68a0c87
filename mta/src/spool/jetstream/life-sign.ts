import { readFileSync, readlinkSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { newMessageId } from '../message-id.ts';

/** How others on the same kernel see whether a process lives; goes with its session. */
export interface LifeSign {
  /** The kernel, by its boot, and the network namespace; `''` = nobody can see it so. */
  readonly home: string;
  /** Of a socket in the abstract namespace, on which the process listens for as long as it lives. */
  readonly socket: string;
}

export const NO_LIFE_SIGN: LifeSign = { home: '', socket: '' };

/**
 * Begins to listen, until the process ends: then the kernel closes the socket, however it ends, and never sooner: not while it is stopped, or hangs,
 * or is cut off. Containers of one pod share its network namespace, so the next process of a pod sees the end of the one before. Linux only; elsewhere,
 * and where there is no /proc, nobody sees anything.
 *
 * Example: `if (await hasEnded(await showLifeSign(), other.life)) adopt();`
 */
export async function showLifeSign(): Promise<LifeSign> {
  const home = homeOf();
  if (home === undefined) return NO_LIFE_SIGN;
  const socket = `sluice-${newMessageId(Date.now())}`;
  const server: Server = createServer((asker) => asker.destroy());
  server.unref();
  const listens = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(`\0${socket}`, () => resolve(true));
  });
  return listens ? { home, socket } : NO_LIFE_SIGN;
}

/** `true` = the kernel says that the process has ended; `false` = it lives, or that cannot be seen from here. */
export function hasEnded(own: LifeSign, other: LifeSign): Promise<boolean> {
  if (other.home === '' || other.socket === '' || other.home !== own.home) return Promise.resolve(false);
  return new Promise((resolve) => {
    const asker = createConnection({ path: `\0${other.socket}` });
    asker.once('connect', () => {
      asker.destroy();
      resolve(false);
    });
    // Anything else, as a full backlog of one that is stopped, proves nothing.
    asker.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

function homeOf(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/net')}`;
  } catch {
    return undefined;
  }
}
