import { createHash } from 'node:crypto';

/**
 * JSON with one form for one value: members sorted by name (UTF-16 code units, as RFC 8785), no white space, absent
 * and `undefined` members alike. Throws TypeError for what JSON cannot carry: that is a bug of the caller.
 *
 * Example: `canonicalJson({ b: 1, a: [true] })` → `{"a":[true],"b":1}`
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`JSON cannot carry ${value}`);
      return JSON.stringify(value);
    case 'object': {
      if (value === null) return 'null';
      if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
      return canonicalObject(value);
    }
    default:
      throw new TypeError(`JSON cannot carry a ${typeof value}`);
  }
}

/** Written out: an operator hashes a hundred thousand sources at each change. */
function canonicalObject(value: object): string {
  let text = '{';
  // UTF-16 code units, as `sort` compares without a function.
  for (const name of Object.keys(value).sort()) {
    const member: unknown = Reflect.get(value, name);
    if (member === undefined) continue;
    if (text.length > 1) text += ',';
    text += `${JSON.stringify(name)}:${canonicalJson(member)}`;
  }
  return `${text}}`;
}

/** SHA-256, hexadecimal, of a value's canonical JSON. */
export function contentHash(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}
