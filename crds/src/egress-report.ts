import { z } from 'zod';
import type { EgressWay } from './egress-config.ts';

/** Entries of each kind in one report; what is beyond is counted. A proxy that is down may concern a thousand sources. */
export const MAX_REPORTED = 32;
/** Longest text in a report, characters. */
export const MAX_REPORT_TEXT = 240;

const text = z.string().max(MAX_REPORT_TEXT);
const count = z.int().min(0);
/** Of another form the API server would refuse the whole status that it goes into. */
const time = z.iso.datetime({ precision: 0 });

/** A source that cannot connect by its way out: no such address on the pod's machine, a proxy that is down or refuses. */
const unreachableSource = z.object({
  source: text,
  /** Public address of the source. */
  address: text,
  /** {@link wayOutText} */
  way: text,
  /** Wall time of the first failure since it last worked, RFC 3339 in seconds. */
  since: time,
  reason: text,
});

/** What stops or slows mail down for a while: a directive, given by hand or by a reaction. */
const suspension = z.object({
  /** Name of it: the same on every pod. */
  id: text,
  /** `Suspend`, `SetLimit`, … */
  effect: text,
  /** Limit that it bounds; absent = it concerns none. */
  limitName: z.exactOptional(text),
  /** Which mail, as `source=192.0.2.10,group=google`. */
  mail: text,
  pool: z.exactOptional(text),
  /** Name or public address. */
  source: z.exactOptional(text),
  origin: z.enum(['Operator', 'Reaction']),
  reason: text,
  since: time,
  /** Absent = until it is taken back. */
  until: z.exactOptional(time),
});

/**
 * What a pod says of its sources, beside its session and only when it changes: at most a few KiB, whatever is wrong.
 *
 * Example: `{ unreachable: [{ source: 'ip-1', address: '192.0.2.10', way: 'Bind 10.0.0.5', since: '2026-11-24T12:00:00Z', reason: '…' }], … }`
 */
export const egressReportSchema = z.object({
  unreachable: z.array(unreachableSource).max(MAX_REPORTED),
  /** Entries that had no room. */
  moreUnreachable: count,
  suspensions: z.array(suspension).max(MAX_REPORTED),
  moreSuspensions: count,
});

export type EgressReport = Readonly<z.infer<typeof egressReportSchema>>;
export type UnreachableSource = EgressReport['unreachable'][number];
export type Suspension = EgressReport['suspensions'][number];

export const NOTHING_TO_REPORT: EgressReport = {
  unreachable: [],
  moreUnreachable: 0,
  suspensions: [],
  moreSuspensions: 0,
};

/** Reads a report; `undefined` = it is none. */
export function parseEgressReport(bytes: Uint8Array): EgressReport | undefined {
  try {
    return egressReportSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

/**
 * The way out of a source as people read it, the same on pods and operator.
 *
 * Example: `SOCKS5 egress-a.mail.svc:1080`, `Bind 10.0.0.5`, `Direct`
 */
export function wayOutText(egress: EgressWay): string {
  switch (egress.type) {
    case 'Direct':
      return 'Direct';
    case 'Bind':
      return `Bind ${egress.bind.address}`;
    case 'HAProxy':
      return `HAProxy ${egress.haproxy.host}:${egress.haproxy.port}`;
    case 'SOCKS5':
      return `SOCKS5 ${egress.socks5.host}:${egress.socks5.port}`;
  }
}

/** A text that fits into a report. */
export function reportText(value: string): string {
  return value.length <= MAX_REPORT_TEXT ? value : `${value.slice(0, MAX_REPORT_TEXT - 1)}…`;
}
