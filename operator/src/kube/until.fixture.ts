import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './logger.ts';

const LIMIT_MS = 8_000;

/** Polls a condition, as tests do instead of sleeping. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > LIMIT_MS) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
    await delay(3);
  }
}

export interface KeptLine {
  readonly level: keyof Logger;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A log that keeps its lines. */
export function keptLog(): { readonly lines: readonly KeptLine[]; readonly logger: Logger } {
  const lines: KeptLine[] = [];
  const at = (level: keyof Logger) => (fields: Readonly<Record<string, unknown>>, message: string) =>
    void lines.push({ level, fields, message });
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}
