import type { Rejection } from './contract.ts';

/** One BDAT whose octets are being read. */
export interface Chunk {
  /** Octets that are still to come. */
  left: number;
  readonly octets: number;
  readonly last: boolean;
  /** Set = the octets are read and dropped: whatever is wrong, they must never be taken for commands. */
  readonly refusal: Rejection | undefined;
}

/**
 * Reads the argument of BDAT (RFC 3030 §2). `undefined` = nobody can tell how many octets follow, so nothing that follows may be read.
 *
 * Example: `parseBdat('1000 LAST')` → `{ octets: 1000, last: true }`
 */
export function parseBdat(argument: string): { readonly octets: number; readonly last: boolean } | undefined {
  const match = /^([0-9]{1,15})(?: +(LAST))?$/i.exec(argument);
  return match === null ? undefined : { octets: Number(match[1]), last: match[2] !== undefined };
}
