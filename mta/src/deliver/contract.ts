import type { Socket } from 'node:net';
import type { SessionTimeouts, TlsLevel } from '@sluice/crds';
import type { MessageBody, Reply } from '../spool/mod.ts';

/** Phase of a session in which something happened; the words that a policy's `phases` uses too. */
export type Phase =
  | 'Connect'
  | 'Greeting'
  | 'Ehlo'
  | 'StartTls'
  | 'Auth'
  | 'Mail'
  | 'Rcpt'
  | 'Data'
  | 'FinalDot'
  | 'Rset'
  | 'Quit';

/**
 * A connection or a session came to its end without a usable transaction. Never an exception.
 * `reply` is always there: the peer's own words, or a 4xx that Sluice made (`421 4.4.2 connection reset during Greeting`).
 */
export interface SessionFailure {
  readonly ok: false;
  readonly phase: Phase;
  readonly cause: 'reply' | 'timeout' | 'closed' | 'refused' | 'unreachable' | 'tls' | 'protocol' | 'local';
  readonly reply: Reply;
  /** The next host of the MX list should be tried for the same message at once (connect, greeting, 421, …). */
  readonly tryNextHost: boolean;
  /** 5xx that speaks about the whole site and message, e.g. greeting 554 of the last host, AUTH refused. */
  readonly permanent: boolean;
}

export interface SessionOptions {
  /** Connects; rejects with the system's error. The deliver room owns the socket afterwards. */
  readonly dial: (signal: AbortSignal) => Promise<Socket>;
  readonly hostName: string;
  readonly address: string;
  readonly port: number;
  readonly ehlo: string;
  readonly tls: { readonly level: TlsLevel; readonly ca?: readonly string[] };
  readonly auth?: { readonly username: string; readonly password: string };
  readonly timeouts: SessionTimeouts;
}

export interface Transaction {
  readonly sender: string;
  /** Forward-paths of one domain, at least one. */
  readonly recipients: readonly string[];
  readonly body: MessageBody;
  readonly sizeBytes: number;
  readonly eightBit: boolean;
  readonly smtputf8: boolean;
}

export interface RecipientResult {
  readonly status: 'delivered' | 'transient' | 'permanent';
  readonly phase: Phase;
  readonly reply: Reply;
}

export interface TransactionResult {
  /** One for each recipient of the transaction, in its order. */
  readonly recipients: readonly RecipientResult[];
  /** `begun` = MAIL was sent: the attempt counts. `false` = the peer had closed the idle session: nothing happened, try again elsewhere at once. */
  readonly begun: boolean;
  /** Set when the session cannot carry another transaction, with the reason. */
  readonly ended?: SessionFailure | 'peer-closed';
  /** Time from MAIL to the last reply, milliseconds. */
  readonly durationMs: number;
}

/** An open SMTP session. One transaction at a time. */
export interface Session {
  readonly ok: true;
  readonly greeting: Reply;
  readonly tls?: { readonly protocol: string; readonly cipher: string; readonly authorized: boolean };
  /** `false` once the peer closed or a failure ended it. */
  readonly usable: boolean;
  readonly transactions: number;
  /** Called at most once when the session ends while no transaction runs (the peer closed it, or said 421). */
  onEnd: (() => void) | undefined;
  send(transaction: Transaction): Promise<TransactionResult>;
  /** QUIT, then waits until the peer has closed too (bounded): after it resolves the peer no longer counts the connection. */
  close(): Promise<void>;
  /** Closes at once. Resolves after `DESTROY_GRACE_MS`, when the peer has had time to see the reset. */
  destroy(): Promise<void>;
}

/** Dials, greets, EHLO, STARTTLS, AUTH. Resolves, never rejects. */
export type OpenSession = (options: SessionOptions) => Promise<Session | SessionFailure>;
