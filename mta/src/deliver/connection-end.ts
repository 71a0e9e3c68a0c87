import type { WireReply } from './reply-parser.ts';
import { printable } from './reply-text.ts';

/** Why a connection cannot be spoken on any more. */
export interface ConnectionEnd {
  /** `reply` = the peer said 421 on its own; `local` = Sluice took it down. */
  readonly cause: 'closed' | 'timeout' | 'protocol' | 'tls' | 'reply' | 'local';
  /** Words without a full stop: `connection reset by the peer`. */
  readonly detail: string;
  readonly reply?: WireReply;
}

/** The peer said something that has no meaning here. */
export function unexpected(wire: WireReply): ConnectionEnd {
  const said = printable(`${wire.code} ${wire.lines[0] ?? ''}`)
    .slice(0, 80)
    .toWellFormed();
  return { cause: 'protocol', detail: `unexpected reply "${said}"` };
}

/** The end that a socket's error tells of. */
export function endOfError(error: unknown): ConnectionEnd {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return { cause: 'closed', detail: 'connection reset by the peer' };
  if (code === 'ETIMEDOUT') return { cause: 'timeout', detail: 'connection timed out' };
  const message = error instanceof Error ? error.message : String(error);
  return { cause: 'closed', detail: `connection lost (${code || message})` };
}
