import type { DeliveryStatusRequest } from './delivery-status-request.ts';

/**
 * What Sluice knows of a message besides its bytes: the SMTP envelope (RFC 5321 §2.3.1) and what
 * queueing needs. Stored once, never changed. Everything that changes is in {@link GroupState}.
 */
export interface Envelope {
  /** ULID; its first 48 bits are the time of acceptance. */
  readonly id: string;
  /** Reverse-path without angle brackets; `''` is the null reverse-path `<>`. */
  readonly sender: string;
  /** Forward-paths without angle brackets, in the order of RCPT TO. An index into this list names a recipient everywhere. */
  readonly recipients: readonly string[];
  /** Name of the tenant, `''` when none is known. */
  readonly tenant: string;
  readonly campaign: string;
  /** Name of the class (see `classes` in sluice.yaml), `''` is the default class. */
  readonly class: string;
  /** Wall time, milliseconds since 1970. */
  readonly acceptedAtMs: number;
  /** First attempt not before this wall time; 0 = at once. */
  readonly notBeforeMs: number;
  /** Give up at this wall time whatever the policy says; 0 = the policy's `expireAfter`. */
  readonly expireAtMs: number;
  /** Bytes of the RFC 5322 message as stored. */
  readonly sizeBytes: number;
  /** RFC 6152: some octet of the message is above 127. */
  readonly eightBit: boolean;
  /** RFC 6531: an address or a header needs SMTPUTF8. */
  readonly smtputf8: boolean;
  /** Where it came from, for events: `smtp [192.0.2.1] user=alice`. */
  readonly origin: string;
  /** Accepted without the signature that a rule asks for: the file of the key that was missing. Never sent before it is signed. */
  readonly awaitsSignature?: string;
  /** Absent = nothing was said about reports (RFC 3461): most mail. */
  readonly statusRequest?: DeliveryStatusRequest;
}

/** RFC 5322 bytes, CRLF line ends, in as many pieces as it was received in (they are never joined on the way). */
export type MessageBody = readonly Buffer[];
