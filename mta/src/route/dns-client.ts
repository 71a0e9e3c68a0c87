import { randomInt } from 'node:crypto';
import type { DnsExchange, DnsServerAddress, Silence } from './dns-exchange.ts';
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
}

/** No server gave an answer. */
export interface DnsFailure {
  readonly kind: 'failure';
  readonly reason: string;
}

/** A server that was silent goes to the end of the line for so long: it costs one time-out, not one for each name. */
export const AVOID_MS = 30_000;
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

  constructor(options: DnsClientOptions) {
    this.#options = options;
    this.#servers = options.servers.map((address) => ({
      address,
      label: `${address.host}:${address.port}`,
      avoidUntilMs: Number.NEGATIVE_INFINITY,
      plain: false,
    }));
  }

  /** Never rejects. */
  async query(question: DnsQuestion): Promise<FoundRecords | FoundNothing | Alias | DnsFailure> {
    const order = this.#order();
    let reason = 'no DNS server is configured';
    for (let attempt = 0; attempt < this.#options.attempts; attempt++) {
      const server = order[attempt % order.length];
      if (server === undefined) break;
      const reply = await this.#ask(server, question);
      switch (reply.kind) {
        case 'silence':
          server.avoidUntilMs = this.#options.nowMs() + AVOID_MS;
          reason = `${server.label}: ${reply.reason}`;
          break;
        case 'failure':
          reason = `${server.label}: ${reply.reason}`;
          break;
        case 'truncated':
          reason = `${server.label}: truncated over TCP`;
          break;
        default:
          server.avoidUntilMs = Number.NEGATIVE_INFINITY;
          return reply;
      }
    }
    return { kind: 'failure', reason };
  }

  /** As configured, those that were silent lately last. */
  #order(): readonly Server[] {
    const nowMs = this.#options.nowMs();
    const avoided = (server: Server): number => (server.avoidUntilMs > nowMs ? 1 : 0);
    return this.#servers.toSorted((a, b) => avoided(a) - avoided(b));
  }

  async #ask(server: Server, question: DnsQuestion): Promise<DnsReply | Silence> {
    const reply = await this.#exchange(server, question, !server.plain);
    if (reply.kind !== 'failure' || !reply.withoutEdns || server.plain) return reply;
    const plainly = await this.#exchange(server, question, false);
    server.plain = plainly.kind !== 'failure' && plainly.kind !== 'silence';
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
    return exchange(server.address, query, read, this.#options.timeoutMs);
  }
}
