import { readFile, stat } from 'node:fs/promises';
import { parseKey, type SigningKey } from './key-file.ts';

/** A key that is in use is compared with its file at most this often, milliseconds. */
export const KEY_RECHECK_MS = 2_000;
/** Keys in memory; the longest unused one leaves. */
const MAX_KEYS = 20_000;
/** Files that are known to hold no key; the oldest leaves. */
const MAX_FLAWS = 10_000;

/** Why a file gives no key. */
export interface KeyFlaw {
  /** In words: `there is no such file`. */
  readonly flaw: string;
}

export interface KeyStoreOptions {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** A file holds another key than before. */
  readonly onChanged: (file: string) => void;
  /** A file that held a key holds none any more: the last good one stays in use. Told once for each state of the file. */
  readonly onBroken: (file: string, flaw: string) => void;
}

interface Held {
  key: SigningKey;
  /** State of the file that was read last: another one is read again. */
  mark: string;
  checkedAtMs: number;
  checking: boolean;
}

interface Known extends KeyFlaw {
  readonly untilMs: number;
}

/**
 * Private keys by file: read when first asked for, kept, and read again when the file changes, which a mounted Secret does by swapping
 * a symbolic link. A changed key is used at the latest {@link KEY_RECHECK_MS} after its next use; a file that was removed counts as
 * missing from then on; one that is broken (half written, wrong form) keeps its last good key. A file without a key is looked at again after the same time.
 *
 * Many messages that ask for one file at once cause one read.
 */
export class KeyStore {
  readonly #options: KeyStoreOptions;
  readonly #held = new Map<string, Held>();
  readonly #flaws = new Map<string, Known>();
  readonly #loading = new Map<string, Promise<SigningKey | KeyFlaw>>();

  constructor(options: KeyStoreOptions) {
    this.#options = options;
  }

  /** The key at once when it is in memory, else a promise of it or of why there is none. Never rejects. */
  get(file: string): SigningKey | KeyFlaw | Promise<SigningKey | KeyFlaw> {
    const nowMs = this.#options.nowMs();
    const held = this.#held.get(file);
    if (held !== undefined) {
      if (nowMs - held.checkedAtMs >= KEY_RECHECK_MS && !held.checking) void this.#recheck(file, held);
      return held.key;
    }
    const known = this.#flaws.get(file);
    if (known !== undefined && nowMs < known.untilMs) return known;
    let loading = this.#loading.get(file);
    if (loading === undefined) {
      loading = this.#load(file).finally(() => this.#loading.delete(file));
      this.#loading.set(file, loading);
    }
    return loading;
  }

  async #load(file: string): Promise<SigningKey | KeyFlaw> {
    const read = await readKey(file);
    if ('flaw' in read) {
      this.#remember(file, read.flaw);
      return { flaw: read.flaw };
    }
    this.#flaws.delete(file);
    bound(this.#held, MAX_KEYS);
    this.#held.set(file, { ...read, checkedAtMs: this.#options.nowMs(), checking: false });
    return read.key;
  }

  async #recheck(file: string, held: Held): Promise<void> {
    held.checking = true;
    const mark = await fileMark(file);
    held.checkedAtMs = this.#options.nowMs();
    // In use: it is now the youngest, so that the bound takes one that is not.
    this.#held.delete(file);
    if (typeof mark !== 'string' && mark.gone) {
      this.#remember(file, mark.flaw);
      this.#options.onBroken(file, mark.flaw);
      return;
    }
    this.#held.set(file, held);
    if (mark !== held.mark) await this.#reread(file, held);
    held.checking = false;
  }

  async #reread(file: string, held: Held): Promise<void> {
    const read = await readKey(file);
    if ('flaw' in read) {
      if (held.mark !== read.mark) this.#options.onBroken(file, read.flaw);
      held.mark = read.mark;
      return;
    }
    const changed = !isSameKey(held.key, read.key);
    held.key = read.key;
    held.mark = read.mark;
    if (changed) this.#options.onChanged(file);
  }

  #remember(file: string, flaw: string): void {
    this.#flaws.delete(file);
    bound(this.#flaws, MAX_FLAWS);
    this.#flaws.set(file, { flaw, untilMs: this.#options.nowMs() + KEY_RECHECK_MS });
  }
}

/** `equals` of keys of two kinds leaves an error with OpenSSL (Node 26) that the next key to be read would be blamed for. */
function isSameKey(one: SigningKey, other: SigningKey): boolean {
  return one.algorithm === other.algorithm && one.key.equals(other.key);
}

function bound(map: Map<string, unknown>, most: number): void {
  if (map.size < most) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

/** The key of a file, or why it has none; `mark` is the state of the file it was read from. Never rejects. */
export async function readKey(
  file: string,
): Promise<{ readonly key: SigningKey; readonly mark: string } | (KeyFlaw & { readonly mark: string })> {
  // Before the text: what is written in between makes the next check read again.
  const mark = await fileMark(file);
  if (typeof mark !== 'string') return { flaw: mark.flaw, mark: mark.flaw };
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    return { flaw: flawOf(error).flaw, mark };
  }
  const key = parseKey(text);
  return typeof key === 'string' ? { flaw: key, mark } : { key, mark };
}

/** What changes when a file's content does: links are followed. */
async function fileMark(file: string): Promise<string | (KeyFlaw & { readonly gone: boolean })> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    return flawOf(error);
  }
}

function flawOf(error: unknown): KeyFlaw & { readonly gone: boolean } {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'ENOENT' || code === 'ENOTDIR') return { flaw: 'there is no such file', gone: true };
  if (code === 'EACCES' || code === 'EPERM')
    return { flaw: 'the user that runs sluice may not read it', gone: false };
  if (code === 'EISDIR') return { flaw: 'it is a directory', gone: false };
  return { flaw: error instanceof Error ? error.message : String(error), gone: false };
}
