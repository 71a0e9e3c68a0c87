import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { plainReason } from './plain-reason.ts';
import { readResourceText } from './resource-text.ts';
import { resourceNames } from './resource-tree.ts';

/** Files of a directory, path → text, in the order of their names. */
export type ResourceFiles = ReadonlyMap<string, string>;

/** Look again at least so often: `fs.watch` misses mounts, swaps of symlinks and network file systems. */
export const POLL_INTERVAL_MS = 1_000;
/** A file that was changed a moment ago may be half written: it is read once it has kept still for so long … */
export const SETTLE_MS = 100;
/** … or when this much time has passed since the first change. Poll + this stay below two seconds. */
export const MAX_SETTLE_MS = 700;

export interface ResourceDirectoryOptions {
  readonly directory: string;
  /** The files as they are now; called once for each content that differs from the one before. */
  readonly onFiles: (files: ResourceFiles) => void;
  /** The directory, or a file in it, cannot be read; called once for each different reason. */
  readonly onUnreadable: (reason: string) => void;
}

/**
 * Watches the `*.yaml` and `*.yml` files of a directory and of those below it: edits in place, replaced files, and the symlink swap by
 * which Kubernetes updates a mounted ConfigMap (`..data` → a new directory). Names that begin with a dot are not read.
 */
export class ResourceDirectory {
  readonly #options: ResourceDirectoryOptions;
  readonly #poll: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #settle: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #closed = false;
  /** Identity and change times of what was read last: equal = nothing can have changed. */
  #signature: string | undefined;
  /** What was seen but not yet read: since when something is new, and since when it keeps still. */
  #unsettled:
    | { readonly signature: string; readonly firstMs: number; readonly stillSinceMs: number }
    | undefined;
  #content: string | undefined;
  #reason: string | undefined;

  constructor(options: ResourceDirectoryOptions) {
    this.#options = options;
    this.#poll = setInterval(() => this.#look(), POLL_INTERVAL_MS);
    this.#watch();
  }

  /** Reads at once, whether or not it keeps still; resolves when one of the callbacks has been called. */
  start(): Promise<void> {
    const first = this.#first();
    this.#run(first);
    return first;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#settle);
    this.#watcher?.close();
  }

  #watch(): void {
    try {
      this.#watcher = watch(this.#options.directory, () => this.#look());
      // No inotify left, directory removed: the poll carries on alone.
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      this.#unwatch();
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #look(): void {
    if (this.#closed) return;
    if (this.#looking !== undefined) {
      this.#lookAgain = true;
      return;
    }
    this.#run(this.#compare());
  }

  /** One piece of work at a time; what comes meanwhile is one more look after it. */
  #run(work: Promise<void>): void {
    this.#looking = work.finally(() => {
      this.#looking = undefined;
      if (!this.#lookAgain) return;
      this.#lookAgain = false;
      this.#look();
    });
  }

  async #first(): Promise<void> {
    const signature = await signatureOf(this.#options.directory);
    await this.#read(signature instanceof Error ? undefined : signature);
  }

  async #compare(): Promise<void> {
    const signature = await signatureOf(this.#options.directory);
    if (signature instanceof Error) return this.#unreadable(signature);
    if (this.#watcher === undefined) this.#watch();
    if (signature === this.#signature) {
      this.#unsettled = undefined;
      return;
    }
    const nowMs = performance.now();
    const seen = this.#unsettled ?? { signature, firstMs: nowMs, stillSinceMs: nowMs };
    const stillSinceMs = seen.signature === signature ? seen.stillSinceMs : nowMs;
    if (nowMs - stillSinceMs >= SETTLE_MS || nowMs - seen.firstMs >= MAX_SETTLE_MS) {
      await this.#read(signature);
      return;
    }
    this.#unsettled = { signature, firstMs: seen.firstMs, stillSinceMs };
    this.#lookIn(SETTLE_MS - (nowMs - stillSinceMs));
  }

  #lookIn(delayMs: number): void {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.#look(), Math.ceil(delayMs));
  }

  async #read(signature: string | undefined): Promise<void> {
    const { directory, onFiles } = this.#options;
    const files = await readResourceFiles(directory);
    if (this.#closed) return;
    if (files instanceof Error) return this.#unreadable(files);
    this.#reason = undefined;
    this.#unsettled = undefined;
    // Swapped or written while it was read: what was read may be of two versions. The next look tells.
    const after = await signatureOf(directory);
    if (signature !== after) {
      this.#signature = undefined;
      this.#lookIn(SETTLE_MS);
      if (this.#content !== undefined) return;
    } else this.#signature = signature;
    const content = JSON.stringify([...files]);
    if (content === this.#content) return;
    this.#content = content;
    onFiles(files);
  }

  #unreadable(error: Error): void {
    // Read again as soon as it is there, even if nothing in it changed.
    this.#signature = undefined;
    this.#content = undefined;
    if (this.#reason === error.message) return;
    this.#reason = error.message;
    if (!this.#closed) this.#options.onUnreadable(plainReason(error));
  }
}

/** Reads all resource files of a directory; the first thing that cannot be read is the result instead. */
export async function readResourceFiles(directory: string): Promise<ResourceFiles | Error> {
  try {
    const files = new Map<string, string>();
    for (const name of await resourceNames(directory)) {
      const path = join(directory, name);
      files.set(
        path,
        await readResourceText(path).catch((error: unknown) => Promise.reject(named(name, error))),
      );
    }
    return files;
  } catch (error) {
    return asError(error);
  }
}

/** Names, inodes, sizes and change times (which no program can set back) of all resource files. */
async function signatureOf(directory: string): Promise<string | Error> {
  try {
    const parts: string[] = [];
    for (const name of await resourceNames(directory)) {
      const { dev, ino, size, ctimeNs, mtimeNs } = await stat(join(directory, name), { bigint: true });
      parts.push(`${name}/${dev}/${ino}/${size}/${ctimeNs}/${mtimeNs}`);
    }
    return parts.join('\n');
  } catch (error) {
    return asError(error);
  }
}

/** Which of the files it is. */
function named(name: string, error: unknown): Error {
  return new Error(`${name}: ${plainReason(error)}`, { cause: error });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
