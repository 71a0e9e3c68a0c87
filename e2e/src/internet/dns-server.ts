import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import dnsPacket, { type RecordType } from 'dns-packet';
import { encodeReply, fitsIn, readQuestion, type ServerQuestion } from './dns-reply.ts';
import type { Zone, ZoneFault, ZoneReply } from './dns-zone.ts';

export interface DnsServerOptions {
  readonly zone: Zone;
  /** In 127.0.0.0/8, or in 10.0.0.0/8 within a network namespace of a test's own; default 127.0.0.1. */
  readonly address?: string;
  /** The same for UDP and TCP; 0 (default) = a free one. */
  readonly port?: number;
}

export interface DnsServer {
  readonly address: string;
  readonly port: number;
  /** Questions for a name, of one type or of all, over both transports. */
  asked(name: string, type?: RecordType): number;
  /** Questions for all names. */
  readonly askedInAll: number;
  readonly askedOverTcp: number;
  close(): Promise<void>;
}

const DEFAULT_ADDRESS = '127.0.0.1';
/** A port that is free for UDP may be taken for TCP: try others. */
const PORT_TRIES = 20;

/**
 * Starts an authoritative DNS server for a made-up internet, over UDP and TCP.
 *
 * Example: `const dns = await startDnsServer({ zone: zoneOfRecords({ 'mx.example': [{ type: 'A', address: '127.0.0.2' }] }) });`
 *
 * @throws RangeError for an address outside these networks: invented zones must not reach real clients
 */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { zone, address = DEFAULT_ADDRESS, port = 0 } = options;
  if (!/^(127|10)\.\d+\.\d+\.\d+$/.test(address))
    throw new RangeError(`${address} is neither in 127.0.0.0/8 nor in 10.0.0.0/8`);
  const { udp, tcp } = await bindBoth(address, port);
  return new RunningServer(zone, udp, tcp, address, udp.address().port);
}

async function bindBoth(
  address: string,
  wantedPort: number,
): Promise<{ readonly udp: UdpSocket; readonly tcp: Server }> {
  for (let tries = 1; ; tries++) {
    const udp = createSocket('udp4');
    udp.bind(wantedPort, address);
    await once(udp, 'listening');
    const tcp = createServer();
    tcp.listen(udp.address().port, address);
    try {
      await once(tcp, 'listening');
      return { udp, tcp };
    } catch (error) {
      udp.close();
      if (wantedPort !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}

type Send = (message: Buffer) => void;

class RunningServer implements DnsServer {
  readonly address: string;
  readonly port: number;
  askedInAll = 0;
  askedOverTcp = 0;
  readonly #zone: Zone;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #askedByName = new Map<string, Map<string, number>>();
  readonly #connections = new Set<TcpSocket>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(zone: Zone, udp: UdpSocket, tcp: Server, address: string, port: number) {
    this.#zone = zone;
    this.#udp = udp;
    this.#tcp = tcp;
    this.address = address;
    this.port = port;
    udp.on('message', (message, from) => this.#receiveUdp(message, from));
    udp.on('error', () => {});
    tcp.on('connection', (connection) => this.#receiveTcp(connection));
  }

  asked(name: string, type?: RecordType): number {
    const byType = this.#askedByName.get(name);
    if (byType === undefined) return 0;
    if (type !== undefined) return byType.get(type) ?? 0;
    return [...byType.values()].reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const connection of this.#connections) connection.destroy();
    const closed = Promise.all([once(this.#udp, 'close'), once(this.#tcp, 'close')]);
    this.#udp.close();
    this.#tcp.close();
    await closed;
  }

  #receiveUdp(message: Buffer, from: RemoteInfo): void {
    const question = readQuestion(message);
    if (question === undefined) return;
    const reply = this.#replyTo(question, 'UDP');
    const send: Send = (octets) => this.#udp.send(octets, from.port, from.address);
    this.#forge(question, reply.fault?.forgery, send, from);
    this.#later(reply.fault, () => {
      const whole = encodeReply(question, reply);
      const truncated = reply.fault?.truncate === true || !fitsIn(question, whole);
      send(
        truncated ? encodeReply(question, { ...reply, records: [] }, dnsPacket.TRUNCATED_RESPONSE) : whole,
      );
    });
  }

  #receiveTcp(connection: TcpSocket): void {
    this.#connections.add(connection);
    connection.on('error', () => {});
    connection.on('close', () => this.#connections.delete(connection));
    let received = Buffer.alloc(0);
    connection.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        this.#answerTcp(received.subarray(2, end), connection);
        received = received.subarray(end);
      }
    });
  }

  #answerTcp(message: Buffer, connection: TcpSocket): void {
    const question = readQuestion(message);
    if (question === undefined) return;
    this.askedOverTcp++;
    const reply = this.#replyTo(question, 'TCP');
    const send: Send = (octets) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(octets.length);
      connection.write(Buffer.concat([length, octets]));
    };
    this.#later(reply.fault, () => send(encodeReply(question, reply)));
  }

  #replyTo(question: ServerQuestion, transport: 'UDP' | 'TCP'): ZoneReply {
    const { name, type, edns } = question;
    const askedBefore = this.#count(name, type);
    const reply = followAliases(
      (asked) => this.#zone({ name: asked, type, transport, askedBefore }),
      name,
      type,
    );
    return reply.fault?.noEdns === true && edns ? { rcode: 'FORMERR' } : reply;
  }

  #count(name: string, type: string): number {
    this.askedInAll++;
    let byType = this.#askedByName.get(name);
    if (byType === undefined) {
      byType = new Map();
      this.#askedByName.set(name, byType);
    }
    let before = 0;
    for (const count of byType.values()) before += count;
    byType.set(type, (byType.get(type) ?? 0) + 1);
    return before;
  }

  #later(fault: ZoneFault | undefined, act: () => void): void {
    if (fault?.drop === true) return;
    if (fault?.delayMs === undefined) return act();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, fault.delayMs);
    this.#timers.add(timer);
  }

  #forge(question: ServerQuestion, forgery: ZoneFault['forgery'], send: Send, from: RemoteInfo): void {
    if (forgery === undefined) return;
    const { records, differsIn } = forgery;
    if (differsIn === 'id') send(encodeReply({ ...question, id: question.id ^ 1 }, { records }));
    if (differsIn === 'question')
      send(encodeReply({ ...question, name: `not-${question.name}` }, { records }));
    if (differsIn === 'source') {
      const stranger = createSocket('udp4');
      stranger.send(encodeReply(question, { records }), from.port, from.address, () => stranger.close());
    }
  }
}

/** As many as a client should follow, and one more. */
const MAX_ALIASES = 20;

/** Adds what CNAMEs point to, as authoritative servers do for names of their own (RFC 1034 §4.3.2). */
function followAliases(
  answer: (name: string) => ZoneReply | undefined,
  name: string,
  type: RecordType,
): ZoneReply {
  const first = answer(name) ?? { rcode: 'NXDOMAIN' };
  if (type === 'CNAME' || first.fault?.aliasOnly === true) return first;
  const records = [...(first.records ?? [])];
  let last = first;
  for (let aliases = 0; aliases < MAX_ALIASES; aliases++) {
    const alias = last.records?.find((record) => record.type === 'CNAME');
    if (alias === undefined) break;
    last = answer(alias.target) ?? { rcode: 'NXDOMAIN' };
    records.push(...(last.records ?? []));
  }
  return { ...last, records, ...(first.fault !== undefined && { fault: first.fault }) };
}
