import type { WireReply } from './reply-parser.ts';

/** What a server offered in its reply to EHLO (RFC 5321 §4.1.1.1). */
export interface Capabilities {
  /** RFC 2920 */
  readonly pipelining: boolean;
  /** RFC 3030 */
  readonly chunking: boolean;
  /** RFC 1870: the server knows the SIZE parameter. */
  readonly size: boolean;
  /** Largest message it takes, octets; `Infinity` when it names none. */
  readonly maxSizeBytes: number;
  /** RFC 6152 */
  readonly eightBitMime: boolean;
  /** RFC 6531 */
  readonly smtputf8: boolean;
  /** RFC 3207 */
  readonly startTls: boolean;
  /** RFC 3461: it takes the wishes about reports, and fulfils them from then on. */
  readonly dsn: boolean;
  /** RFC 4954: mechanisms, upper case. */
  readonly auth: ReadonlySet<string>;
}

/** What a server can that only answers HELO. */
export const NO_CAPABILITIES: Capabilities = {
  pipelining: false,
  chunking: false,
  size: false,
  maxSizeBytes: Number.POSITIVE_INFINITY,
  eightBitMime: false,
  smtputf8: false,
  startTls: false,
  dsn: false,
  auth: new Set(),
};

/**
 * Reads the keywords of an EHLO reply; its first line is the server's name and no keyword.
 *
 * Example: `250-mx.example`, `250-SIZE 1000`, `250 PIPELINING` → `{ size: true, maxSizeBytes: 1000, pipelining: true, … }`
 */
export function capabilitiesOf(ehlo: WireReply): Capabilities {
  const parameters = new Map<string, readonly string[]>();
  const auth = new Set<string>();
  for (const line of ehlo.lines.slice(1)) {
    const [keyword = '', ...words] = line.trim().toUpperCase().split(/\s+/);
    // `AUTH=LOGIN` is how servers before RFC 2554 wrote it; some write both.
    if (keyword.startsWith('AUTH=')) auth.add(keyword.slice('AUTH='.length));
    if (keyword === 'AUTH' || keyword.startsWith('AUTH=')) for (const word of words) auth.add(word);
    else parameters.set(keyword, words);
  }
  const size = Number(parameters.get('SIZE')?.[0] ?? 0);
  return {
    pipelining: parameters.has('PIPELINING'),
    chunking: parameters.has('CHUNKING'),
    size: parameters.has('SIZE'),
    // RFC 1870 §4: zero or no number = no fixed maximum.
    maxSizeBytes: Number.isSafeInteger(size) && size > 0 ? size : Number.POSITIVE_INFINITY,
    eightBitMime: parameters.has('8BITMIME'),
    smtputf8: parameters.has('SMTPUTF8'),
    startTls: parameters.has('STARTTLS'),
    dsn: parameters.has('DSN'),
    auth,
  };
}
