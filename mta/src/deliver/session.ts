import type { Socket } from 'node:net';
import type { SessionTimeouts, TlsLevel } from '@sluice/crds';
import type { Reply } from '../spool/mod.ts';
import type { SessionFailure } from './session-failure.ts';
import type { Transaction, TransactionResult } from './transaction.ts';

export interface SessionOptions {
  /**
   * Connects; rejects with the system's error. The deliver room owns the socket afterwards. Called again, one connection after the other, when a
   * TLS handshake fails that resumed an earlier one (once more, without) or that was opportunistic (the last one stays in clear).
   */
  readonly dial: (signal: AbortSignal) => Promise<Socket>;
  readonly hostName: string;
  readonly address: string;
  readonly port: number;
  readonly ehlo: string;
  readonly tls: {
    readonly level: TlsLevel;
    /** Replaces the trusted roots (PEM); it matters to level Verify only. */
    readonly ca?: readonly string[];
    /** Certificate that is shown to a host that asks for one. */
    readonly clientCertificateName?: string;
  };
  readonly auth?: { readonly username: string; readonly password: string };
  readonly timeouts: SessionTimeouts;
  /** Gives up opening; without effect once the session is open. */
  readonly signal?: AbortSignal;
}

/** The encryption of a session. */
export interface SessionTls {
  /** `TLSv1.3` */
  readonly protocol: string;
  readonly cipher: string;
  /** The certificate is good for the host name under the trusted roots, whether the level asks for it or not. */
  readonly verified: boolean;
  /** The handshake took up an earlier one; what is `verified` was found out then. */
  readonly resumed: boolean;
}

/** An open SMTP session. One transaction at a time. */
export interface Session {
  readonly ok: true;
  readonly greeting: Reply;
  readonly tls?: SessionTls;
  /** `false` once the peer closed or a failure ended it. */
  readonly usable: boolean;
  /** The peer offers DSN (RFC 3461): reports about what it took are its own business. */
  readonly dsn: boolean;
  /** Transactions begun. */
  readonly transactions: number;
  /** Called at most once when the session ends while no transaction runs (the peer closed it, or said 421). */
  onEnd: (() => void) | undefined;
  /** Resolves, never rejects. Calling it while a transaction runs is a bug and throws. */
  send(transaction: Transaction): Promise<TransactionResult>;
  /** Lets a running transaction end, then QUIT, then waits until the peer has closed too (bounded): after it resolves the peer no longer counts the connection. */
  close(): Promise<void>;
  /** Closes at once. Resolves after `DESTROY_GRACE_MS`, when the peer has had time to see the reset. */
  destroy(): Promise<void>;
}

/** Dials, greets, EHLO, STARTTLS, AUTH. Resolves, never rejects. */
export type OpenSession = (options: SessionOptions) => Promise<Session | SessionFailure>;
