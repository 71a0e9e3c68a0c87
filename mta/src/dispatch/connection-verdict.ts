import type { SessionFailure } from '../deliver/mod.ts';
import type { NoRoute } from '../route/mod.ts';

/** What the lane was like when a connection failed. */
export interface FailureSetting {
  /** Other sessions of the same source are open. */
  readonly sourceConnected: boolean;
  /** Sessions of whatever source are open: the site takes mail. */
  readonly siteConnected: boolean;
  /** Another source of the pool is Active and does not rest. */
  readonly alternative: boolean;
  /** The host was silent and a proxy is on the way that cannot say whether it reached the host. */
  readonly proxyInDoubt: boolean;
}

/** What a failed connection means. */
export type ConnectionVerdict =
  /** The source itself cannot connect (its address is not on this machine, its EHLO name is none): it rests. No attempt. */
  | 'SourceBroken'
  /** The site has no address of the source's family: another source carries the mail. No attempt (DESIGN §4.4). */
  | 'OtherFamily'
  /** Sessions work and one more is not wanted: no further one for a moment. No attempt. */
  | 'EnoughConnections'
  /** The site refuses this source, by name or because it takes mail from others: it rests, another one carries the mail. No attempt. */
  | 'SourceRefused'
  /** The site is down or refuses everybody: the lane pauses, the message that probed is charged with the attempt. */
  | 'SiteDown';

/**
 * Decides whom a failed connection concerns, so that one address on a blocklist stops neither the other addresses of the pool nor uses up the
 * attempts of mail that they can deliver. Pure.
 *
 * Example: `554 blocked` to a source while another one is Active → `SourceRefused`; the same to the last one → `SiteDown`.
 */
export function connectionVerdict(
  failure: Pick<SessionFailure, 'cause'> | NoRoute,
  { sourceConnected, siteConnected, alternative, proxyInDoubt }: FailureSetting,
): ConnectionVerdict {
  if (failure.cause === 'local') return 'SourceBroken';
  if (failure.cause === 'OtherFamily' && alternative) return 'OtherFamily';
  if (sourceConnected) return 'EnoughConnections';
  const hostSpoke = failure.cause === 'reply';
  if (!('kind' in failure) && alternative && (siteConnected || hostSpoke || proxyInDoubt))
    return 'SourceRefused';
  return siteConnected ? 'EnoughConnections' : 'SiteDown';
}

/** The connection ended before the host said a word. */
export function isSilence({ phase, cause }: Pick<SessionFailure, 'phase' | 'cause'>): boolean {
  return phase === 'Greeting' && (cause === 'closed' || cause === 'timeout');
}
