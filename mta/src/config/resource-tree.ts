import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { plainReason } from './plain-reason.ts';

/** Files and directories below a resources directory; more is a mistaken path, and each is looked at once a second. */
export const MAX_TREE_ENTRIES = 10_000;

/**
 * The `*.yaml` and `*.yml` files of a directory and of all below it, by path relative to it, in the order of their names. Names that begin with a dot are
 * left out, and so is `..data`, behind which Kubernetes keeps a mounted ConfigMap: its files are found by the names that lead there. A
 * directory that links lead to twice, or back to, is read once.
 */
export async function resourceNames(root: string): Promise<readonly string[]> {
  const names: string[] = [];
  const seen = new Set<string>();
  const waiting = [''];
  let entries = 0;
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const path = join(root, directory);
    const { dev, ino } = await stat(path, { bigint: true });
    if (seen.has(`${dev}/${ino}`)) continue;
    seen.add(`${dev}/${ino}`);
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      if (++entries > MAX_TREE_ENTRIES)
        throw new Error(`more than ${MAX_TREE_ENTRIES} files are in it; it must hold resources only`);
      const name = join(directory, entry.name);
      const isYaml = /\.ya?ml$/.test(entry.name);
      if (entry.isDirectory()) waiting.push(name);
      else if (entry.isSymbolicLink() && (await leadsToDirectory(join(root, name), isYaml)))
        waiting.push(name);
      else if (isYaml) names.push(name);
    }
  }
  return names.toSorted();
}

/** A link that leads nowhere is told only where it would be read: by its name it is a resource file. */
async function leadsToDirectory(path: string, isYaml: boolean): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isYaml) throw new Error(`${basename(path)}: ${plainReason(error)}`, { cause: error });
    return false;
  }
}
