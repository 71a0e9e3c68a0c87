/**
 * An SMTP reply as RFC 5321 §4.2 and RFC 3463 describe it, or one that Sluice made up itself
 * (a failed connection, an expired message) in the same shape.
 *
 * Example: `{ code: 421, enhanced: '4.7.28', text: 'unusual rate of mail', host: 'mx1.example' }`
 */
export interface Reply {
  /** Basic status code, 200–599. */
  readonly code: number;
  /** Enhanced status code (RFC 3463), `''` when the peer sent none. */
  readonly enhanced: string;
  /** All lines joined by one space each, without codes; printable; at most {@link MAX_REPLY_TEXT} characters. */
  readonly text: string;
  /** Who said it: a host name, or `''` for Sluice itself. */
  readonly host: string;
}

/** Characters of a reply's text that are kept. */
export const MAX_REPLY_TEXT = 1024;
