import type { Rejection } from './contract.ts';
import type { BareLineEnding } from './data-phase.ts';
import type { MappedHeaders } from './header-scan.ts';

/** Somebody who may hand in mail with AUTH. */
export interface AuthUser {
  readonly username: string;
  /** Tenant of the user's mail; `''` = none, a mapped header field may name one. */
  readonly tenant: string;
  /** Must take the same time whatever the password: `passwordCheck` makes one for a known secret. */
  readonly checkPassword: (password: string) => boolean | Promise<boolean>;
}

/** Certificate and key in PEM. */
export interface TlsMaterial {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
}

export interface ListenerTls extends TlsMaterial {
  /** `StartTls` offers it in EHLO; `Implicit` begins with the handshake (RFC 8314, port 465). */
  readonly mode: 'StartTls' | 'Implicit';
}

/** What is known when the tenant of a message is decided. */
export interface TenantFacts {
  /** Name given to AUTH, `''` = the client is in a relay network. */
  readonly username: string;
  /** {@link AuthUser.tenant}. */
  readonly userTenant: string;
  /** Reverse-path, `''` = null. */
  readonly sender: string;
  /** Value of the mapped header field if the client may set it, else `''`. */
  readonly header: string;
}

/** Limits of one listener; zero or less is not allowed anywhere. */
export interface ListenerLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  readonly maxMessagesPerConnection: number;
  readonly maxRecipients: number;
  /** Octets of a message after the dots are taken off. Told in EHLO. */
  readonly maxMessageBytes: number;
  /** Octets of all messages that are being received or wait for `accept`, over all connections. */
  readonly maxReceivingBytes: number;
  readonly maxErrors: number;
  /** For the PROXY header and the TLS handshake together, from the connection or from STARTTLS on; then the connection is cut. */
  readonly handshakeTimeoutMs: number;
  /** A client that sends no command reads 421 after this. RFC 5321 §4.5.3.2.7 asks for at least 5 minutes. */
  readonly idleTimeoutMs: number;
  /** Longest time for a command that was begun, and longest silence inside a message. */
  readonly commandTimeoutMs: number;
  /** From DATA to the end of the message. */
  readonly dataTotalTimeoutMs: number;
}

export const DEFAULT_LISTENER_LIMITS: ListenerLimits = {
  maxConnections: 5000,
  maxConnectionsPerClient: 500,
  maxMessagesPerConnection: 10_000,
  maxRecipients: 1000,
  maxMessageBytes: 50 * 1024 * 1024,
  maxReceivingBytes: 256 * 1024 * 1024,
  maxErrors: 20,
  handshakeTimeoutMs: 30_000,
  idleTimeoutMs: 300_000,
  commandTimeoutMs: 180_000,
  dataTotalTimeoutMs: 900_000,
};

export interface SmtpListenerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Other processes may listen on the same port: the kernel deals connections out (SO_REUSEPORT). */
  readonly sharePort?: boolean;
  /** Said in the greeting and in Received. */
  readonly hostname: string;
  readonly tls?: ListenerTls;
  readonly auth?: {
    readonly findUser: (username: string) => AuthUser | undefined;
    /** `false` also offers AUTH in the clear: for loopback and trusted networks only. Default `true`. */
    readonly requireTls?: boolean;
  };
  /** Clients in these networks may relay without AUTH. CIDR; a single address is allowed. */
  readonly relayNetworks: readonly string[];
  /** Clients in these networks must begin with a PROXY header (v1 or v2), and their word is believed. */
  readonly proxyNetworks?: readonly string[];
  readonly limits?: Partial<ListenerLimits>;
  /** Default `Reject`. */
  readonly bareLineEnding?: BareLineEnding;
  /** Header fields that carry tenant, campaign and class: read from those who may set them, never stored. */
  readonly headers?: MappedHeaders & {
    /** Whether clients that relay by their network alone may set them. Default `true`; authenticated ones always may. */
    readonly fromRelayNetworks?: boolean;
  };
  /** Decides the tenant of a message, or refuses it. Default: the user's tenant, else the header's. */
  readonly resolveTenant?: (facts: TenantFacts) => string | Rejection;
  /** Offers DSN (RFC 3461). Default `false`: only who sends the reports may promise them. */
  readonly dsn?: boolean;
  /** Asked at MAIL and before a message is accepted: `452 4.3.1` while disk or memory are low. */
  readonly pressure?: () => Rejection | undefined;
}

/** In which step something was refused. */
export type IntakePhase = 'Connect' | 'Ehlo' | 'Auth' | 'Mail' | 'Rcpt' | 'Data' | 'FinalDot' | 'Idle';

/** What was known about the mail when it was refused. */
export interface RefusedMail {
  readonly phase: IntakePhase;
  /** As in {@link Envelope.origin}. */
  readonly origin: string;
  /** `''` before the message had one. */
  readonly id: string;
  readonly sender: string;
  /** At phase `Rcpt` the refused one alone, later all accepted ones. */
  readonly recipients: readonly string[];
}

/** What the listener tells; called synchronously, must not throw. */
export interface ListenerHooks {
  connectionOpened?(): void;
  connectionClosed?(): void;
  /** Every 4xx and 5xx reply. */
  refused?(reply: Rejection, mail: RefusedMail): void;
  /** `accept`, `checkPassword` or another function that was passed in threw: a bug or broken I/O. */
  failed?(error: unknown): void;
}
