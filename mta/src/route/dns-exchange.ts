import type { DnsReply } from './dns-message.ts';

export interface DnsServerAddress {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/** Nothing came back that answers the question. */
export interface Silence {
  readonly kind: 'silence';
  readonly reason: string;
}

/**
 * Sends one query to one server and waits for its reply. Never rejects.
 *
 * @param read what came from the server; `undefined` = not the reply, wait on
 */
export type DnsExchange = (
  server: DnsServerAddress,
  query: Buffer,
  read: (octets: Buffer) => DnsReply | undefined,
  timeoutMs: number,
) => Promise<DnsReply | Silence>;
