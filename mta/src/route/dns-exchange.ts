import type { DnsReply } from './dns-message.ts';

export interface DnsServerAddress {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/** Nothing came back that answers the question. `silence`: not in time, so a packet may be lost. `unreachable`: the network says no. */
export interface Silence {
  readonly kind: 'silence' | 'unreachable';
  /** Without the server's address: it may reach the senders of mail. */
  readonly reason: string;
}

/**
 * Sends one query to one server and waits for its reply. Never rejects.
 *
 * @param read what came from the server; `undefined` = not the reply, wait on
 * @param closed ends the wait at once
 */
export type DnsExchange = (
  server: DnsServerAddress,
  query: Buffer,
  read: (octets: Buffer) => DnsReply | undefined,
  timeoutMs: number,
  closed: AbortSignal,
) => Promise<DnsReply | Silence>;

export const LATE: Silence = { kind: 'silence', reason: 'no answer in time' };
export const CLOSED: Silence = { kind: 'unreachable', reason: 'this process is ending' };

/** Of a socket's error only the code: the message holds the server's address. */
export function unreachable(error: Error): Silence {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'the socket failed';
  return { kind: 'unreachable', reason: `no connection (${code})` };
}
