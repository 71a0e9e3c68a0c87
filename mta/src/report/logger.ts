import pino from 'pino';
import type { Logger, LogSettings } from '../config/mod.ts';
import { textLine } from './text-line.ts';

/** The log goes to standard error: standard output carries events, and the two have different schemas. */
const STDERR_FD = 2;

/** Where lines go: a file descriptor, or anything with `write` (tests). */
export type LogDestination = number | { write(line: string): void };

/**
 * Makes the log: JSON lines `{"level":"info","time":"…","msg":"…",…}`, or text for people.
 * Fields named `password` are never printed.
 *
 * Example: `createLogger({ level: 'Info', format: 'JSON' })`
 */
export function createLogger(settings: LogSettings, destination: LogDestination = STDERR_FD): Logger {
  // Written by the thread pool and flushed at exit: a stopped log collector must not stop mail.
  const sink =
    typeof destination === 'number' ? pino.destination({ fd: destination, sync: false }) : destination;
  return pino(
    {
      level: settings.level.toLowerCase(),
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['password', '*.password'], censor: '(not shown)' },
    },
    settings.format === 'Text' ? { write: (line: string) => sink.write(textLine(line)) } : sink,
  );
}
