import { z } from 'zod';

/** What a field wants, in words for the message about a wrong value. */
export interface Expectation {
  /** Fits after "must be": `a duration`. */
  readonly expected: string;
  /** A value that would do. */
  readonly example: string;
  /** The value that the user most likely meant; `undefined` = cannot tell. */
  readonly suggest?: (given: unknown) => string | undefined;
}

/** Expectations of schemas; what is derived from a schema (`describe`, `optional`) inherits its own. */
export const expectations = z.registry<Expectation>();

/** Registers what a schema wants. Example: `expecting(z.string(), { expected: 'a name', example: 'ip-1' })` */
export function expecting<S extends z.ZodType>(schema: S, expectation: Expectation): S {
  expectations.add(schema, expectation);
  return schema;
}
