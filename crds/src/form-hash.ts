import { contentHash } from './canonical-json.ts';
import type { Resource } from './resource.ts';

/** What tells a form from another (SHA-256, hex); labels and annotations do not. As `formHash` of a status. */
export function formHash(form: Resource): string {
  const known = formHashes.get(form);
  if (known !== undefined) return known;
  const { kind, metadata, spec } = form;
  const hash = contentHash({ kind, name: metadata.name, spec });
  formHashes.set(form, hash);
  return hash;
}

/** Resources never change, and of many only one does between two compiles. */
const formHashes = new WeakMap<Resource, string>();
