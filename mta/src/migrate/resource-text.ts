import { API_VERSION, errorText, validateResource } from '@sluice/crds';
import { Document, isNode, isScalar, visit } from 'yaml';
import type { DestinationDraft, Draft, LayerDraft } from './layer-draft.ts';
import type { Omissions, Origin } from './translation.ts';

/** Destinations that one ShapingPolicy may have; more make a second one. */
const MAX_DESTINATIONS = 256;
/** Lists up to this length stand in one line. */
const MAX_FLOW_ITEMS = 8;

type Path = readonly PropertyKey[];

/** One resource before it is written. */
interface ResourceDraft {
  readonly content: Draft;
  /** Comment at the top. */
  readonly head: readonly string[];
  /** Comments above single entries, by the entry. */
  readonly comments: ReadonlyMap<unknown, readonly string[]>;
  /** Where entries come from, for what has to be left out. */
  readonly origins: ReadonlyMap<unknown, Origin>;
  readonly origin: Origin;
}

/** The ShapingPolicies of a translation: one, or several where one cannot hold all destinations. */
export function policyTexts(
  name: string,
  wide: { readonly layer: LayerDraft; readonly origin: Origin; readonly notes: readonly string[] },
  destinations: readonly DestinationDraft[],
  omissions: Omissions,
): readonly string[] {
  const texts: string[] = [];
  for (let from = 0; from === 0 || from < destinations.length; from += MAX_DESTINATIONS) {
    const comments = new Map<unknown, readonly string[]>();
    const origins = new Map<unknown, Origin>();
    const entries = destinations.slice(from, from + MAX_DESTINATIONS).map((draft) => {
      const entry = { name: draft.name, match: draft.match, ...draft.layer.content() };
      comments.set(entry, [`${place(draft.origin)}`, ...draft.notes]);
      origins.set(entry, draft.origin);
      return entry;
    });
    const layer = from === 0 ? wide.layer.content() : {};
    comments.set(layer, [place(wide.origin), ...wide.notes]);
    const spec = {
      ...(Object.keys(layer).length > 0 ? { default: layer } : {}),
      ...(entries.length > 0 ? { destinations: entries } : {}),
    };
    if (Object.keys(spec).length === 0) continue;
    const number = from / MAX_DESTINATIONS + 1;
    const metadata = { name: number === 1 ? name : `${name}-${number}` };
    const content: Draft = { apiVersion: API_VERSION, kind: 'ShapingPolicy', metadata, spec };
    const head = ['Translated by sluice import.'];
    const text = resourceText({ content, head, comments, origins, origin: wide.origin }, omissions);
    if (text !== undefined) texts.push(text);
  }
  return texts;
}

/**
 * YAML of one resource. What the language does not accept is left out and taken down with the reason, so what is
 * written always parses; `undefined` = nothing of it is left.
 */
export function resourceText(draft: ResourceDraft, omissions: Omissions): string | undefined {
  for (;;) {
    const result = validateResource(draft.content);
    if ('resource' in result) return yamlOf(draft);
    const finding = result.findings[0];
    if (finding === undefined) return undefined;
    const { what, cure } = errorText(finding.code, {
      field: fieldName(finding.path),
      ...finding.parameters,
    });
    const gone = whole(lastOf(draft.content, finding.path));
    omissions.add(originAt(draft, gone), fieldName(gone), `${what} ${cure}`);
    if (!removeAt(draft.content, gone)) return undefined;
  }
}

/** `gmail.toml:12`, in one line whatever the name of the file is. */
export function place({ file, line }: Origin): string {
  return `${file.replace(/\p{Cc}+/gu, ' ')}:${line}`;
}

function yamlOf({ content, head, comments }: ResourceDraft): string {
  const document = new Document(content, { aliasDuplicateObjects: false });
  if (head.length > 0) document.commentBefore = commentOf(head);
  const spec = content.spec;
  for (const path of commentedPaths(spec)) {
    const lines = comments.get(valueAt(spec, path));
    const node = document.getIn(['spec', ...path], true);
    if (lines !== undefined && isNode(node)) node.commentBefore = commentOf(lines);
  }
  // As people write them: `per: [Source, Site]`.
  visit(document, {
    Seq: (_, list) => {
      list.flow = list.items.length <= MAX_FLOW_ITEMS && list.items.every(isScalar);
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function commentedPaths(spec: unknown): readonly Path[] {
  return [
    ['default'],
    ...['destinations', 'sources'].flatMap((list) => {
      const entries = valueAt(spec, [list]);
      return Array.isArray(entries) ? entries.map((_, index) => [list, index]) : [];
    }),
  ];
}

function commentOf(lines: readonly string[]): string {
  return lines.map((line) => ` ${line.replace(/\p{Cc}+/gu, ' ')}`).join('\n');
}

/** Of a list that is wrong as a whole, because it is too long, only the last entry has to go at a time. */
function lastOf(content: Draft, path: Path): Path {
  const value = valueAt(content, path);
  return Array.isArray(value) && value.length > 1 ? [...path, value.length - 1] : path;
}

/** How much has to go with a field: half a reaction or a destination without its match would say something else. */
function whole(path: Path): Path {
  for (const list of ['reactions', 'overrides', 'match', 'sources'] as const) {
    const at = path.indexOf(list);
    if (at < 0) continue;
    if (list !== 'match') return at + 1 < path.length ? path.slice(0, at + 2) : path;
    return path.length <= at + 2 ? path.slice(0, at) : path;
  }
  return path;
}

/** Removes what is at the path or, where nothing is, what should hold it; empty lists go too. `false` = all would go. */
function removeAt(root: Draft, path: Path): boolean {
  let length = path.length;
  while (length > 2 && valueAt(root, path.slice(0, length)) === undefined) length--;
  const last = path[length - 1];
  const parent = valueAt(root, path.slice(0, length - 1));
  if (length < 3 || last === undefined || typeof parent !== 'object' || parent === null) return false;
  if (!Array.isArray(parent)) return Reflect.deleteProperty(parent, last);
  parent.splice(Number(last), 1);
  return parent.length > 0 || removeAt(root, path.slice(0, length - 1));
}

function originAt(draft: ResourceDraft, path: Path): Origin {
  for (let length = path.length; length > 0; length--) {
    const origin = draft.origins.get(valueAt(draft.content, path.slice(0, length)));
    if (origin !== undefined) return origin;
  }
  return draft.origin;
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    root,
  );
}

function fieldName(path: Path): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`,
    )
    .join('');
}
