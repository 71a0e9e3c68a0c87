import { stat } from 'node:fs/promises';

/** Files are looked at this often: watches of the system miss the swap of a symlink two directories up, as Kubernetes makes it. */
export const FILES_POLL_MS = 1_000;
/** What was changed a moment ago may be half written, or the first of two files: it is used once it has kept still for so long. */
const SETTLE_MS = 100;

export interface FileWatch {
  close(): void;
}

/**
 * Calls `onChange` when one of a few files is another one: edited in place, replaced, or behind a symlink that was swapped, as
 * Kubernetes updates a mounted Secret. Called once at the start too, for what changed since the files were first read.
 * What it does is waited for; it must not reject.
 *
 * Example: `const watch = watchFiles([certificateFile, keyFile], () => reload())`
 */
export function watchFiles(
  files: readonly string[],
  onChange: () => Promise<void>,
  pollMs = FILES_POLL_MS,
): FileWatch {
  let used: string | undefined;
  let unsettled: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const look = async (): Promise<void> => {
    const signature = await signatureOf(files);
    const settled = used === undefined || signature === unsettled;
    if (!closed && signature !== used && settled) {
      // Of before the read: what changes while it is read is seen as another change.
      used = signature;
      await onChange();
    }
    unsettled = signature;
    if (!closed) timer = setTimeout(look, signature === used ? pollMs : Math.min(SETTLE_MS, pollMs)).unref();
  };
  void look();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Inodes, sizes and change times (which no program can set back); a file that is not there is a state too. */
async function signatureOf(files: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    files.map(async (file) => {
      try {
        const { dev, ino, size, ctimeNs, mtimeNs } = await stat(file, { bigint: true });
        return `${dev}/${ino}/${size}/${ctimeNs}/${mtimeNs}`;
      } catch {
        return 'none';
      }
    }),
  );
  return parts.join('\n');
}
