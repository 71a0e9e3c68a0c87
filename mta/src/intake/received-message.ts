import type { DeliveryStatusRequest, Envelope, MessageBody } from '../spool/mod.ts';
import type { Rejection } from './contract.ts';
import {
  type HeaderMap,
  type HeaderScan,
  MAX_RECEIVED_FIELDS,
  type MappedHeaders,
  scanHeader,
} from './header-scan.ts';
import { REFUSALS } from './replies.ts';
import { traceHeader } from './trace-header.ts';

/** Characters that a mapped header field may name a tenant, campaign or class with. */
export const MAX_MAPPED_VALUE = 128;

/** A message that passed every check and can be offered to `accept`. */
export interface ReceivedMessage {
  readonly envelope: Envelope;
  readonly body: MessageBody;
}

/** Everything that is known when the last dot has come. */
export interface Received {
  readonly id: string;
  readonly pieces: MessageBody;
  readonly sizeBytes: number;
  readonly eightBit: boolean;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly statusRequest?: DeliveryStatusRequest | undefined;
  readonly askedSmtputf8: boolean;
  readonly origin: string;
  readonly wallMs: number;
  readonly hostname: string;
  /** From `receivedHead`. */
  readonly receivedHead: string;
  readonly headerMap: HeaderMap;
  /** Whether mapped header fields of this client count; they are taken out in any case. */
  readonly headersCount: boolean;
  readonly resolveTenant: (header: string) => string | Rejection;
}

const NOT_MAPPED: MappedHeaders = {};

/**
 * Makes the message that is stored out of the octets that came: Return-Path and mapped fields out, trace fields and what
 * RFC 6409 §8 lets us add in front. The pieces are not copied. Pure.
 */
export function buildMessage(received: Received): ReceivedMessage | Rejection {
  const scan = scanHeader(received.pieces, received.headerMap);
  if (typeof scan === 'string') return REFUSALS[scan];
  if (scan.receivedFields > MAX_RECEIVED_FIELDS) return REFUSALS.mailLoop;
  const mapped = received.headersCount ? scan.mapped : NOT_MAPPED;
  const { tenant: tenantHeader = '', campaign = '', class: className = '' } = mapped;
  if (Math.max(tenantHeader.length, campaign.length, className.length) > MAX_MAPPED_VALUE) {
    return REFUSALS.badMappedValue;
  }
  const tenant = received.resolveTenant(tenantHeader);
  if (typeof tenant !== 'string') return tenant;
  const { id, wallMs, pieces } = received;
  const front = traceHeader(received.receivedHead, id, wallMs, received.hostname, {
    messageId: !scan.hasMessageId,
    date: !scan.hasDate,
    emptyLine: scan.lacksEmptyLine,
  });
  const body = [front];
  let sizeBytes = front.length + received.sizeBytes;
  if (scan.removals.length === 0) {
    for (const piece of pieces) body.push(piece);
  } else {
    sizeBytes -= withoutRemovals(pieces, scan.removals, body);
  }
  return {
    envelope: {
      id,
      sender: received.sender,
      recipients: received.recipients,
      tenant,
      campaign,
      class: className,
      acceptedAtMs: wallMs,
      notBeforeMs: 0,
      expireAtMs: 0,
      sizeBytes,
      eightBit: received.eightBit,
      smtputf8: needsSmtputf8(received, scan),
      origin: received.origin,
      ...(received.statusRequest === undefined ? undefined : { statusRequest: received.statusRequest }),
    },
    body,
  };
}

/** Appends the pieces without the removed ranges; returns how many octets were left out. */
function withoutRemovals(pieces: MessageBody, removals: readonly number[], body: Buffer[]): number {
  let next = 0;
  let offset = 0;
  let removed = 0;
  for (const piece of pieces) {
    const end = offset + piece.length;
    let position = offset;
    while (next < removals.length && removals[next]! < end) {
      const from = Math.max(removals[next]!, position);
      const to = Math.min(removals[next + 1]!, end);
      if (from > position) body.push(piece.subarray(position - offset, from - offset));
      removed += to - from;
      position = to;
      if (removals[next + 1]! > end) break;
      next += 2;
    }
    if (position < end) body.push(position === offset ? piece : piece.subarray(position - offset));
    offset = end;
  }
  return removed;
}

/**
 * Only a client that asked for SMTPUTF8 can cause it: raw 8-bit header fields of a client that did not are sent on as they
 * came, because requiring SMTPUTF8 for them would make mail undeliverable that is read without trouble today.
 */
function needsSmtputf8(received: Received, scan: HeaderScan): boolean {
  if (!received.askedSmtputf8) return false;
  return scan.eightBit || isInternational(received.sender) || received.recipients.some(isInternational);
}

function isInternational(address: string): boolean {
  for (let index = 0; index < address.length; index++) if (address.charCodeAt(index) > 0x7f) return true;
  return false;
}
