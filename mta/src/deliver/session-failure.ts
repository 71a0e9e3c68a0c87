import type { Reply } from '../spool/mod.ts';
import { type ConnectionEnd, unexpected } from './connection-end.ts';
import type { Phase } from './phase.ts';
import type { WireReply } from './reply-parser.ts';
import { replyOf } from './reply-text.ts';

/**
 * A connection or a session came to its end without a usable transaction. Never an exception.
 * `reply` is always there: the peer's own words, or a 4xx that Sluice made (`421 4.4.2 connection reset during Greeting`).
 */
export interface SessionFailure {
  readonly ok: false;
  readonly phase: Phase;
  readonly cause: 'reply' | 'timeout' | 'closed' | 'refused' | 'unreachable' | 'tls' | 'protocol' | 'local';
  readonly reply: Reply;
  /** The next host of the MX list should be tried for the same message at once (connect, greeting, 421, …). */
  readonly tryNextHost: boolean;
  /**
   * 5xx that speaks about the whole site and message: the greeting or EHLO of the last host. Not STARTTLS and AUTH: they speak about
   * our settings, and a wrong password must not bounce a queue.
   */
  readonly permanent: boolean;
}

/** A phase in which a host can be left for the next one: no message was offered yet. */
export type OpeningPhase = 'Connect' | 'Greeting' | 'Ehlo' | 'StartTls' | 'Auth';

/** The peer refused in its own words; a reply that refuses nothing and was not expected either breaks the protocol. */
export function refusedByReply(phase: OpeningPhase, wire: WireReply, host: string): SessionFailure {
  if (wire.code < 400) return failureOf(unexpected(wire), phase, host, true);
  const speaksOfSite = phase === 'Greeting' || phase === 'Ehlo';
  return {
    ok: false,
    phase,
    cause: 'reply',
    reply: replyOf(wire, host),
    tryNextHost: true,
    permanent: wire.code >= 500 && speaksOfSite,
  };
}

/** Sluice itself says no, because of what the peer offers or because of how it is set up. */
export function refusedLocally(
  phase: OpeningPhase,
  cause: 'tls' | 'protocol' | 'local',
  enhanced: string,
  text: string,
  tryNextHost = true,
): SessionFailure {
  return {
    ok: false,
    phase,
    cause,
    reply: { code: 451, enhanced, text, host: '' },
    tryNextHost,
    permanent: false,
  };
}

/** The connection ended by itself. `tryNextHost` only before MAIL: afterwards the message may be with this host. */
export function failureOf(
  end: ConnectionEnd,
  phase: Phase,
  hostName: string,
  tryNextHost: boolean,
): SessionFailure {
  const reply = replyOfEnd(end, phase, hostName);
  // What Sluice ended itself it does not begin again elsewhere.
  const next = tryNextHost && end.cause !== 'local';
  return { ok: false, phase, cause: end.cause, reply, tryNextHost: next, permanent: false };
}

/** A {@link ConnectionEnd} as a reply: the peer's 421, or what Sluice says in its place. */
export function replyOfEnd(end: ConnectionEnd, phase: Phase, hostName: string): Reply {
  if (end.reply !== undefined) return replyOf(end.reply, hostName);
  return { ...IN_ITS_PLACE[end.cause], text: `${end.detail} during ${phase}`, host: '' };
}

/** RFC 3463 §3.5, §3.6, §3.8: bad connection, protocol status, cryptographic failure. */
const IN_ITS_PLACE = {
  closed: { code: 421, enhanced: '4.4.2' },
  timeout: { code: 421, enhanced: '4.4.2' },
  reply: { code: 421, enhanced: '4.4.2' },
  local: { code: 421, enhanced: '4.3.2' },
  protocol: { code: 451, enhanced: '4.5.0' },
  tls: { code: 451, enhanced: '4.7.5' },
} as const;
