/**
 * Every error that a user can see, in one table: a stable code, what happened, what to do.
 * `{name}` in a text is replaced by the parameter of that name. Documented in docs/reference/errors.md (generated).
 */
export const ERRORS = {
  SLUICE_CONFIG_UNREADABLE: {
    what: 'Cannot read {file}: {reason}.',
    cure: 'Check that the path is right and that the user that runs sluice may read it.',
  },
  SLUICE_EVENTS_FILE_UNWRITABLE: {
    what: 'Cannot open {file} for events: {reason}.',
    cure: 'Correct spec.events.file in sluice.yaml, or let the user that runs sluice write there.',
  },
  SLUICE_ADDRESS_UNAVAILABLE: {
    what: 'Cannot listen on {address}: {reason}.',
    cure: 'Choose another address or port in sluice.yaml, or stop the program that uses it.',
  },
} as const satisfies Record<string, { readonly what: string; readonly cure: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Where in what a user wrote the mistake is; line and column count from 1. */
export interface Place {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** Path of the field: `spec.sources[0].weight`. */
  readonly field?: string;
}

/**
 * An error for the user's eyes.
 *
 * Example: `throw new SluiceError('SLUICE_CONFIG_UNREADABLE', { file, reason: 'no such file' }, { file })`
 */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly cure: string;
  readonly place: Place;

  constructor(
    code: ErrorCode,
    parameters: Readonly<Record<string, string | number>>,
    place: Place = {},
    cause?: unknown,
  ) {
    super(fill(ERRORS[code].what, parameters), cause === undefined ? undefined : { cause });
    this.name = 'SluiceError';
    this.code = code;
    this.cure = fill(ERRORS[code].cure, parameters);
    this.place = place;
  }
}

function fill(text: string, parameters: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));
}
