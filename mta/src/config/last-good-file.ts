import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Logger } from './logger.ts';
import type { ResourceFiles } from './resource-directory.ts';

/** Policies may name tenants: others need not read them. */
const FILE_MODE = 0o640;

const contents = z.object({ files: z.record(z.string(), z.string()) });

/**
 * The resource files as they last were in order, kept beside the spool: a process that starts while one of them is broken still
 * knows what was in force, and sends no mail without its limits.
 */
export class LastGoodFile {
  readonly #path: string;
  readonly #logger: Logger;

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  /** What was kept; empty when there is none, or none that can be read. */
  read(): ResourceFiles {
    try {
      return new Map(Object.entries(contents.parse(JSON.parse(readFileSync(this.#path, 'utf8'))).files));
    } catch (error) {
      if (!isMissing(error)) this.#tell('the resources that were last in order cannot be read', error);
      return new Map();
    }
  }

  /** Replaces what is kept, whole or not at all. */
  write(files: ResourceFiles): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      const draft = `${this.#path}.new`;
      writeFileSync(draft, `${JSON.stringify({ files: Object.fromEntries(files) })}\n`, { mode: FILE_MODE });
      renameSync(draft, this.#path);
    } catch (error) {
      this.#tell('the resources that are in order cannot be kept for the next start', error);
    }
  }

  #tell(what: string, error: unknown): void {
    this.#logger.warn(
      { file: this.#path, reason: error instanceof Error ? error.message : String(error) },
      what,
    );
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
