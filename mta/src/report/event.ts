/**
 * One event per fact (DESIGN §4.9). The JSON that users read: names are stable, a new member may appear at any time.
 */
export type EventType =
  /** A message was stored and answered with 250. */
  | 'accepted'
  | 'delivered'
  | 'deferred'
  /** Permanent failure of a recipient. */
  | 'bounced'
  /** Given up after `expireAfter`. */
  | 'expired'
  /** A message was refused at intake. */
  | 'rejected';

export interface MailEvent {
  readonly type: EventType;
  /** RFC 3339 with milliseconds, UTC. */
  readonly time: string;
  /** Message id (ULID); `''` for `rejected` before one was given. */
  readonly id: string;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly tenant?: string;
  readonly campaign?: string;
  readonly class?: string;
  readonly sizeBytes?: number;
  readonly pool?: string;
  readonly source?: string;
  readonly sourceAddress?: string;
  readonly site?: string;
  readonly group?: string;
  readonly domain?: string;
  readonly mxHost?: string;
  readonly mxAddress?: string;
  /** Attempts made including this one. */
  readonly attempts?: number;
  readonly phase?: string;
  readonly reply?: { readonly code: number; readonly enhanced: string; readonly text: string };
  /** `deferred`: when the next attempt is due, RFC 3339. */
  readonly nextAttempt?: string;
  /** Milliseconds since acceptance. */
  readonly ageMs?: number;
  readonly tls?: { readonly protocol: string; readonly cipher: string };
  readonly origin?: string;
}
