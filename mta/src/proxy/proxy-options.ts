import type { HostPort, Logger, Network } from '../config/mod.ts';

/** How a SOCKS5 proxy for egress nodes behaves. */
export interface ProxyOptions {
  readonly listen: readonly HostPort[];
  /** Clients outside these networks are cut off before they say anything. */
  readonly allowedClients: readonly Network[];
  /** Addresses that may be connected from; empty = every address of this machine, and the kernel's choice where a client names none. */
  readonly allowedSources: readonly Network[];
  readonly allowedPorts: ReadonlySet<number>;
  /** Networks that may be connected to although they are loopback, private or reserved. */
  readonly allowedTargets: readonly Network[];
  /** Empty = nobody has to log in. */
  readonly users: readonly ProxyUser[];
  /** Absent = no encryption. */
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string };
  readonly limits: ProxyLimits;
  readonly logger: Logger;
  readonly report: ProxyReport;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
}

export interface ProxyUser {
  readonly username: string;
  readonly password: string;
}

export interface ProxyLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  /** From the first octet to the CONNECT request, TLS included. */
  readonly handshakeTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** No octet in either direction for so long ends a connection. */
  readonly idleTimeoutMs: number;
}

/** Why a client got no connection. */
export type ProxyRefusal =
  | 'client'
  | 'connections'
  | 'connections-per-client'
  | 'tls'
  | 'protocol'
  | 'timeout'
  | 'auth'
  | 'source'
  | 'target'
  | 'port';

/** What became of a connection to a target. */
export type ConnectResult = 'ok' | 'refused' | 'unreachable' | 'timeout' | 'failed' | 'gone';

/** Is told what happens, for metrics. */
export interface ProxyReport {
  clientOpened(): void;
  clientClosed(): void;
  refused(reason: ProxyRefusal): void;
  connected(result: ConnectResult, source: string): void;
  relayEnded(bytesToTarget: number, bytesToClient: number): void;
}

/** The ports that mail is handed over on: 25, and those of smart hosts. */
export const ALLOWED_PORTS: readonly number[] = [25, 465, 587, 2525];
/** A pod has some hundred sessions per source; a node serves some pods with some dozen sources. */
export const MAX_CONNECTIONS = 20_000;
/** Half of all: one pod cannot take everything. */
export const MAX_CONNECTIONS_PER_CLIENT = 10_000;
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** As long as policies let a connection take unless they say otherwise. */
export const CONNECT_TIMEOUT_MS = 60_000;
/** RFC 5321 §4.5.3.2.6: a host may take ten minutes after the final dot. */
export const IDLE_TIMEOUT_MS = 15 * 60_000;
/** As `sluice run`: supervisors usually wait 30 s before they kill. */
export const DRAIN_TIMEOUT_MS = 25_000;
