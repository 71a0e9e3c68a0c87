import type { Socket } from 'node:net';
import type { DialTarget } from './connect.ts';
import { HopFailure } from './hop-failure.ts';
import { OctetReader, PeerClosed } from './octet-reader.ts';
import {
  ADDRESS_TYPE,
  AUTH_VERSION,
  addressBytes,
  addressMessage,
  COMMAND,
  MESSAGE_HEAD_BYTES,
  METHOD,
  methodsMessage,
  passwordMessage,
  REPLY,
  SOCKS_VERSION,
} from './socks5-message.ts';

export interface SocksCredential {
  readonly username: string;
  readonly password: string;
}

/** The system's code for what a proxy says about the target (RFC 1928 §6); everything else speaks about the proxy. */
const TARGET_CODES: ReadonlyMap<number, string> = new Map([
  [REPLY.networkUnreachable, 'ENETUNREACH'],
  [REPLY.hostUnreachable, 'EHOSTUNREACH'],
  [REPLY.connectionRefused, 'ECONNREFUSED'],
  // Proxies say so when nobody answered in time.
  [REPLY.ttlExpired, 'ETIMEDOUT'],
]);

const REPLY_TEXTS: ReadonlyMap<number, string> = new Map([
  [REPLY.generalFailure, 'general failure'],
  [REPLY.notAllowed, 'not allowed by its rules'],
  [REPLY.networkUnreachable, 'network unreachable'],
  [REPLY.hostUnreachable, 'host unreachable'],
  [REPLY.connectionRefused, 'connection refused'],
  [REPLY.ttlExpired, 'TTL expired'],
  [REPLY.commandNotSupported, 'command not supported'],
  [REPLY.addressTypeNotSupported, 'address type not supported'],
]);

/**
 * The client's side of SOCKS5 on one connection, step by step, so that the caller can tell the proxy's part from the target's. Rejects with
 * {@link HopFailure}. `stop` ends whatever step is under way.
 */
export class Socks5Client {
  readonly #socket: Socket;
  readonly #reader: OctetReader;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#reader = new OctetReader(socket);
  }

  stop(reason: unknown): void {
    this.#reader.stop(reason);
  }

  /** Agrees on a method (RFC 1928 §3) and logs in where the proxy asks for it (RFC 1929). */
  async introduce(credential: SocksCredential | undefined): Promise<void> {
    const methods = credential === undefined ? [METHOD.none] : [METHOD.none, METHOD.password];
    this.#socket.write(methodsMessage(methods));
    const [version, method] = await this.#read(2, 'the greeting');
    if (version !== SOCKS_VERSION) throw new HopFailure('unreachable', 'it does not speak SOCKS5');
    if (method === METHOD.none) return;
    if (method !== METHOD.password || credential === undefined) {
      const wanted = credential === undefined ? 'it wants a user name and a password' : 'no common method';
      throw new HopFailure('refused', `authentication failed: ${wanted}`);
    }
    this.#socket.write(passwordMessage(credential.username, credential.password));
    const [authVersion, status] = await this.#read(2, 'user name and password');
    if (authVersion === AUTH_VERSION && status === 0) return;
    throw new HopFailure('refused', `authentication failed: user "${credential.username}" is refused`);
  }

  /** Names the address to connect from, in the dialect of mail proxies: BIND before CONNECT on the same connection. */
  async bind(address: string): Promise<void> {
    this.#socket.write(addressMessage(COMMAND.bind, { address, port: 0 }));
    const reply = await this.#reply(`BIND ${address}`);
    if (reply === REPLY.ok) return;
    throw new HopFailure('refused', `BIND ${address}: ${replyText(reply)}`);
  }

  /** Resolves `undefined` when the target is connected, with the system's code for what hinders the target otherwise. */
  async connect({ address, port }: DialTarget): Promise<string | undefined> {
    this.#socket.write(addressMessage(COMMAND.connect, { address, port }));
    const reply = await this.#reply(`CONNECT ${address}:${port}`);
    if (reply === REPLY.ok) return undefined;
    const code = TARGET_CODES.get(reply);
    if (code !== undefined) return code;
    throw new HopFailure('refused', `CONNECT ${address}:${port}: ${replyText(reply)}`);
  }

  /** What follows is the target's; the socket is given back. */
  release(): void {
    this.#reader.release();
  }

  /** Reads a reply whole; the address in it says nothing that we need. */
  async #reply(step: string): Promise<number> {
    const [version, reply, , type = 0] = await this.#read(MESSAGE_HEAD_BYTES, step);
    if (version !== SOCKS_VERSION || reply === undefined)
      throw new HopFailure('unreachable', `its answer to ${step} is not SOCKS5`);
    const nameLength = type === ADDRESS_TYPE.name ? (await this.#read(1, step))[0] : 0;
    const length = addressBytes(type, nameLength);
    if (length === undefined) throw new HopFailure('unreachable', `its answer to ${step} is not SOCKS5`);
    await this.#read(length, step);
    return reply;
  }

  async #read(count: number, step: string): Promise<Buffer> {
    try {
      return await this.#reader.read(count);
    } catch (error) {
      if (error instanceof PeerClosed || isSystemError(error))
        throw new HopFailure('unreachable', `connection closed instead of an answer to ${step}`, error);
      throw error;
    }
  }
}

function replyText(reply: number): string {
  return REPLY_TEXTS.get(reply) ?? `reply ${reply}`;
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
