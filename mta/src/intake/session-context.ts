import type { AcceptMessage } from './contract.ts';
import type { HeaderMap } from './header-scan.ts';
import type { ListenerHooks, ListenerLimits, SmtpListenerOptions } from './listener-options.ts';
import type { ReceivingMemory } from './receiving-memory.ts';

/** What all sessions of a listener share. */
export interface SessionContext {
  readonly options: SmtpListenerOptions;
  readonly limits: ListenerLimits;
  readonly accept: AcceptMessage;
  readonly hooks: ListenerHooks;
  readonly memory: ReceivingMemory;
  readonly headerMap: HeaderMap;
  /** A password check that nobody passes, for names that nobody has. */
  readonly checkNobody: (password: string) => boolean;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Monotonic clock, milliseconds. */
  readonly nowMs: () => number;
  /** The listener is closing: no new transactions. */
  closing: boolean;
}

/** Who is at the other end, after the PROXY header. */
export interface SessionClient {
  readonly address: string;
  /** In `relayNetworks`. */
  readonly mayRelay: boolean;
}

/** A TLS session in force. */
export interface TlsFacts {
  readonly protocol: string;
  readonly cipher: string;
}

/** What a session asks of its connection. */
export interface SessionWire {
  /** Sends replies; all that one chunk of input led to come in one call. */
  write(text: string): void;
  /** Sends replies and closes. */
  end(text: string): void;
  /** Sends the reply and begins the handshake. */
  startTls(text: string): void;
  /** The client need not be read until {@link resume}. */
  pause(): void;
  resume(): void;
}
