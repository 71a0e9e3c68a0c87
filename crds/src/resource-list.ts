import { type FieldPath, valueAt } from './field-path.ts';
import { RESOURCE_KINDS } from './resource.ts';
import { API_VERSION } from './resource-metadata.ts';
import type { YamlDocument } from './yaml-document.ts';

/** Kinds that hold resources in `items`: what `kubectl get -o yaml` prints, and what the API server does. */
const LIST_KINDS: ReadonlyMap<unknown, unknown> = new Map([
  ['List', 'v1'],
  ...RESOURCE_KINDS.map((kind) => [`${kind}List`, API_VERSION] as const),
]);

/**
 * The items of a list as documents of their own, which still know where they were written; any other document as it is. Lists inside
 * lists are left alone: nothing prints them.
 */
export function itemsOf(document: YamlDocument): readonly YamlDocument[] {
  const kind = valueAt(document.value, ['kind']);
  const items = valueAt(document.value, ['items']);
  const isList = LIST_KINDS.has(kind) && LIST_KINDS.get(kind) === valueAt(document.value, ['apiVersion']);
  if (!isList || !Array.isArray(items) || document.syntaxProblems.length > 0) return [document];
  return items.map((value: unknown, index) => itemAt(document, ['items', index], value));
}

function itemAt(document: YamlDocument, path: FieldPath, value: unknown): YamlDocument {
  return {
    value,
    syntaxProblems: [],
    place: document.placeOf(path),
    placeOf: (inner) => document.placeOf([...path, ...inner]),
    locate: (finding) => document.locate({ ...finding, path: [...path, ...finding.path] }),
  };
}
