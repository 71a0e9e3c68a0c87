import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, Server as TlsServer } from 'node:tls';
import { SluiceError } from '@sluice/crds';
import { formatHostPort, type HostPort } from '../config/mod.ts';
import { ClientCertificates } from '../deliver/mod.ts';
import { Login } from './login.ts';
import type { ProxyOptions, ProxyRefusal } from './proxy-options.ts';
import { ProxySession, type SessionContext } from './proxy-session.ts';
import { RefusalLog } from './refusal-log.ts';
import { reset } from './relay.ts';
import { SourceAddresses } from './source-addresses.ts';

/** RFC 8996 retired what is older. */
const MIN_TLS_VERSION = 'TLSv1.2';
/** The kernel's queue of connections that were not taken yet. */
const BACKLOG = 4096;

/** A running proxy. */
export interface ProxyServer {
  /** Where it listens; ports are the real ones when 0 was asked for. */
  readonly addresses: readonly HostPort[];
  /** Clients, in handshake or relaying. */
  readonly connections: number;
  /** Octets that open relays have moved so far. */
  openRelayBytes(): { readonly toTarget: number; readonly toClient: number };
  /** Stops listening, lets connections end for so long, resets the rest. Resolves to how many it reset. */
  drain(timeoutMs: number): Promise<number>;
}

/**
 * Starts a SOCKS5 proxy for egress nodes.
 *
 * @throws {SluiceError} `SLUICE_LISTEN_FAILED`, `SLUICE_TLS_UNUSABLE`
 */
export async function startProxy(options: ProxyOptions): Promise<ProxyServer> {
  const proxy = new Proxy5(options);
  await proxy.listen();
  return proxy;
}

class Proxy5 implements ProxyServer {
  readonly #options: ProxyOptions;
  readonly #context: SessionContext;
  readonly #log: RefusalLog;
  readonly #certificates: ClientCertificates | undefined;
  readonly #servers: Server[] = [];
  readonly #clients = new Map<Socket, string>();
  readonly #perClient = new Map<string, number>();
  readonly #targets = new Set<Socket>();
  #fingerprint = '';
  #onEmpty: (() => void) | undefined;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#log = new RefusalLog(options.logger, options.nowMs);
    this.#certificates = certificatesOf(options);
    this.#context = {
      options,
      login: new Login(options.users),
      sources: new SourceAddresses(options.nowMs),
      refused: (client, { reason, detail }) => this.#refused(client, reason, detail),
      relaying: (_client, target) => {
        this.#targets.add(target);
        target.once('close', () => this.#targets.delete(target));
      },
    };
  }

  get addresses(): readonly HostPort[] {
    return this.#servers.flatMap((server) => {
      const bound = server.address();
      return typeof bound === 'object' && bound !== null ? [{ host: bound.address, port: bound.port }] : [];
    });
  }

  get connections(): number {
    return this.#clients.size;
  }

  openRelayBytes(): { readonly toTarget: number; readonly toClient: number } {
    let toTarget = 0;
    let toClient = 0;
    for (const target of this.#targets) {
      toTarget += target.bytesWritten;
      toClient += target.bytesRead;
    }
    return { toTarget, toClient };
  }

  async listen(): Promise<void> {
    for (const address of this.#options.listen) {
      const server = this.#server();
      this.#servers.push(server);
      try {
        await listening(server, address);
      } catch (error) {
        for (const open of this.#servers) open.close();
        const reason = error instanceof Error ? error.message : String(error);
        throw new SluiceError(
          'SLUICE_LISTEN_FAILED',
          { address: formatHostPort(address), reason },
          {},
          error,
        );
      }
    }
  }

  async drain(timeoutMs: number): Promise<number> {
    for (const server of this.#servers) server.close();
    if (this.#clients.size === 0) return 0;
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, timeoutMs);
      this.#onEmpty = () => {
        clearTimeout(limit);
        resolve();
      };
    });
    const left = this.#clients.size;
    for (const socket of [...this.#clients.keys(), ...this.#targets]) reset(socket);
    return left;
  }

  #server(): Server {
    const socketOptions = { allowHalfOpen: true, noDelay: true };
    if (this.#certificates === undefined)
      return createServer(socketOptions, (socket) => {
        if (this.#admitted(socket)) this.#serve(socket, addressOf(socket));
      });
    const server = createTlsServer({
      ...socketOptions,
      minVersion: MIN_TLS_VERSION,
      handshakeTimeout: this.#options.limits.handshakeTimeoutMs,
    });
    this.#renewCertificate(server);
    // Before the listener that begins the handshake: a client that is not admitted costs none.
    server.prependListener('connection', (socket: Socket) => {
      if (this.#admitted(socket)) this.#renewCertificate(server);
    });
    server.on('secureConnection', (socket) => this.#serve(socket, addressOf(socket)));
    server.on('tlsClientError', (error, socket) => {
      const client = addressOf(socket);
      if (client !== '') this.#refused(client, 'tls', error.message);
      socket.destroy();
    });
    return server;
  }

  /** Whether the client may stay; counts it until its connection is closed. */
  #admitted(socket: Socket): boolean {
    const { allowedClients, limits, report } = this.#options;
    const client = addressOf(socket);
    socket.on('error', () => {});
    const own = this.#perClient.get(client) ?? 0;
    const reason: ProxyRefusal | undefined = !allowedClients.some((network) => network.contains(client))
      ? 'client'
      : this.#clients.size >= limits.maxConnections
        ? 'connections'
        : own >= limits.maxConnectionsPerClient
          ? 'connections-per-client'
          : undefined;
    if (reason !== undefined) {
      this.#refused(client, reason, REFUSED_AT_ONCE[reason] ?? reason);
      reset(socket);
      return false;
    }
    this.#clients.set(socket, client);
    this.#perClient.set(client, own + 1);
    report.clientOpened();
    socket.once('close', () => this.#closed(socket, client));
    return true;
  }

  #closed(socket: Socket, client: string): void {
    if (!this.#clients.delete(socket)) return;
    const own = (this.#perClient.get(client) ?? 1) - 1;
    if (own === 0) this.#perClient.delete(client);
    else this.#perClient.set(client, own);
    this.#options.report.clientClosed();
    if (this.#clients.size === 0) this.#onEmpty?.();
  }

  #serve(socket: Socket, client: string): void {
    new ProxySession(socket, client, this.#context).run().catch((error: unknown) => {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#options.logger.error({ client, reason }, 'a connection failed');
      socket.destroy();
    });
  }

  #refused(client: string, reason: ProxyRefusal, detail: string): void {
    this.#options.report.refused(reason);
    this.#log.tell(client, reason, detail);
  }

  /** Connections that are open keep the certificate that they began with. */
  #renewCertificate(server: Server): void {
    const certificate = this.#certificates?.find(CERTIFICATE_NAME);
    if (certificate === undefined || !(server instanceof TlsServer)) return;
    if (certificate.fingerprint === this.#fingerprint && this.#servers.includes(server)) return;
    const { cert, key, fingerprint } = certificate;
    for (const each of [...this.#servers, server])
      if (each instanceof TlsServer) each.setSecureContext({ cert, key, minVersion: MIN_TLS_VERSION });
    this.#fingerprint = fingerprint;
  }
}

const CERTIFICATE_NAME = 'proxy';

const REFUSED_AT_ONCE: Readonly<Partial<Record<ProxyRefusal, string>>> = {
  client: 'this client is not allowed',
  connections: 'as many connections as are allowed are open',
  'connections-per-client': 'this client has as many connections as it may',
};

function certificatesOf({ tls, logger, nowMs }: ProxyOptions): ClientCertificates | undefined {
  if (tls === undefined) return undefined;
  try {
    return new ClientCertificates([{ name: CERTIFICATE_NAME, ...tls }], nowMs, {
      reloaded: () => logger.info({ file: tls.certificateFile }, 'certificate changed'),
      unusable: (_name, reason) =>
        logger.error(
          { file: tls.certificateFile, reason },
          'certificate cannot be used, the one of before goes on',
        ),
    });
  } catch (error) {
    const cause = error instanceof SluiceError ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SluiceError('SLUICE_TLS_UNUSABLE', { listener: CERTIFICATE_NAME, reason }, {}, error);
  }
}

function listening(server: Server, { host, port }: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** An IPv4 client of a listener for both families is given as IPv4. */
function addressOf(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/i, '');
}
