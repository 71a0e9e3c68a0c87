import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { HopFailure } from './hop-failure.ts';

/** RFC 8996 retired what is older. */
const MIN_VERSION = 'TLSv1.2';

/** Names of proxies whose last session is kept; a configuration names few. */
const MAX_SESSIONS = 1_000;

/** TLS to proxies: one context for all, because it costs milliseconds. `ca` in PEM replaces the roots that come with Node. */
export class TlsHop {
  readonly #ca: string | undefined;
  #context: SecureContext | undefined;
  /** By host, so that only a session whose certificate was checked for that name is resumed; it saves a fifth of the CPU of a connection. */
  readonly #sessions = new Map<string, Buffer>();

  constructor(ca: string | undefined) {
    this.#ca = ca;
  }

  /**
   * Encrypts a connection to a proxy; the certificate must be valid for `host`. Rejects with {@link HopFailure}; who gives up destroys
   * `raw`, which ends this too.
   */
  secure(raw: Socket, host: string): Promise<TLSSocket> {
    this.#context ??= createSecureContext({
      minVersion: MIN_VERSION,
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    });
    const secureContext = this.#context;
    const session = this.#sessions.get(host);
    return new Promise((resolve, reject) => {
      const socket = connect({
        socket: raw,
        host,
        // RFC 6066 §3: no address literals in the server name indication.
        ...(isIP(host) === 0 ? { servername: host } : {}),
        secureContext,
        rejectUnauthorized: true,
        ...(session === undefined ? {} : { session }),
      });
      const fail = (reason: string, cause?: unknown): void => {
        socket.on('error', () => {});
        socket.destroy();
        this.#sessions.delete(host);
        reject(new HopFailure('unreachable', `TLS handshake failed: ${reason}`, cause));
      };
      const onError = (error: Error): void => fail(error.message, error);
      const onClose = (): void => fail('it closed the connection');
      socket.once('error', onError);
      socket.once('close', onClose);
      socket.once('secureConnect', () => {
        socket.off('error', onError);
        socket.off('close', onClose);
        // In TLS 1.3 tickets come after the handshake.
        socket.on('session', (ticket) => this.#remember(host, ticket));
        resolve(socket);
      });
    });
  }

  #remember(host: string, session: Buffer): void {
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.clear();
    this.#sessions.set(host, session);
  }
}
