import { valueAt } from './field-path.ts';
import { type ForeignResource, foreignResource } from './foreign-resource.ts';
import { type Finding, type Problem, problemOf } from './problem.ts';
import {
  checkResource,
  type ParsedResource,
  RESOURCE_KINDS,
  RESOURCE_SCHEMAS,
  type RejectedResource,
  type Resource,
  type ResourceKind,
} from './resource.ts';
import { itemsOf } from './resource-list.ts';
import { API_VERSION } from './resource-metadata.ts';
import { withoutServerFields } from './server-fields.ts';
import { shapeFindings, unknownIdentity } from './shape-findings.ts';
import { readYamlDocuments, type YamlDocument } from './yaml-document.ts';

export interface ParsedFile {
  readonly resources: readonly ParsedResource[];
  /** Those with mistakes whose kind and name can be told: `compile` keeps their last good form. */
  readonly rejected: readonly RejectedResource[];
  /** All mistakes of the file, also those of `rejected`, in the order of the documents. */
  readonly problems: readonly Problem[];
  /** What belongs to other programs, and was left out. */
  readonly foreign: readonly ForeignResource[];
  /** `false` = kind or name of a document cannot be told: a resource that seems to be missing may be that one. */
  readonly complete: boolean;
}

/**
 * Reads EgressPools and ShapingPolicies from the text of one YAML file with one or more documents; the items of a List count as
 * documents. Never throws: every mistake is a problem with its line, and the other documents are read all the same.
 *
 * Example: `parseResources('kind: EgresPool\n…', 'pools.yaml').problems[0]` →
 * `{ line: 1, column: 7, field: 'kind', what: 'kind must be EgressPool or ShapingPolicy, not "EgresPool".', … }`
 */
export function parseResources(text: string, file: string): ParsedFile {
  const resources: ParsedResource[] = [];
  const rejected: RejectedResource[] = [];
  const problems: Problem[] = [];
  const foreign: ForeignResource[] = [];
  let complete = true;
  for (const part of readYamlDocuments(text, file)) {
    if ('problem' in part) {
      problems.push(part.problem);
      complete = false;
    } else {
      for (const document of itemsOf(part.document)) {
        const read = readResource(document);
        if ('foreign' in read) foreign.push(read.foreign);
        else if ('resource' in read) resources.push(parsedResource(read.resource, document));
        else {
          problems.push(...read.problems);
          const identity = identityOf(document.value);
          if (identity !== undefined)
            rejected.push({ ...identity, problems: read.problems, place: document.place });
        }
      }
    }
  }
  return { resources, rejected, problems, foreign, complete };
}

function parsedResource(resource: Resource, { place }: YamlDocument): ParsedResource {
  return { kind: resource.kind, name: resource.metadata.name, resource, place };
}

function readResource(
  document: YamlDocument,
):
  | { readonly resource: Resource }
  | { readonly foreign: ForeignResource }
  | { readonly problems: readonly Problem[] } {
  if (document.syntaxProblems.length > 0) return { problems: document.syntaxProblems };
  const foreign = foreignResource(document);
  if (foreign !== undefined) return { foreign };
  const result = validateResource(document.value);
  return 'findings' in result ? { problems: result.findings.map(document.locate).toSorted(byPlace) } : result;
}

function byPlace(a: Problem, b: Problem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

/**
 * Checks the plain value of one resource, from YAML or from the API server: shape first, then meaning. What the API server adds to
 * a resource by itself is not looked at.
 */
export function validateResource(
  given: unknown,
): { readonly resource: Resource } | { readonly findings: readonly Finding[] } {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return { findings: [notAResource(given)] };
  }
  const value = withoutServerFields(given);
  const kind = kindOf(value);
  if (kind === undefined)
    return { findings: [unknownIdentity('kind', valueAt(value, ['kind']), RESOURCE_KINDS)] };
  const apiVersion = valueAt(value, ['apiVersion']);
  if (apiVersion !== API_VERSION)
    return { findings: [unknownIdentity('apiVersion', apiVersion, [API_VERSION])] };
  const schema = RESOURCE_SCHEMAS[kind];
  const parsed = schema.safeParse(value);
  if (!parsed.success) return { findings: shapeFindings(schema, value, parsed.error) };
  const findings = checkResource(parsed.data);
  return findings.length > 0 ? { findings } : { resource: parsed.data };
}

/**
 * What `compile` is given of one resource that the API server has: whole, or with its mistakes.
 *
 * Example: `compile({ resources: pools.map((pool) => resourceInput('EgressPool', pool.metadata.name, pool)) })`
 */
export function resourceInput(
  kind: ResourceKind,
  name: string,
  value: unknown,
): ParsedResource | RejectedResource {
  const read = validateResource(value);
  return 'resource' in read
    ? { kind, name, resource: read.resource, place: {} }
    : { kind, name, problems: read.findings.map((finding) => problemOf(finding, { file: '' })), place: {} };
}

function notAResource(value: unknown): Finding {
  return {
    code: 'SLUICE_FIELD_INVALID',
    path: [],
    parameters: {
      expected: 'a resource (apiVersion, kind, metadata, spec)',
      given: Array.isArray(value) ? 'a list' : 'a single value',
      cure: `Begin with apiVersion: ${API_VERSION}; separate resources by a line with ---.`,
    },
  };
}

function kindOf(value: unknown): ResourceKind | undefined {
  const kind = valueAt(value, ['kind']);
  return RESOURCE_KINDS.find((known) => known === kind);
}

function identityOf(value: unknown): { readonly kind: ResourceKind; readonly name: string } | undefined {
  const kind = kindOf(value);
  const name = valueAt(value, ['metadata', 'name']);
  return kind === undefined || typeof name !== 'string' || name === '' ? undefined : { kind, name };
}
