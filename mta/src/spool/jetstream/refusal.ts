import type { AppendRefusal } from '../spool.ts';

/** `error` of a JetStream API answer or of a publish ack. */
export interface ApiError {
  /** HTTP-like. */
  readonly code: number;
  /** Number of the error in nats-server's `errors.json`, 0 where there is none. */
  readonly errorCode: number;
  readonly description: string;
}

/** Numbers of nats-server 2.15's `errors.json`. */
const ACCOUNT_RESOURCES_EXCEEDED = 10002;
const INSUFFICIENT_RESOURCES = 10023;
const MEMORY_RESOURCES_EXCEEDED = 10028;
const STORAGE_RESOURCES_EXCEEDED = 10047;
/** Carries the store's own error, of which "maximum bytes exceeded" is one. */
const STREAM_STORE_FAILED = 10077;
const STREAM_BYTES_ABOVE_ACCOUNT = 10122;
export const WRONG_LAST_SEQUENCE = 10071;
export const WRONG_LAST_SEQUENCE_CONSTANT = 10164;

/** There is no room: more storage helps, or mail that leaves. */
const FULL = new Set([
  ACCOUNT_RESOURCES_EXCEEDED,
  INSUFFICIENT_RESOURCES,
  MEMORY_RESOURCES_EXCEEDED,
  STORAGE_RESOURCES_EXCEEDED,
  STREAM_BYTES_ABOVE_ACCOUNT,
]);

/** What the store of a stream says when a bound of the stream is reached (`discard: new`). */
const STORE_FULL = /maximum (bytes|messages|messages per subject) exceeded|no space left on device/i;

/** What a full store cannot be mended by: named for the log. */
const CURES: Readonly<Record<number, string>> = {
  10003: 'the versions of Sluice and nats-server do not fit',
  10008: 'the cluster has no leader now',
  10035: 'the account of the user is gone',
  10039: 'enable JetStream for the account',
  10054: 'raise max_msg_size of the stream or remove it',
  10059: 'the stream was deleted; restart Sluice to make it again',
  10060: 'another stream took the subject',
  10076: 'enable JetStream on the server',
  10097: 'report this: Sluice keeps headers below 64 KiB',
  10109: 'the stream is sealed: it cannot be opened again, make another prefix',
  10118: 'the stream is offline: update nats-server, or look at its log',
  10167: 'the servers cannot keep up',
  10194: 'the stream is offline: update nats-server, or look at its log',
};

/**
 * What a client is told when JetStream says no to its message. Nothing that comes here is stored.
 *
 * Example: `refusalOf({ code: 503, errorCode: 10077, description: 'maximum bytes exceeded' })` → `{ refused: 'full', … }`
 */
export function refusalOf({ errorCode, description }: ApiError): AppendRefusal {
  if (isFull(errorCode, description)) {
    return {
      refused: 'full',
      reason: `NATS has no room: ${description} (${errorCode}); raise max_bytes of the stream and max_file_store of the servers`,
    };
  }
  const cure = CURES[errorCode];
  const text = errorCode === 0 ? description : `${description} (${errorCode})`;
  return {
    refused: 'unavailable',
    reason: `NATS refused the message: ${text}${cure === undefined ? '' : `; ${cure}`}`,
  };
}

function isFull(errorCode: number, description: string): boolean {
  return FULL.has(errorCode) || (errorCode === STREAM_STORE_FAILED && STORE_FULL.test(description));
}
