import type { DeliveryStatusRequest, MessageBody, Reply } from '../spool/mod.ts';
import type { Phase } from './phase.ts';
import type { SessionFailure } from './session-failure.ts';

/** One message to the recipients of one domain (RFC 5321 §3.3). */
export interface Transaction {
  /** Reverse-path without angle brackets, `''` = `<>`. */
  readonly sender: string;
  /** Forward-paths of one domain, at least one. */
  readonly recipients: readonly string[];
  /** CRLF line ends; what is in here goes to the wire as it is (dot-stuffed where DATA is used). */
  readonly body: MessageBody;
  readonly sizeBytes: number;
  readonly eightBit: boolean;
  readonly smtputf8: boolean;
  /** Passed on to a peer that offers DSN; its recipients are those of the transaction, in the same order. */
  readonly statusRequest?: DeliveryStatusRequest;
}

export interface RecipientResult {
  readonly status: 'delivered' | 'transient' | 'permanent';
  readonly phase: Phase;
  readonly reply: Reply;
}

export interface TransactionResult {
  /** One for each recipient of the transaction, in its order. */
  readonly recipients: readonly RecipientResult[];
  /**
   * The results count: MAIL was sent, or Sluice refused the message itself because this peer cannot carry it.
   * `false` = nothing happened, try again at once: the peer had closed the idle session, or it cannot do what it announced and is spoken to
   * without that from now on.
   */
  readonly begun: boolean;
  /** Set when the session cannot carry another transaction, with the reason. */
  readonly ended?: SessionFailure | 'peer-closed' | 'extension-broken';
  /** Time from MAIL to the last reply, milliseconds. */
  readonly durationMs: number;
}
