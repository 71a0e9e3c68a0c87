import {
  type Compiled,
  type Condition,
  compile,
  errorText,
  type ForeignResource,
  type ParsedFile,
  type ParsedResource,
  type Problem,
  parseResources,
  type RejectedResource,
  type Resource,
  type ResourceStatus,
  resourceKey,
} from '@sluice/crds';
import { NO_LIBRARY } from './provider-library.ts';
import type { ResourceFiles } from './resource-directory.ts';

/** What a set of files comes to, given the set before. Immutable. */
export interface ResourceSet {
  readonly compiled: Compiled;
  readonly problems: readonly Problem[];
  /** About resources of the user, not those of the provider library. */
  readonly warnings: readonly Problem[];
  /** Resources of other programs among the files. */
  readonly foreign: readonly Problem[];
  /** `Kind/name` of what is not in force as it stands. */
  readonly refused: readonly string[];
  /** File → `Kind/name` of what it held when it could last be read whole. */
  readonly keysOfFile: ReadonlyMap<string, ReadonlySet<string>>;
  /** Files as they were read: those that did not change need not be read again. */
  readonly parsed: ReadonlyMap<string, ReadFile>;
}

interface ReadFile {
  readonly text: string;
  readonly result: ParsedFile;
}

/** Before anything was read: no pool, no policy. */
export const EMPTY_SET: ResourceSet = {
  compiled: compile({ resources: [] }),
  problems: [],
  warnings: [],
  foreign: [],
  refused: [],
  keysOfFile: new Map(),
  parsed: new Map(),
};

/**
 * Compiles the files as they are now. What is broken keeps its last good form: a resource whose kind and name can be told
 * keeps its own, a file that cannot be read at all keeps everything that it held. Pure.
 *
 * Example: `nextResourceSet(EMPTY_SET, new Map([['pools.yaml', text]])).compiled.config.hash`
 *
 * @param library resources that come with the program; one of the same kind and name in the files takes their place
 */
export function nextResourceSet(
  before: ResourceSet,
  files: ResourceFiles,
  library: ResourceFiles = NO_LIBRARY,
): ResourceSet {
  const parsed = new Map(
    Array.from([...library, ...files], ([file, text]) => [file, readFile(before, file, text)] as const),
  );
  const isOurs = (file: string | undefined) => file !== undefined && library.has(file) && !files.has(file);
  const results = Array.from(parsed, ([file, { result }]) => ({ file, result }));
  const given = results.filter(({ file }) => !isOurs(file)).flatMap(({ result }) => resourcesOf(result));
  const givenKeys = new Set(given.map(resourceKey));
  const shipped = results.filter(({ file }) => isOurs(file)).flatMap(({ result }) => resourcesOf(result));
  const keysOfFile = new Map(
    results.map(({ file, result }) => [file, keysOf(result, before.keysOfFile.get(file))] as const),
  );
  const kept = new Set([...keysOfFile.values()].flatMap((keys) => [...keys]));
  const compiled = compile({
    resources: [...given, ...shipped.filter((resource) => !givenKeys.has(resourceKey(resource)))],
    lastGood: only(before.compiled.lastGood, kept),
    keepMissing: !results.every(({ result }) => isComplete(result)),
  });
  const parseProblems = results.flatMap(({ result }) => result.problems);
  const rejected = new Set(results.flatMap(({ result }) => result.rejected.map(resourceKey)));
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
    warnings: compiled.statuses.filter(({ place }) => !isOurs(place.file)).flatMap(warningsOf),
    foreign: results.flatMap(({ result }) => result.foreign.map(foreignProblem)),
    refused: refused.map(resourceKey),
    keysOfFile,
    parsed,
  };
}

function readFile(before: ResourceSet, file: string, text: string): ReadFile {
  const known = before.parsed.get(file);
  return known?.text === text ? known : { text, result: parseResources(text, file) };
}

function resourcesOf(result: ParsedFile): readonly (ParsedResource | RejectedResource)[] {
  return [...result.resources, ...result.rejected];
}

function foreignProblem({ apiVersion, kind, name, place }: ForeignResource): Problem {
  const code = 'SLUICE_RESOURCE_FOREIGN';
  const resource = name === '' ? kind : `${kind}/${name}`;
  return { code, file: '', ...place, field: '', ...errorText(code, { resource, apiVersion }) };
}

/** `false` = some problem belongs to a document whose kind and name cannot be told. */
function isComplete(result: ParsedFile): boolean {
  const told = result.rejected.reduce((sum, rejected) => sum + rejected.problems.length, 0);
  return result.complete && told === result.problems.length;
}

/** What a file holds; where a document of it cannot be told, also what it held before. */
function keysOf(result: ParsedFile, before: ReadonlySet<string> | undefined): ReadonlySet<string> {
  const now = resourcesOf(result).map(resourceKey);
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
