/** Exit codes of `sluice`, documented in docs/reference/command-line.md and stable. */
export const EXIT_CODES = {
  /** Done, or help was asked for. */
  ok: 0,
  /** Files have problems, which are listed; or it could not be done: an address is taken, a file cannot be written, a bug. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
} as const;
