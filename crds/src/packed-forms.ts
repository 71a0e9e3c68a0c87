import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import { pack } from './config-text.ts';
import { formHash } from './form-hash.ts';
import { type Resource, resourceKey } from './resource.ts';

/**
 * Forms are packed in so many groups, each a gzip member of its own. There are no more shards (128 MiB, a hundred times the largest configuration that was tried),
 * so a group is always in one.
 */
export const FORM_GROUPS = 256;

/** The forms in force, packed. Of many only one changes at a time: the groups of the others are the same bytes as before. */
export interface PackedForms {
  /** SHA-256 (hex) of all of them. */
  readonly hash: string;
  /** Packed JSON list of the forms at this place when there are so many shards; a power of two. */
  at(index: number, count: number): Uint8Array;
  /** Its size, bytes. */
  sizeAt(index: number, count: number): number;
}

interface Form {
  readonly key: string;
  readonly resource: Resource;
  readonly group: number;
}

/** Begins with a member that is no form, so that each group may begin with a comma. */
const OPEN = pack('[null');
const CLOSE = pack(']');

/** Deterministic: groups and order follow from kinds and names alone. */
export function packForms(resources: readonly Resource[]): PackedForms {
  const forms = resources.map(formOf).toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const hash = createHash('sha256');
  for (const { key, resource } of forms) hash.update(`${key} ${formHash(resource)}\n`);
  const groups = new Map(
    [...Map.groupBy(forms, ({ group }) => group)].map(([group, of]) => [group, packedGroup(of)]),
  );
  const groupsAt = (index: number, count: number): readonly Uint8Array[] => {
    const found: Uint8Array[] = [];
    for (let group = index; group < FORM_GROUPS; group += count) {
      const packed = groups.get(group);
      if (packed !== undefined) found.push(packed);
    }
    return found;
  };
  return {
    hash: hash.digest('hex'),
    at: (index, count) => Buffer.concat([OPEN, ...groupsAt(index, count), CLOSE]),
    sizeAt: (index, count) =>
      groupsAt(index, count).reduce((sum, { length }) => sum + length, OPEN.length + CLOSE.length),
  };
}

function formOf(resource: Resource): Form {
  let form = FORMS.get(resource);
  if (form === undefined) {
    const key = resourceKey({ kind: resource.kind, name: resource.metadata.name });
    const group = createHash('sha256').update(key).digest().readUInt32BE() % FORM_GROUPS;
    form = { key, resource, group };
    FORMS.set(resource, form);
  }
  return form;
}

/** Resources never change. */
const FORMS = new WeakMap<Resource, Form>();
/** By the first form of each. */
const GROUPS = new WeakMap<Form, { readonly forms: readonly Form[]; readonly packed: Uint8Array }>();

function packedGroup(forms: readonly Form[]): Uint8Array {
  const [first] = forms;
  const known = first === undefined ? undefined : GROUPS.get(first);
  if (known?.forms.length === forms.length && known.forms.every((form, index) => form === forms[index]))
    return known.packed;
  const packed = pack(forms.map(({ resource }) => `,${formText(resource)}`).join(''));
  if (first !== undefined) GROUPS.set(first, { forms, packed });
  return packed;
}

/** Labels and annotations decide nothing, and `kubectl apply` keeps a copy of everything in one. */
function formText({ apiVersion, kind, metadata: { name }, spec }: Resource): string {
  return canonicalJson({ apiVersion, kind, metadata: { name }, spec });
}
