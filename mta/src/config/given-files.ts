import { readFile, stat } from 'node:fs/promises';
import { errorText, type Problem } from '@sluice/crds';
import { isMap, isScalar, parseAllDocuments } from 'yaml';
import { type ResourceFiles, readResourceFiles } from './resource-directory.ts';
import { EMPTY_SET, nextResourceSet, type ResourceSet } from './resource-set.ts';

/** What a user named on a command line, read and sorted by kind. */
export interface GivenFiles {
  /** Files with EgressPools, ShapingPolicies, or what is meant to be one. */
  readonly resources: ResourceFiles;
  /** Paths of files that hold an MtaConfig. */
  readonly settings: readonly string[];
  /** What cannot be read; directories without a file, unless they may be empty. */
  readonly problems: readonly Problem[];
}

/**
 * Reads files and directories; of a directory what `sluice run` reads: `*.yaml` and `*.yml` in it, not below it.
 *
 * Example: `await readGivenFiles(['sluice.yaml', 'resources'])`
 *
 * @param mayBeEmpty whether a directory without a file is fine
 */
export async function readGivenFiles(paths: readonly string[], mayBeEmpty = false): Promise<GivenFiles> {
  const resources = new Map<string, string>();
  const settings = new Set<string>();
  const problems: Problem[] = [];
  for (const path of paths) {
    const files = await readPath(path);
    if (files instanceof Error) problems.push(unreadable(path, files.message));
    else if (files.size === 0 && !mayBeEmpty)
      problems.push(unreadable(path, 'no *.yaml or *.yml file is in it'));
    else
      for (const [file, text] of files) {
        if (holdsSettings(text)) settings.add(file);
        else resources.set(file, text);
      }
  }
  return { resources, settings: [...settings], problems };
}

/** The resources of some files by themselves: nothing was in force before. */
export function compileFiles(files: ResourceFiles): ResourceSet {
  return nextResourceSet(EMPTY_SET, files);
}

async function readPath(path: string): Promise<ResourceFiles | Error> {
  try {
    if ((await stat(path)).isDirectory()) return await readResourceFiles(path);
    return new Map([[path, await readFile(path, 'utf8')]]);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function unreadable(file: string, reason: string): Problem {
  const code = 'SLUICE_CONFIG_UNREADABLE';
  return { code, file, field: '', ...errorText(code, { file, reason }) };
}

function holdsSettings(text: string): boolean {
  try {
    return parseAllDocuments(text, { prettyErrors: false }).some(({ contents }) => {
      if (!isMap(contents)) return false;
      return contents.items.some(({ key, value }) => textOf(key) === 'kind' && textOf(value) === 'MtaConfig');
    });
  } catch {
    // Nested deeper than the parser's stack: told as a problem by who reads it as a resource.
    return false;
  }
}

function textOf(node: unknown): unknown {
  return isScalar(node) ? node.value : undefined;
}
