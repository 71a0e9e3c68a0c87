import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SluiceError } from '@sluice/crds';
import { z } from 'zod';
import { type Directive, directiveSchema } from './directive.ts';
import type { DirectiveSet } from './directive-set.ts';
import type { DirectiveStore } from './directive-store.ts';
import { StandingSet } from './standing-set.ts';

const contents = z.object({ directives: z.array(z.unknown()) });

export interface FileDirectiveStoreOptions {
  /** Beside the spool; its directory is made. Absent = they do not outlive the process. */
  readonly path?: string;
  /** Wall time, milliseconds. */
  readonly nowMs: () => number;
  /** What the file says cannot be used, or what reactions made cannot be written; what is in memory holds all the same. */
  readonly onError: (what: string, error: unknown) => void;
}

/**
 * The directives of a single MTA, in a file that is replaced whole.
 *
 * Example: `const store = await openFileDirectiveStore({ path: '/var/spool/sluice/directives.json', nowMs: Date.now, onError })`
 */
export async function openFileDirectiveStore(options: FileDirectiveStoreOptions): Promise<DirectiveStore> {
  const store = new FileDirectiveStore(options);
  await store.read();
  return store;
}

class FileDirectiveStore implements DirectiveStore {
  onChange: (() => void) | undefined;
  readonly trouble = undefined;
  readonly #options: FileDirectiveStoreOptions;
  readonly #byId = new Map<string, Directive>();
  readonly #standing: StandingSet;
  /** Writes one after the other: the last one, and the one that has not begun. */
  #written: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(options: FileDirectiveStoreOptions) {
    this.#options = options;
    this.#standing = new StandingSet({
      directives: () => this.#living(),
      nowMs: options.nowMs,
      onChange: () => this.onChange?.(),
    });
  }

  get set(): DirectiveSet {
    return this.#standing.current;
  }

  async read(): Promise<void> {
    const { path, onError } = this.#options;
    if (path === undefined) return;
    try {
      for (const one of contents.parse(JSON.parse(await readFile(path, 'utf8'))).directives) {
        const parsed = directiveSchema.safeParse(one);
        if (parsed.success) this.#byId.set(parsed.data.id, parsed.data);
        else onError('a directive cannot be read and does not hold', parsed.error);
      }
    } catch (error) {
      const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!missing) onError('the directives of before cannot be read and do not hold', error);
    }
    this.#standing.changed();
  }

  async put(directives: readonly Directive[]): Promise<void> {
    this.#hold(directives);
    await this.#write(WHAT_HOLDS);
  }

  react(directives: readonly Directive[]): void {
    this.#hold(directives);
    this.#write(WHAT_HOLDS).catch((error) =>
      this.#options.onError('directives hold, but will not outlive this process', error),
    );
  }

  async remove(ids: readonly string[]): Promise<number> {
    const removed = ids.filter((id) => this.#byId.delete(id)).length;
    if (removed === 0) return 0;
    this.#standing.changed();
    await this.#write(WHAT_IS_OVER);
    return removed;
  }

  async close(): Promise<void> {
    this.#standing.close();
    await this.#written.catch(() => {});
  }

  #hold(directives: readonly Directive[]): void {
    for (const directive of directives) this.#byId.set(directive.id, directive);
    this.#standing.changed();
  }

  #living(): Iterable<Directive> {
    const nowMs = this.#options.nowMs();
    for (const [id, { expiresAtMs }] of this.#byId)
      if (expiresAtMs > 0 && expiresAtMs <= nowMs) this.#byId.delete(id);
    return this.#byId.values();
  }

  /** Resolves when a write that began after now has ended. What comes while one is under way goes out together: a storm of replies is no storm of writes. */
  async #write(what: string): Promise<void> {
    if (this.#options.path === undefined) return;
    this.#next ??= this.#written
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#save();
      });
    this.#written = this.#next;
    try {
      await this.#written;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const cure = `${what} Let the user that runs sluice write there, make room, and give the command again.`;
      throw new SluiceError('SLUICE_DIRECTIVE_NOT_STORED', { reason, cure }, {}, error);
    }
  }

  async #save(): Promise<void> {
    const { path = '' } = this.#options;
    await mkdir(dirname(path), { recursive: true });
    const draft = `${path}.new`;
    const directives = [...this.#byId.values()];
    await writeFile(draft, `${JSON.stringify({ directives }, undefined, 1)}\n`, { mode: 0o640, flush: true });
    await rename(draft, path);
  }
}

const WHAT_HOLDS = 'It is in force until this MTA ends, and will not be afterwards.';
const WHAT_IS_OVER = 'It has ended, and will be in force again when this MTA starts again.';
