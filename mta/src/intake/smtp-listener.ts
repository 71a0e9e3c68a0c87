import { constants, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { SluiceError } from '@sluice/crds';
import type { AcceptMessage, Rejection } from './contract.ts';
import { headerMap } from './header-scan.ts';
import {
  DEFAULT_LISTENER_LIMITS,
  type ListenerHooks,
  type ListenerLimits,
  type SmtpListenerOptions,
  type TlsMaterial,
} from './listener-options.ts';
import { networkList } from './network-list.ts';
import { passwordCheck } from './password-check.ts';
import { ReceivingMemory } from './receiving-memory.ts';
import { REFUSALS } from './replies.ts';
import type { SessionContext } from './session-context.ts';
import { type ConnectionHost, SmtpConnection } from './smtp-connection.ts';

/** Connections that the kernel may hold until they are taken. */
const BACKLOG = 1024;
/** Deadlines are looked at this often at most; a shorter timeout makes it more often. */
const MAX_SWEEP_MS = 1_000;

/** A listener that takes mail. */
export interface SmtpListener {
  readonly address: string;
  readonly port: number;
  /** Connections open now. */
  connections(): number;
  /** Octets of messages being received or waiting for `accept`. */
  receivingBytes(): number;
  /** New handshakes use this certificate; running sessions keep theirs. Throws SLUICE_TLS_UNUSABLE and keeps the old one. */
  reloadTls(material: TlsMaterial): void;
  /** Takes no new connections; running sessions go on. Resolves once the port is free. */
  stopListening(): Promise<void>;
  /** Stops listening, ends idle sessions with 421, lets others finish their message; what is left after the grace is cut off. */
  close(graceMs: number): Promise<void>;
}

/**
 * Listens for SMTP and hands every checked message to `accept`; 250 is said once that resolves with `undefined`.
 * Rejects with SLUICE_LISTEN_FAILED or SLUICE_TLS_UNUSABLE.
 *
 * Example: `const listener = await startSmtpListener({ host: '::', port: 25, hostname: 'mta.example', relayNetworks: ['10.0.0.0/8'] }, accept, {})`
 */
export async function startSmtpListener(
  options: SmtpListenerOptions,
  accept: AcceptMessage,
  hooks: ListenerHooks = {},
): Promise<SmtpListener> {
  const limits: ListenerLimits = { ...DEFAULT_LISTENER_LIMITS, ...options.limits };
  const context: SessionContext = {
    options,
    limits,
    accept,
    hooks,
    memory: new ReceivingMemory(limits.maxReceivingBytes),
    headerMap: headerMap(options.headers ?? {}),
    checkNobody: passwordCheck(randomBytes(32).toString('hex')),
    wallMs: Date.now,
    nowMs: () => performance.now(),
    closing: false,
  };
  let secureContext = options.tls === undefined ? undefined : loadTls(options.tls, options.hostname);
  const connections = new Set<SmtpConnection>();
  const perClient = new Map<string, number>();
  const host: ConnectionHost = {
    context,
    relayNetworks: networkList(options.relayNetworks),
    proxyNetworks: networkList(options.proxyNetworks ?? []),
    secureContext: () => secureContext,
    admit(clientAddress) {
      const open = perClient.get(clientAddress) ?? 0;
      if (open >= limits.maxConnectionsPerClient) return REFUSALS.tooManyFromClient;
      perClient.set(clientAddress, open + 1);
      return undefined;
    },
    closed(connection) {
      connections.delete(connection);
      hooks.connectionClosed?.();
      const address = connection.clientAddress;
      const open = perClient.get(address) ?? 0;
      if (open > 1) perClient.set(address, open - 1);
      else perClient.delete(address);
      if (connections.size === 0) whenEmpty?.();
    },
  };
  let whenEmpty: (() => void) | undefined;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection = new SmtpConnection(socket, host);
    const full: Rejection | undefined =
      connections.size >= limits.maxConnections ? REFUSALS.tooManyConnections : undefined;
    connections.add(connection);
    hooks.connectionOpened?.();
    connection.start(full);
  });
  const { address, port } = await listen(server, options);
  const sweepMs = Math.min(MAX_SWEEP_MS, ...timeouts(limits).map((ms) => Math.max(5, ms / 4)));
  const sweeper = setInterval(() => {
    const now = context.nowMs();
    for (const connection of connections) connection.sweep(now);
  }, sweepMs);
  sweeper.unref();

  let stopped: Promise<void> | undefined;
  const stopListening = (): Promise<void> => {
    // The callback of `close` waits for the connections too; the port is free at once.
    stopped ??= new Promise((resolve) => {
      server.close();
      setImmediate(resolve);
    });
    return stopped;
  };

  return {
    address,
    port,
    connections: () => connections.size,
    receivingBytes: () => context.memory.bytes,
    reloadTls(material) {
      secureContext = loadTls(material, options.hostname);
    },
    stopListening,
    async close(graceMs) {
      context.closing = true;
      await stopListening();
      for (const connection of connections) connection.shutDown();
      if (connections.size > 0) {
        const empty = new Promise<void>((resolve) => {
          whenEmpty = resolve;
        });
        const timer = setTimeout(() => {
          for (const connection of connections) connection.destroy();
        }, graceMs);
        await empty;
        clearTimeout(timer);
      }
      clearInterval(sweeper);
    },
  };
}

function timeouts(limits: ListenerLimits): readonly number[] {
  return [
    limits.handshakeTimeoutMs,
    limits.idleTimeoutMs,
    limits.commandTimeoutMs,
    limits.dataTotalTimeoutMs,
  ];
}

function listen(
  server: Server,
  options: SmtpListenerOptions,
): Promise<{ readonly address: string; readonly port: number }> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const address = `${options.host}:${options.port}`;
      reject(new SluiceError('SLUICE_LISTEN_FAILED', { address, reason: cause.message }, {}, cause));
    });
    const { host, port, sharePort = false } = options;
    server.listen({ host, port, backlog: BACKLOG, reusePort: sharePort }, () => {
      const bound = server.address();
      // A failing `accept(2)` (no file descriptors left) is reported as an error: the listener goes on.
      server.removeAllListeners('error');
      server.on('error', () => undefined);
      if (typeof bound === 'object' && bound !== null) resolve({ address: bound.address, port: bound.port });
      else reject(new Error('a TCP listener without an address'));
    });
  });
}

function loadTls(material: TlsMaterial, listener: string): SecureContext {
  try {
    return createSecureContext({
      key: material.key,
      cert: material.cert,
      minVersion: 'TLSv1.2',
      // A TLS 1.2 client could ask for handshake after handshake on one connection.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SluiceError('SLUICE_TLS_UNUSABLE', { listener, reason }, {}, cause);
  }
}
