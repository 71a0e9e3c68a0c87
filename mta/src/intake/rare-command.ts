import type { Rejection } from './contract.ts';
import { REFUSALS, successLine } from './replies.ts';

/** A reply line, or a refusal; 421 ends the session. */
export type RareReply = string | Rejection;

const FIXED_REPLIES: ReadonlyMap<string, RareReply> = new Map<string, RareReply>([
  ['NOOP', successLine('ok')],
  ['VRFY', successLine('verify')],
  ['HELP', successLine('help')],
  ['EXPN', REFUSALS.notImplemented],
  ['TURN', REFUSALS.notImplemented],
  ['ETRN', REFUSALS.notImplemented],
]);

/**
 * Replies to commands that change nothing, and to what is no command. A browser that was led here by a web page is sent
 * away at its first line, before it can say SMTP in the body of its request.
 */
export function rareCommandReply(verb: string, line: string): RareReply {
  const fixed = FIXED_REPLIES.get(verb);
  if (fixed !== undefined) return fixed;
  return /^[A-Z]+ .* HTTP\/\d/.test(line) ? REFUSALS.notSmtp : REFUSALS.unknownCommand;
}
