import { randomInt } from 'node:crypto';
import { CLOSED, type DnsExchange, type DnsServerAddress, type Silence } from './dns-exchange.ts';
import {
  type Alias,
  type DnsQuestion,
  type DnsReply,
  encodeQuery,
  type FoundNothing,
  type FoundRecords,
  readReply,
} from './dns-message.ts';
import { exchangeOverTcp } from './tcp-exchange.ts';
import { exchangeOverUdp } from './udp-exchange.ts';

export interface DnsClientOptions {
  /** Recursive resolvers in the order of preference. */
  readonly servers: readonly DnsServerAddress[];
  /** Wait for one answer, milliseconds. */
  readonly timeoutMs: number;
  /** Questions asked before giving up, over all servers. */
  readonly attempts: number;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  /** For logs and metrics: `server` (`192.0.2.53:53`) is in no other place, since replies with {@link DnsFailure.reason} reach senders. */
  readonly onServerFailure?: (server: string, reason: string) => void;
}

/** No server gave an answer. */
export interface DnsFailure {
  readonly kind: 'failure';
  /** Without the server's address. */
  readonly reason: string;
}

/** A server that was silent goes to the end of the line for so long: it costs one time-out, not one for each name. */
export const AVOID_MS = 30_000;
const CLOSED_FAILURE: DnsFailure = { kind: 'failure', reason: CLOSED.reason };
const ID_COUNT = 0x1_0000;

interface Server {
  readonly address: DnsServerAddress;
  readonly label: string;
  avoidUntilMs: number;
  /** Answers only without EDNS. */
  plain: boolean;
}

/** Asks the servers in turn until one answers: over UDP, and over TCP what does not fit. Remembers no answers. */
export class DnsClient {
  readonly #options: DnsClientOptions;
  readonly #servers: readonly Server[];
  readonly #closed = new AbortController();

  constructor(options: DnsClientOptions) {
    this.#options = options;
    this.#servers = options.servers.map((address) => ({
      address,
      label: `${address.host}:${address.port}`,
      avoidUntilMs: Number.NEGATIVE_INFINITY,
      plain: false,
    }));
  }

  /**
   * Never rejects. Only a server that was silent is asked a second time, for a packet may have been lost; what a server says it
   * would say again. An answer of nothing without proof (no SOA) counts only if no other server knows better.
   */
  async query(question: DnsQuestion): Promise<FoundRecords | FoundNothing | Alias | DnsFailure> {
    const line = this.#order();
    let unproven: FoundNothing | undefined;
    let reason = 'no DNS server is configured';
    for (let attempt = 0; attempt < this.#options.attempts; attempt++) {
      const server = line.shift();
      if (server === undefined) break;
      const reply = await this.#ask(server, question);
      if (this.#closed.signal.aborted) return CLOSED_FAILURE;
      const silent = reply.kind === 'silence' || reply.kind === 'unreachable';
      server.avoidUntilMs = silent ? this.#options.nowMs() + AVOID_MS : Number.NEGATIVE_INFINITY;
      switch (reply.kind) {
        case 'silence':
          line.push(server);
          reason = this.#failed(server, reply.reason);
          break;
        case 'unreachable':
        case 'failure':
          reason = this.#failed(server, reply.reason);
          break;
        case 'truncated':
          reason = this.#failed(server, 'truncated over TCP');
          break;
        default:
          if (!isUnproven(reply)) return reply;
          unproven ??= reply;
      }
    }
    return unproven ?? { kind: 'failure', reason };
  }

  /** Ends all that is under way; queries fail at once from then on. */
  close(): void {
    this.#closed.abort();
  }

  #failed(server: Server, reason: string): string {
    this.#options.onServerFailure?.(server.label, reason);
    return reason;
  }

  /** As configured, those that were silent lately last. */
  #order(): Server[] {
    const nowMs = this.#options.nowMs();
    const avoided = (server: Server): number => (server.avoidUntilMs > nowMs ? 1 : 0);
    return this.#servers.toSorted((a, b) => avoided(a) - avoided(b));
  }

  async #ask(server: Server, question: DnsQuestion): Promise<DnsReply | Silence> {
    const reply = await this.#exchange(server, question, !server.plain);
    if (reply.kind !== 'failure' || !reply.withoutEdns || server.plain) return reply;
    const plainly = await this.#exchange(server, question, false);
    server.plain = !['failure', 'silence', 'unreachable'].includes(plainly.kind);
    return plainly;
  }

  async #exchange(server: Server, question: DnsQuestion, edns: boolean): Promise<DnsReply | Silence> {
    const reply = await this.#over(exchangeOverUdp, server, question, edns);
    return reply.kind === 'truncated' ? this.#over(exchangeOverTcp, server, question, edns) : reply;
  }

  #over(exchange: DnsExchange, server: Server, question: DnsQuestion, edns: boolean) {
    // From the system's generator: who can guess the id can forge the answer (RFC 5452 §9.2).
    const id = randomInt(ID_COUNT);
    const query = encodeQuery(id, question, edns);
    const read = (octets: Buffer) => readReply(octets, id, question);
    return exchange(server.address, query, read, this.#options.timeoutMs, this.#closed.signal);
  }
}

function isUnproven(reply: FoundRecords | FoundNothing | Alias): reply is FoundNothing {
  return (reply.kind === 'no-name' || reply.kind === 'no-data') && reply.ttlSeconds === undefined;
}
