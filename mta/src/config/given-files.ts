import { stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { errorText, nearestName, type Problem } from '@sluice/crds';
import { isMap, isScalar, parseAllDocuments } from 'yaml';
import { plainReason } from './plain-reason.ts';
import { NO_LIBRARY } from './provider-library.ts';
import { type ResourceFiles, readResourceFiles } from './resource-directory.ts';
import { EMPTY_SET, nextResourceSet, type ResourceSet } from './resource-set.ts';
import { readResourceText, resourceText } from './resource-text.ts';

/** What a user named on a command line, read and sorted by kind. */
export interface GivenFiles {
  /** Files with EgressPools, ShapingPolicies, or what is meant to be one. */
  readonly resources: ResourceFiles;
  /** Files that hold an MtaConfig, or what is meant to be one: path → text. */
  readonly settings: ResourceFiles;
  /** What cannot be read; directories without a file, unless they may be empty. */
  readonly problems: readonly Problem[];
}

/** Named in place of a path: standard input. */
const STDIN = '-';
/** How problems name it. */
const STDIN_NAME = '<stdin>';

/**
 * Reads files, directories and standard input (`-`); of a directory what `sluice run` reads: `*.yaml` and `*.yml` in it and below it.
 *
 * Example: `await readGivenFiles(['sluice.yaml', 'resources'])`
 *
 * @param mayBeEmpty whether a directory without a file is fine
 */
export async function readGivenFiles(paths: readonly string[], mayBeEmpty = false): Promise<GivenFiles> {
  const resources = new Map<string, string>();
  const settings = new Map<string, string>();
  const problems: Problem[] = [];
  for (const path of new Set(paths)) {
    const files = await readPath(path);
    if (files instanceof Error)
      problems.push(unreadable(path === STDIN ? STDIN_NAME : path, plainReason(files)));
    else if (files.size === 0 && !mayBeEmpty)
      problems.push(unreadable(path, 'no *.yaml or *.yml file is in it'));
    else for (const [file, text] of files) (holdsSettings(text) ? settings : resources).set(file, text);
  }
  return { resources, settings, problems };
}

/** The resources of some files by themselves: nothing was in force before. */
export function compileFiles(files: ResourceFiles, library: ResourceFiles = NO_LIBRARY): ResourceSet {
  return nextResourceSet(EMPTY_SET, files, library);
}

async function readPath(path: string): Promise<ResourceFiles | Error> {
  try {
    if (path === STDIN) return new Map([[STDIN_NAME, resourceText(await buffer(process.stdin))]]);
    if ((await stat(path)).isDirectory()) return await readResourceFiles(path);
    return new Map([[path, await readResourceText(path)]]);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function unreadable(file: string, reason: string): Problem {
  const code = 'SLUICE_CONFIG_UNREADABLE';
  return { code, file, field: '', ...errorText(code, { file, reason }) };
}

/** Whether a document of the file is an MtaConfig, or is meant to be one. Most files need no second reading to tell. */
function holdsSettings(text: string): boolean {
  const words = new Set(Array.from(text.matchAll(/\bkind["']?\s*:\s*["']?(\w+)/g), ([, word]) => word));
  if (![...words].some(isSettingsKind)) return false;
  try {
    return parseAllDocuments(text, { prettyErrors: false, uniqueKeys: false }).some(({ contents }) => {
      if (!isMap(contents)) return false;
      return contents.items.some(({ key, value }) => textOf(key) === 'kind' && isSettingsKind(textOf(value)));
    });
  } catch {
    // Nested deeper than the parser's stack: told as a problem by who reads it as a resource.
    return false;
  }
}

function isSettingsKind(kind: unknown): boolean {
  return (
    typeof kind === 'string' &&
    nearestName(kind, ['EgressPool', 'ShapingPolicy', 'MtaConfig']) === 'MtaConfig'
  );
}

function textOf(node: unknown): unknown {
  return isScalar(node) ? node.value : undefined;
}
