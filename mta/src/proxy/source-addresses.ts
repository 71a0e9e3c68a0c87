import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** How long it is remembered that an address is on this machine, milliseconds; addresses move between nodes. */
export const KNOWN_MS = 30_000;
/** Addresses after which the memory is emptied. */
const MAX_KNOWN = 10_000;

/**
 * Which addresses can be connected from. Asked of the kernel by binding a UDP socket: lists of interfaces do not tell about routes of type
 * local, which whole networks are often brought to a node by.
 */
export class SourceAddresses {
  readonly #nowMs: () => number;
  readonly #knownUntilMs = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  async has(address: string): Promise<boolean> {
    const nowMs = this.#nowMs();
    if ((this.#knownUntilMs.get(address) ?? 0) > nowMs) return true;
    if (!(await canBind(address))) return false;
    if (this.#knownUntilMs.size >= MAX_KNOWN) this.#knownUntilMs.clear();
    this.#knownUntilMs.set(address, nowMs + KNOWN_MS);
    return true;
  }

  /** It turned out not to be there. */
  forget(address: string): void {
    this.#knownUntilMs.delete(address);
  }
}

function canBind(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    const done = (can: boolean): void => {
      socket.close();
      resolve(can);
    };
    socket.once('error', () => done(false));
    socket.bind({ address, port: 0, exclusive: true }, () => done(true));
  });
}
