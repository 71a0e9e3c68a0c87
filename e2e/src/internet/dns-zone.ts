import type { RecordType } from 'dns-packet';

/** One question to a zone of the fake internet. */
export interface ZoneQuestion {
  /** Lower case, no final dot. */
  readonly name: string;
  readonly type: RecordType;
  readonly transport: 'UDP' | 'TCP';
  /** How often this name was asked for before, whatever the type. */
  readonly askedBefore: number;
}

export type ZoneRecord = { readonly ttlSeconds?: number } & (
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'MX'; readonly preference: number; readonly exchange: string }
  | { readonly type: 'CNAME'; readonly target: string }
  | { readonly type: 'TXT'; readonly text: string }
);

export type ZoneRcode = keyof typeof RCODES;

/** RFC 1035 §4.1.1, RFC 6895 §2.3. */
export const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

export interface ZoneReply {
  /** Default NOERROR. */
  readonly rcode?: ZoneRcode;
  /** None with NOERROR = the name exists, but not with this type. */
  readonly records?: readonly ZoneRecord[];
  /** `minimum` and TTL of the SOA in negative answers (RFC 2308); `'none'` = without SOA. */
  readonly negativeTtlSeconds?: number | 'none';
  readonly fault?: ZoneFault;
}

/** Ways in which real servers, networks and attackers misbehave; several may be combined. */
export interface ZoneFault {
  readonly delayMs?: number;
  /** The answer is lost. */
  readonly drop?: true;
  /** TC is set and nothing is in the answer, over UDP only. */
  readonly truncate?: true;
  /** Before the answer comes one that an attacker made, wrong in this respect and with these records. */
  readonly forgery?: {
    readonly differsIn: 'id' | 'question' | 'source';
    readonly records: readonly ZoneRecord[];
  };
  /** Octets that are no DNS message follow the id. */
  readonly garbage?: true;
  /** Neither answer nor SOA, but the name servers of somebody else: a lame delegation. */
  readonly referral?: true;
  /** A CNAME is answered without what it points to, as if that were another zone. */
  readonly aliasOnly?: true;
  /** FORMERR for every question with EDNS, as servers from before RFC 2671 do. */
  readonly noEdns?: true;
}

/** `undefined` = NXDOMAIN. */
export type Zone = (question: ZoneQuestion) => ZoneReply | undefined;

/**
 * A zone from data.
 *
 * Example: `zoneOfRecords({ 'shop.example': [{ type: 'MX', preference: 10, exchange: 'mx.shop.example' }] })`
 */
export function zoneOfRecords(names: Readonly<Record<string, readonly ZoneRecord[]>>): Zone {
  const byName = new Map(Object.entries(names));
  return ({ name, type }) => {
    const records = byName.get(name);
    if (records === undefined) return undefined;
    return { records: records.filter((record) => record.type === type || record.type === 'CNAME') };
  };
}
