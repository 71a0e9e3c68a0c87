import dnsPacket, { type Answer, type RecordType } from 'dns-packet';
import { RCODES, type ZoneRecord, type ZoneReply } from './dns-zone.ts';

/** A question as it came in. */
export interface ServerQuestion {
  readonly id: number;
  /** Lower case, no final dot. */
  readonly name: string;
  readonly type: RecordType;
  readonly edns: boolean;
  /** Octets that the client takes over UDP. */
  readonly udpBytes: number;
}

/** RFC 1035 §4.2.1: without EDNS a UDP message has at most so many octets. */
const PLAIN_UDP_BYTES = 512;
const DEFAULT_TTL_SECONDS = 300;
const DEFAULT_NEGATIVE_TTL_SECONDS = 60;

/** `undefined` = no question that one could answer. */
export function readQuestion(message: Buffer): ServerQuestion | undefined {
  try {
    const packet = dnsPacket.decode(message);
    const question = packet.questions?.[0];
    if (question === undefined || packet.type !== 'query') return undefined;
    const opt = packet.additionals?.find((record) => record.type === 'OPT');
    const udpBytes = opt?.type === 'OPT' ? opt.udpPayloadSize : PLAIN_UDP_BYTES;
    return {
      id: packet.id ?? 0,
      name: question.name.toLowerCase(),
      type: question.type,
      edns: opt !== undefined,
      udpBytes: Math.max(PLAIN_UDP_BYTES, udpBytes),
    };
  } catch {
    return undefined;
  }
}

export function fitsIn(question: ServerQuestion, message: Buffer): boolean {
  return message.length <= question.udpBytes;
}

/** One DNS message. The owner of each record is the question's name, then what the CNAMEs before it point to. */
export function encodeReply(question: ServerQuestion, reply: ZoneReply, extraFlags = 0): Buffer {
  const { fault } = reply;
  if (fault?.garbage === true) {
    const garbage = Buffer.alloc(40, 0xff);
    garbage.writeUInt16BE(question.id);
    return garbage;
  }
  const { AUTHORITATIVE_ANSWER, RECURSION_DESIRED, RECURSION_AVAILABLE } = dnsPacket;
  const { answers, owner } = answersOf(question.name, reply.records ?? []);
  const negative = answers.length === 0 || answers.at(-1)?.type === 'CNAME';
  const referral = fault?.referral === true;
  const recursion = referral ? 0 : AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE;
  return dnsPacket.encode({
    type: 'response',
    id: question.id,
    flags: recursion | RECURSION_DESIRED | extraFlags | RCODES[reply.rcode ?? 'NOERROR'],
    questions: [{ name: question.name, type: question.type }],
    answers,
    authorities: referral
      ? [{ type: 'NS', name: question.name, data: 'ns.elsewhere.example', ttl: DEFAULT_TTL_SECONDS }]
      : negative && fault?.aliasOnly !== true
        ? soaOf(owner, reply)
        : [],
    additionals: question.edns ? [OPT] : [],
  });
}

const OPT: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function answersOf(
  name: string,
  records: readonly ZoneRecord[],
): { readonly answers: Answer[]; readonly owner: string } {
  let owner = name;
  const answers = records.map((record): Answer => {
    const base = { name: owner, ttl: record.ttlSeconds ?? DEFAULT_TTL_SECONDS };
    switch (record.type) {
      case 'MX':
        return { ...base, type: 'MX', data: { preference: record.preference, exchange: record.exchange } };
      case 'CNAME':
        owner = record.target;
        return { ...base, type: 'CNAME', data: record.target };
      case 'TXT':
        // RFC 1035 §3.3: a character string has at most 255 octets; a DKIM key needs two.
        return { ...base, type: 'TXT', data: record.text.match(/.{1,255}/gs) ?? [''] };
      default:
        return { ...base, type: record.type, data: record.address };
    }
  });
  return { answers, owner };
}

function soaOf(owner: string, { rcode = 'NOERROR', negativeTtlSeconds }: ZoneReply): Answer[] {
  if (negativeTtlSeconds === 'none' || (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN')) return [];
  const minimum = negativeTtlSeconds ?? DEFAULT_NEGATIVE_TTL_SECONDS;
  const data = { mname: 'ns.example', rname: 'hostmaster.example', serial: 1, minimum };
  return [{ type: 'SOA', name: owner.slice(owner.lastIndexOf('.') + 1), ttl: minimum, data }];
}
