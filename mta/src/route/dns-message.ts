import { isIP } from 'node:net';
import { isDomainName } from '@sluice/crds';
import dnsPacket, { type Answer, type DecodedPacket } from 'dns-packet';

export type RecordType = 'A' | 'AAAA' | 'MX';

export interface DnsQuestion {
  /** Lower case, no final dot. */
  readonly name: string;
  readonly type: RecordType;
}

export interface MxRecord {
  readonly preference: number;
  /** Lower case, no final dot; `.` = the root. */
  readonly exchange: string;
}

export interface FoundRecords {
  readonly kind: 'records';
  /** Their owner: where the CNAMEs of the question led. */
  readonly name: string;
  readonly exchanges: readonly MxRecord[];
  readonly addresses: readonly string[];
  /** The shortest of the records and of the CNAMEs that led to them. */
  readonly ttlSeconds: number;
}

/** `no-name`: NXDOMAIN. `no-data`: the name exists, without records of this type. */
export interface FoundNothing {
  readonly kind: 'no-name' | 'no-data';
  readonly name: string;
  /** RFC 2308 §5: from the SOA. `undefined` = the server gave none, and so no proof: broken resolvers answer like this. */
  readonly ttlSeconds: number | undefined;
}

/** The CNAMEs lead out of this message: the question is to be asked for their target. */
export interface Alias {
  readonly kind: 'alias';
  readonly target: string;
  readonly ttlSeconds: number;
}

/** The server does not answer the question. */
export interface ServerFailure {
  readonly kind: 'failure';
  readonly reason: string;
  /** The server may answer if it is asked without EDNS (RFC 6891 §7). */
  readonly withoutEdns: boolean;
}

export interface Truncated {
  readonly kind: 'truncated';
}

export type DnsReply = FoundRecords | FoundNothing | Alias | ServerFailure | Truncated;

/** What fits every path without fragments (DNS flag day 2020). */
export const UDP_PAYLOAD_BYTES = 1232;
/** CNAMEs followed for one question. */
export const MAX_ALIASES = 8;

/** RFC 1035 §4.1.1, RFC 6895 §2.3. */
const RCODE_NAMES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
const HEADER_BYTES = 12;
const FLAGS_AT = 2;
const RCODE_BITS = 0xf;
/** RFC 6891 §6.1.3: the OPT record holds the upper octet of the response code. */
const RCODE_HEADER_WIDTH = 4;
const [NOERROR, FORMERR, NXDOMAIN, NOTIMP, BADVERS] = [0, 1, 3, 4, 16];
const WITHOUT_EDNS: readonly number[] = [FORMERR, NOTIMP, BADVERS];
const GARBLED: ServerFailure = { kind: 'failure', reason: 'garbled answer', withoutEdns: false };

const OPT: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: UDP_PAYLOAD_BYTES,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

/** A query with recursion desired, and with EDNS (RFC 6891) unless the server does not know it. */
export function encodeQuery(id: number, { name, type }: DnsQuestion, edns: boolean): Buffer {
  return dnsPacket.encode({
    type: 'query',
    id,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals: edns ? [OPT] : [],
  });
}

/**
 * Reads what may be the reply to a question of ours. `undefined` = it is not: another id or another question (RFC 5452 §9.1);
 * the true reply may still come. What has the id and cannot be read is the reply of a server that is at fault.
 */
export function readReply(octets: Buffer, id: number, question: DnsQuestion): DnsReply | undefined {
  if (octets.length < 2 || octets.readUInt16BE(0) !== id) return undefined;
  const packet = decode(octets);
  if (packet === undefined) return readHeader(octets);
  if (packet.type !== 'response') return undefined;
  const rcode = rcodeOf(packet);
  const failed = rcode !== NOERROR && rcode !== NXDOMAIN;
  const questions = packet.questions ?? [];
  // Servers that did not understand the question cannot repeat it.
  if (!(failed && questions.length === 0) && !echoes(questions, question)) return undefined;
  if (failed) {
    const reason = rcode === BADVERS ? 'BADVERS' : (RCODE_NAMES[rcode] ?? `response code ${rcode}`);
    return { kind: 'failure', reason, withoutEdns: WITHOUT_EDNS.includes(rcode) };
  }
  return packet.flag_tc ? { kind: 'truncated' } : meaningOf(packet, rcode, question);
}

/** Of a message that ends too early or makes no sense the header may still say what to do next. */
function readHeader(octets: Buffer): ServerFailure | Truncated {
  if (octets.length < HEADER_BYTES) return GARBLED;
  const flags = octets.readUInt16BE(FLAGS_AT);
  const rcode = flags & RCODE_BITS;
  if (rcode === NOERROR && (flags & dnsPacket.TRUNCATED_RESPONSE) !== 0) return { kind: 'truncated' };
  return WITHOUT_EDNS.includes(rcode) ? { ...GARBLED, withoutEdns: true } : GARBLED;
}

function rcodeOf(packet: DecodedPacket): number {
  const low = (packet.flags ?? 0) & RCODE_BITS;
  const opt = packet.additionals?.find((record) => record.type === 'OPT');
  return opt?.type === 'OPT' ? (opt.extendedRcode << RCODE_HEADER_WIDTH) | low : low;
}

function decode(octets: Buffer): DecodedPacket | undefined {
  try {
    return dnsPacket.decode(octets);
  } catch {
    return undefined;
  }
}

function echoes(questions: readonly { name: string; type: string }[], { name, type }: DnsQuestion): boolean {
  const [echoed] = questions;
  return questions.length === 1 && echoed?.type === type && normal(echoed.name) === name;
}

/** Follows CNAMEs inside the message. Records of other owners are not looked at: a reply speaks only about what was asked. */
function meaningOf(packet: DecodedPacket, rcode: number, { name, type }: DnsQuestion): DnsReply {
  const answers = packet.answers ?? [];
  let owner = name;
  let chainTtl: number | undefined;
  for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
    const owned = answers.filter((record) => normal(record.name) === owner);
    const found = recordsOf(owned, owner, type, chainTtl);
    if (found !== undefined) return found;
    const alias = owned.find((record) => record.type === 'CNAME');
    if (alias?.type !== 'CNAME') return nothingOf(packet, rcode, owner, chainTtl);
    owner = normal(alias.data);
    if (!isDomainName(owner)) {
      return { kind: 'failure', reason: 'a CNAME to what is no name', withoutEdns: false };
    }
    chainTtl = shortest(chainTtl, alias.ttl ?? 0);
  }
  return { kind: 'failure', reason: 'a CNAME loop', withoutEdns: false };
}

function recordsOf(
  owned: readonly Answer[],
  name: string,
  type: RecordType,
  chainTtl: number | undefined,
): FoundRecords | ServerFailure | undefined {
  let ttlSeconds = chainTtl;
  const exchanges: MxRecord[] = [];
  const addresses: string[] = [];
  for (const record of owned) {
    if (record.type !== type) continue;
    ttlSeconds = shortest(ttlSeconds, 'ttl' in record ? (record.ttl ?? 0) : 0);
    if (record.type === 'MX') {
      const { preference = 0, exchange } = record.data;
      exchanges.push({ preference, exchange: normal(exchange) });
    } else if (record.type === 'A' || record.type === 'AAAA') {
      // The decoder makes half an address of a record that ends too early.
      if (isIP(record.data) === 0) return GARBLED;
      addresses.push(record.data);
    }
  }
  if (exchanges.length === 0 && addresses.length === 0) return undefined;
  return { kind: 'records', name, exchanges, addresses, ttlSeconds: ttlSeconds ?? 0 };
}

/** RFC 2308 §2; RFC 6604 §3: the response code speaks of the last name of the chain. */
function nothingOf(
  packet: DecodedPacket,
  rcode: number,
  name: string,
  chainTtl: number | undefined,
): DnsReply {
  const authorities = packet.authorities ?? [];
  // The SOA of another zone proves nothing about this name.
  const soa = authorities.find((record) => record.type === 'SOA' && encloses(normal(record.name), name));
  const soaTtl = soa?.type === 'SOA' ? Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0) : undefined;
  const ttlSeconds = soaTtl === undefined ? undefined : shortest(chainTtl, soaTtl);
  if (rcode === NXDOMAIN) return { kind: 'no-name', name, ttlSeconds };
  if (soa !== undefined) return { kind: 'no-data', name, ttlSeconds };
  if (chainTtl !== undefined) return { kind: 'alias', target: name, ttlSeconds: chainTtl };
  const referral = !packet.flag_aa && authorities.some((record) => record.type === 'NS');
  return referral
    ? { kind: 'failure', reason: 'the server only refers to others', withoutEdns: false }
    : { kind: 'no-data', name, ttlSeconds };
}

function encloses(zone: string, name: string): boolean {
  return zone === '.' || name === zone || name.endsWith(`.${zone}`);
}

function shortest(one: number | undefined, other: number): number {
  return one === undefined ? other : Math.min(one, other);
}

/** dns-packet gives names without final dot, the root as `.`. */
function normal(name: string): string {
  return name === '' ? '.' : name.toLowerCase();
}
