import { type ErrorCode, errorText } from './errors.ts';
import { type FieldPath, fieldName } from './field-path.ts';

/** A mistake in a resource, before it is known where the resource was written. */
export interface Finding {
  readonly code: ErrorCode;
  readonly path: FieldPath;
  /** The mistake is the field's name (it is unknown), not its value. */
  readonly atKey?: boolean;
  /** For the texts in the error table; `field` is filled in from the path. */
  readonly parameters: Readonly<Record<string, string | number>>;
}

/** A mistake in what a user wrote. Line and column count from 1. */
export interface Problem {
  readonly code: ErrorCode;
  /** `''` = it did not come from a file. */
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  /** Path of the field: `spec.sources[0].weight`; `''` = the document as a whole. */
  readonly field: string;
  /** What is wrong, one sentence. */
  readonly what: string;
  /** What to do about it, one sentence. */
  readonly cure: string;
}

export function problemOf(
  finding: Finding,
  place: { readonly file: string; readonly line?: number; readonly column?: number },
): Problem {
  const field = fieldName(finding.path);
  const text = errorText(finding.code, {
    field: field === '' ? 'The document' : field,
    ...finding.parameters,
  });
  return { code: finding.code, ...place, field, ...text };
}

/** One line for logs and conditions: `pools.yaml:7:13: spec.sources[0].weight must be …. Write 10.` */
export function formatProblem(problem: Problem): string {
  const { file, line, column, field, what, cure } = problem;
  const place = [file, line, column].filter((part) => part !== undefined && part !== '').join(':');
  const about = field === '' || what.startsWith(field) ? what : `${field}: ${what}`;
  return `${place === '' ? '' : `${place}: `}${about} ${cure}`;
}
