/** A domain name: lower case, A-labels (`xn--…`), no wildcard, no final dot. RFC 1035 §2.3.4 sizes. */
export const DOMAIN_PATTERN =
  /^([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/;

/** A host name, as EHLO takes it: letters, digits and hyphens only, no underscore. RFC 5321 §4.1.2 "Domain", in lower case. */
export const HOST_NAME_PATTERN =
  /^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export const MAX_DOMAIN_LENGTH = 253;

export function isDomainName(text: string): boolean {
  return text.length <= MAX_DOMAIN_LENGTH && DOMAIN_PATTERN.test(text);
}

/** What arrives at run time, in the form that claims have: lower case, no final dot. Costs nothing where it already is. */
export function normalDomain(text: string): string {
  const lower = text.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/**
 * First value that a map holds for the name itself or one of its parents, longest first: whole labels only.
 *
 * Example: `longestSuffix('a.mail.example.com', new Map([['example.com', 1], ['mail.example.com', 2]]))` → `2`
 */
export function longestSuffix<V>(name: string, bySuffix: ReadonlyMap<string, V>): V | undefined {
  if (bySuffix.size === 0) return undefined;
  for (const suffix of suffixesOf(name)) {
    const value = bySuffix.get(suffix);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** `a.b.c`, `b.c`, `c`. */
export function* suffixesOf(name: string): Generator<string> {
  for (let at = 0; ; ) {
    yield name.slice(at);
    const dot = name.indexOf('.', at);
    if (dot < 0) return;
    at = dot + 1;
  }
}
