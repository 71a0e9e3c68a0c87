import type { Socket } from 'node:net';
import {
  ADDRESS_TYPE,
  AUTH_VERSION,
  addressBytes,
  addressMessage,
  COMMAND,
  connectTo,
  MESSAGE_HEAD_BYTES,
  METHOD,
  OctetReader,
  PeerClosed,
  REPLY,
  readAddress,
  SOCKS_VERSION,
  type SocksAddress,
  type SocksReply,
} from '../egress/mod.ts';
import type { Login } from './login.ts';
import type { ConnectResult, ProxyOptions } from './proxy-options.ts';
import { relay } from './relay.ts';
import type { SourceAddresses } from './source-addresses.ts';
import { type RefusedRequest, refusedSource, refusedTarget } from './target-rules.ts';

/** A client that was told no and does not close is cut off after this long, milliseconds. */
const CLOSE_LIMIT_MS = 5_000;

/** What the sessions of one proxy share. */
export interface SessionContext {
  readonly options: ProxyOptions;
  readonly login: Login;
  readonly sources: SourceAddresses;
  /** A client that got no connection; `client` is its address. */
  refused(client: string, refusal: Pick<RefusedRequest, 'reason' | 'detail'>): void;
  /** Octets flow between these two from now on. */
  relaying(client: Socket, target: Socket): void;
}

const ANY_ADDRESS: SocksAddress = { address: '0.0.0.0', port: 0 };

/** The client broke the protocol; it is cut off without a word. */
class Violation extends Error {}

/**
 * One client of the proxy: methods, user name and password, BIND if it names a source, CONNECT, then octets (RFC 1928, RFC 1929; BIND before CONNECT is
 * the dialect of mail proxies). Everything up to CONNECT has one deadline.
 */
export class ProxySession {
  readonly #client: Socket;
  /** Kept: a socket that is closed does not know it any more. */
  readonly #address: string;
  readonly #context: SessionContext;
  readonly #reader: OctetReader;
  /** Aborted when the client is gone. */
  readonly #gone = new AbortController();
  #deadline: NodeJS.Timeout;

  constructor(client: Socket, address: string, context: SessionContext) {
    this.#client = client;
    this.#address = address;
    this.#context = context;
    this.#reader = new OctetReader(client, () => this.#gone.abort());
    this.#deadline = setTimeout(() => {
      this.#refuse({ reason: 'timeout', detail: 'no CONNECT in time' });
      client.destroy();
    }, context.options.limits.handshakeTimeoutMs);
  }

  /** Resolves when the handshake is over, for good or ill; never rejects for what a client or a target does. */
  async run(): Promise<void> {
    try {
      if (await this.#introduced()) await this.#requests();
    } catch (error) {
      if (error instanceof Violation) this.#refuse({ reason: 'protocol', detail: error.message });
      // The reader says so when the client is gone: nobody is left to be told.
      else if (!(error instanceof PeerClosed || isSystemError(error))) throw error;
      this.#client.destroy();
    } finally {
      clearTimeout(this.#deadline);
    }
  }

  async #introduced(): Promise<boolean> {
    const [version, count = 0] = await this.#reader.read(2);
    if (version !== SOCKS_VERSION) throw new Violation(`first octet ${version}: it does not speak SOCKS5`);
    const methods = count === 0 ? Buffer.alloc(0) : await this.#reader.read(count);
    const { login } = this.#context;
    const wanted = login.open ? METHOD.none : METHOD.password;
    if (!methods.includes(wanted)) {
      this.#farewell(Buffer.from([SOCKS_VERSION, METHOD.refused]));
      this.#refuse({ reason: 'auth', detail: 'it offers no method that is accepted' });
      return false;
    }
    this.#client.write(Buffer.from([SOCKS_VERSION, wanted]));
    if (wanted === METHOD.none) return true;
    const authVersion = (await this.#reader.read(1))[0];
    if (authVersion !== AUTH_VERSION) throw new Violation('its log-in is not RFC 1929');
    const username = await this.#text();
    if (login.passes(username, await this.#text())) {
      this.#client.write(Buffer.from([AUTH_VERSION, 0]));
      return true;
    }
    this.#farewell(Buffer.from([AUTH_VERSION, 1]));
    this.#refuse({ reason: 'auth', detail: `user ${JSON.stringify(username)} is refused` });
    return false;
  }

  async #text(): Promise<string> {
    const length = (await this.#reader.read(1))[0] ?? 0;
    return length === 0 ? '' : (await this.#reader.read(length)).toString('utf8');
  }

  async #requests(): Promise<void> {
    const { options } = this.#context;
    let source: string | undefined;
    for (;;) {
      const { command, target } = await this.#request();
      if (target === undefined) {
        const detail = 'it names its target instead of giving an address';
        return this.#deny({ reply: REPLY.addressTypeNotSupported, reason: 'target', detail });
      }
      if (command === COMMAND.connect) {
        const refused = refusedTarget(target, source, options);
        return refused === undefined ? this.#connect(target, source) : this.#deny(refused);
      }
      if (command !== COMMAND.bind) {
        const detail = `command ${command}`;
        return this.#deny({ reply: REPLY.commandNotSupported, reason: 'protocol', detail });
      }
      const refused = await this.#bind(target, source);
      if (refused !== undefined) return this.#deny(refused);
      source = target.address;
    }
  }

  /** `target` undefined = it is a name. */
  async #request(): Promise<{ readonly command: number; readonly target?: SocksAddress }> {
    const [version, command = 0, , type = 0] = await this.#reader.read(MESSAGE_HEAD_BYTES);
    if (version !== SOCKS_VERSION) throw new Violation('its request is not SOCKS5');
    const nameLength = type === ADDRESS_TYPE.name ? (await this.#reader.read(1))[0] : 0;
    const length = addressBytes(type, nameLength);
    if (length === undefined) throw new Violation(`address type ${type}`);
    const octets = await this.#reader.read(length);
    return type === ADDRESS_TYPE.name ? { command } : { command, target: readAddress(octets) };
  }

  async #bind(wanted: SocksAddress, before: string | undefined): Promise<RefusedRequest | undefined> {
    if (before !== undefined) {
      return { reply: REPLY.generalFailure, reason: 'protocol', detail: 'BIND a second time' };
    }
    const refused = refusedSource(wanted, this.#context.options);
    if (refused !== undefined) return refused;
    if (!(await this.#context.sources.has(wanted.address))) {
      const detail = `source ${wanted.address} is not on this machine`;
      return { reply: REPLY.generalFailure, reason: 'source', detail };
    }
    this.#client.write(addressMessage(REPLY.ok, wanted));
    return undefined;
  }

  async #connect(target: SocksAddress, source: string | undefined): Promise<void> {
    clearTimeout(this.#deadline);
    const { options, sources } = this.#context;
    let connection: Socket;
    try {
      connection = await connectTo(target, source, options.limits.connectTimeoutMs, this.#gone.signal);
    } catch (error) {
      const { reply, result } = outcomeOf(error, this.#gone.signal);
      options.report.connected(result, source ?? '');
      if (result === 'failed' && source !== undefined) sources.forget(source);
      options.logger.debug(
        {
          client: this.#address,
          source,
          target: `${target.address}:${target.port}`,
          reason: error instanceof Error ? error.message : String(error),
        },
        'a target was not reached',
      );
      this.#farewell(addressMessage(reply, ANY_ADDRESS));
      return;
    }
    options.report.connected('ok', source ?? '');
    this.#client.write(
      addressMessage(REPLY.ok, {
        address: connection.localAddress ?? ANY_ADDRESS.address,
        port: connection.localPort ?? 0,
      }),
    );
    this.#reader.release();
    this.#context.relaying(this.#client, connection);
    relay(this.#client, connection, options.limits.idleTimeoutMs, () =>
      options.report.relayEnded(connection.bytesWritten, connection.bytesRead),
    );
  }

  #deny(refused: RefusedRequest): void {
    this.#farewell(addressMessage(refused.reply, ANY_ADDRESS));
    this.#refuse(refused);
  }

  /** The last word; what the client still says is not read as anything. */
  #farewell(word: Buffer): void {
    this.#reader.release();
    const limit = setTimeout(() => this.#client.destroy(), CLOSE_LIMIT_MS);
    this.#client
      .on('error', () => {})
      .on('data', () => {})
      .once('close', () => clearTimeout(limit))
      .end(word);
  }

  #refuse(refusal: Pick<RefusedRequest, 'reason' | 'detail'>): void {
    this.#context.refused(this.#address, refusal);
  }
}

/** What the client and the metrics are told about a failed connection (RFC 1928 §6). */
function outcomeOf(
  error: unknown,
  gone: AbortSignal,
): { readonly reply: SocksReply; readonly result: ConnectResult } {
  if (gone.aborted) return { reply: REPLY.generalFailure, result: 'gone' };
  switch (error instanceof Error && 'code' in error ? error.code : '') {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
      return { reply: REPLY.connectionRefused, result: 'refused' };
    case 'ENETUNREACH':
    case 'ENETDOWN':
      return { reply: REPLY.networkUnreachable, result: 'unreachable' };
    case 'EHOSTUNREACH':
    case 'EHOSTDOWN':
      return { reply: REPLY.hostUnreachable, result: 'unreachable' };
    case 'ETIMEDOUT':
      return { reply: REPLY.ttlExpired, result: 'timeout' };
    default:
      return { reply: REPLY.generalFailure, result: 'failed' };
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}
