import {
  type Compiled,
  type Condition,
  compile,
  errorText,
  type ParsedFile,
  type Problem,
  parseResources,
  type Resource,
  type ResourceStatus,
  resourceKey,
} from '@sluice/crds';
import type { ResourceFiles } from './resource-directory.ts';

/** What a set of files comes to, given the set before. Immutable. */
export interface ResourceSet {
  readonly compiled: Compiled;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  /** `Kind/name` of what is not in force as it stands. */
  readonly refused: readonly string[];
  /** File → `Kind/name` of what it held when it could last be read whole. */
  readonly keysOfFile: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Before anything was read: no pool, no policy. */
export const EMPTY_SET: ResourceSet = {
  compiled: compile({ resources: [] }),
  problems: [],
  warnings: [],
  refused: [],
  keysOfFile: new Map(),
};

/**
 * Compiles the files as they are now. What is broken keeps its last good form: a resource whose kind and name can be told
 * keeps its own, a file that cannot be read at all keeps everything that it held. Pure.
 *
 * Example: `nextResourceSet(EMPTY_SET, new Map([['pools.yaml', text]])).compiled.config.hash`
 */
export function nextResourceSet(before: ResourceSet, files: ResourceFiles): ResourceSet {
  const parsed = new Map(Array.from(files, ([file, text]) => [file, parseResources(text, file)] as const));
  const results = [...parsed.values()];
  const resources = results.flatMap((result) => [...result.resources, ...result.rejected]);
  const keysOfFile = new Map(
    Array.from(parsed, ([file, result]) => [file, keysOf(result, before.keysOfFile.get(file))] as const),
  );
  const kept = new Set([...keysOfFile.values()].flatMap((keys) => [...keys]));
  const compiled = compile({
    resources,
    lastGood: only(before.compiled.lastGood, kept),
    keepMissing: !results.every(isComplete),
  });
  const parseProblems = results.flatMap((result) => result.problems);
  const rejected = new Set(results.flatMap((result) => result.rejected.map(resourceKey)));
  const refused = compiled.statuses.filter((status) => condition(status, 'Accepted')?.status === 'False');
  return {
    compiled,
    problems: [
      ...parseProblems,
      // Those that the parser rejected are told above, line by line.
      ...refused
        .filter((status) => !rejected.has(resourceKey(status)))
        .map((status) => problemOf('SLUICE_RESOURCE_REFUSED', status, condition(status, 'Accepted'))),
    ],
    warnings: compiled.statuses.flatMap(warningsOf),
    refused: refused.map(resourceKey),
    keysOfFile,
  };
}

/** `false` = some problem belongs to a document whose kind and name cannot be told. */
function isComplete(result: ParsedFile): boolean {
  const told = result.rejected.reduce((sum, rejected) => sum + rejected.problems.length, 0);
  return result.complete && told === result.problems.length;
}

/** What a file holds; where a document of it cannot be told, also what it held before. */
function keysOf(result: ParsedFile, before: ReadonlySet<string> | undefined): ReadonlySet<string> {
  const now = [...result.resources, ...result.rejected].map(resourceKey);
  return new Set(isComplete(result) ? now : [...now, ...(before ?? [])]);
}

function only(
  forms: ReadonlyMap<string, Resource>,
  keys: ReadonlySet<string>,
): ReadonlyMap<string, Resource> {
  return new Map([...forms].filter(([key]) => keys.has(key)));
}

function warningsOf(status: ResourceStatus): readonly Problem[] {
  const references = condition(status, 'ResolvedRefs');
  const conflicts = condition(status, 'Conflicted');
  const accepted = condition(status, 'Accepted');
  return [
    ...(accepted?.reason === 'PartiallySupported'
      ? [problemOf('SLUICE_RESOURCE_PARTIAL', status, accepted)]
      : []),
    ...(references?.status === 'False' ? [problemOf('SLUICE_REFERENCE_UNRESOLVED', status, references)] : []),
    ...(conflicts?.status === 'True' ? [problemOf('SLUICE_RESOURCE_CONFLICT', status, conflicts)] : []),
  ];
}

function condition(status: ResourceStatus, type: Condition['type']): Condition | undefined {
  return status.conditions.find((candidate) => candidate.type === type);
}

function problemOf(
  code:
    | 'SLUICE_RESOURCE_REFUSED'
    | 'SLUICE_RESOURCE_PARTIAL'
    | 'SLUICE_REFERENCE_UNRESOLVED'
    | 'SLUICE_RESOURCE_CONFLICT',
  status: ResourceStatus,
  because: Condition | undefined,
): Problem {
  const parameters = { resource: resourceKey(status), reason: because?.message ?? '' };
  return { code, file: '', ...status.place, field: '', ...errorText(code, parameters) };
}
