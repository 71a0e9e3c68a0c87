/** What a line of the log may carry besides its message. Never a password, never the body of a message. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * The log as every room receives it, by injection. It lives in the lowest room so that all others can name it;
 * `createLogger` of the report room makes one.
 *
 * Example: `logger.warn({ file, line }, 'a changed resource is broken, the last good form stays in force')`
 */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A log whose every line carries these fields too. */
  child(fields: LogFields): Logger;
}
