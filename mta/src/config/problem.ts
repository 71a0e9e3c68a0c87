import type { ErrorCode } from '@sluice/crds';

/** A mistake in what a user wrote, or what keeps a file from being read. Line and column count from 1. */
export interface Problem {
  readonly code: ErrorCode;
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  /** Path of the field: `spec.listeners.smtp[0].address`; `''` = the file as a whole. */
  readonly field: string;
  /** What is wrong, one sentence. */
  readonly what: string;
  /** What to do about it, one sentence. */
  readonly cure: string;
}
