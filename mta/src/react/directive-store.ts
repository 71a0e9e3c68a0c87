import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { type Directive, directiveSchema } from './directive.ts';
import { DirectiveSet } from './directive-set.ts';

/** Longest delay of a timer of Node, milliseconds; what is later is looked at again. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const contents = z.object({ directives: z.array(z.unknown()) });

/** Where the directives of a pod, or of all pods, live. */
export interface DirectiveStore {
  /** What is in force now. */
  readonly set: DirectiveSet;
  /** Called when the set became another one: by `put`, `remove`, another pod, or time. */
  onChange: (() => void) | undefined;
  /** In force at once; resolves when it outlives the process. One with the same id is replaced. */
  put(directives: readonly Directive[]): Promise<void>;
  /** Takes back; resolves with how many there were. */
  remove(ids: readonly string[]): Promise<number>;
  close(): Promise<void>;
}

export interface FileDirectiveStoreOptions {
  /** Beside the spool; its directory is made. Absent = they do not outlive the process. */
  readonly path?: string;
  /** Wall time, milliseconds. */
  readonly nowMs: () => number;
  /** What the file says cannot be used, or cannot be written; what is in memory holds all the same. */
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
  set = DirectiveSet.EMPTY;
  onChange: (() => void) | undefined;
  readonly #options: FileDirectiveStoreOptions;
  readonly #byId = new Map<string, Directive>();
  #timer: NodeJS.Timeout | undefined;
  /** Writes one after the other: the last one, and the one that has not begun. */
  #written: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #closed = false;

  constructor(options: FileDirectiveStoreOptions) {
    this.#options = options;
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
    this.#renew();
  }

  async put(directives: readonly Directive[]): Promise<void> {
    for (const directive of directives) this.#byId.set(directive.id, directive);
    this.#renew();
    await this.#write();
  }

  async remove(ids: readonly string[]): Promise<number> {
    const removed = ids.filter((id) => this.#byId.delete(id)).length;
    if (removed === 0) return 0;
    this.#renew();
    await this.#write();
    return removed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#written;
  }

  /** Makes the set anew and sets the clock for its next change. */
  #renew(): void {
    if (this.#closed) return;
    const { nowMs } = this.#options;
    this.set = new DirectiveSet([...this.#byId.values()], nowMs());
    const live = new Set(this.set.directives.map(({ id }) => id));
    for (const id of this.#byId.keys()) if (!live.has(id)) this.#byId.delete(id);
    clearTimeout(this.#timer);
    const nextMs = this.set.nextChangeAtMs();
    if (nextMs !== undefined) {
      // A timer may ring a moment early by this clock: never before the time itself.
      const delayMs = Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(nextMs - nowMs())));
      this.#timer = setTimeout(() => this.#renew(), delayMs);
      this.#timer.unref();
    }
    this.onChange?.();
  }

  /** Resolves when a write that began after now has ended. What comes while one is under way goes out together: a storm of replies is no storm of writes. */
  #write(): Promise<void> {
    if (this.#options.path === undefined) return Promise.resolve();
    this.#next ??= this.#written.then(() => {
      this.#next = undefined;
      return this.#save();
    });
    this.#written = this.#next;
    return this.#written;
  }

  async #save(): Promise<void> {
    const { path = '', onError } = this.#options;
    try {
      await mkdir(dirname(path), { recursive: true });
      const draft = `${path}.new`;
      const directives = [...this.#byId.values()];
      await writeFile(draft, `${JSON.stringify({ directives }, undefined, 1)}\n`, {
        mode: 0o640,
        flush: true,
      });
      await rename(draft, path);
    } catch (error) {
      onError('directives hold, but will not outlive this process', error);
    }
  }
}
