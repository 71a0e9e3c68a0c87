import { SluiceError } from '@sluice/crds';
import { CommanderError } from 'commander';
import { EXIT_CODES } from './exit-code.ts';
import { ProblemsFound } from './problems-found.ts';

/** One thing to tell the user: what happened, where, and what to do. */
export interface Complaint {
  /** `SLUICE_…` where there is one. */
  readonly code?: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly field?: string;
  readonly what: string;
  readonly cure: string;
}

export interface Failure {
  readonly exitCode: number;
  /** Empty = nothing went wrong (help, version). */
  readonly complaints: readonly Complaint[];
}

/** Ends of a command line at which commander has printed all there is to say. */
const PRINTED = new Set(['commander.help', 'commander.helpDisplayed', 'commander.version']);

/** Says what a thrown value means to the user. What nobody foresaw is a bug and keeps its stack. */
export function failureOf(error: unknown, program: string): Failure {
  if (error instanceof ProblemsFound) {
    return { exitCode: EXIT_CODES.failed, complaints: error.told ? [] : error.problems };
  }
  if (error instanceof SluiceError) {
    const { code, place, message, cure } = error;
    return { exitCode: EXIT_CODES.failed, complaints: [{ code, ...place, what: message, cure }] };
  }
  if (error instanceof CommanderError) {
    if (PRINTED.has(error.code)) {
      return { exitCode: error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage, complaints: [] };
    }
    const what = error.message.replace(/^error: /, '');
    return { exitCode: EXIT_CODES.usage, complaints: [{ what, cure: `Run ${program} --help.` }] };
  }
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    exitCode: EXIT_CODES.failed,
    complaints: [{ what, cure: 'This is a bug in Sluice: please report it with these lines.' }],
  };
}

/**
 * A failure for people, one complaint after the other:
 *
 * ```
 * sluice.yaml:8:9: spec.dns.server: Unknown field "server". [SLUICE_FIELD_UNKNOWN]
 *   cure: Did you mean "servers"?
 * ```
 */
export function failureText({ complaints }: Failure): string {
  return complaints
    .map(({ code, file, line, column, field, what, cure }) => {
      // Of a file as a whole the sentence itself speaks.
      const named = line === undefined && file !== undefined && what.includes(file);
      const place = named ? '' : [file, line, column].filter((part) => part !== undefined).join(':');
      // Most sentences begin with the field they speak about.
      const about =
        field === undefined || field === '' || what.startsWith(field) ? what : `${field}: ${what}`;
      const head = place === '' ? about : `${place}: ${about}`;
      return `${head}${code === undefined ? '' : ` [${code}]`}\n  cure: ${cure}\n`;
    })
    .join('');
}

/** The same for programs: one line of JSON, `{"errors":[{"file":…,"line":…,"what":…,"cure":…}]}`. */
export function failureJson({ complaints }: Failure): string {
  return complaints.length === 0 ? '' : `${JSON.stringify({ errors: complaints })}\n`;
}
