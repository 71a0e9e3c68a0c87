import { type Canonicalization, canonicalField } from './canonical-header.ts';
import type { HeaderField, HeaderSection } from './header-section.ts';

/** Which fields a signature covers; made once for a rule. */
export interface HeaderPolicy {
  /** As they stand in `h=`, each once. */
  readonly names: readonly string[];
  /** By lower-case name: its place in `names`. */
  readonly places: ReadonlyMap<string, number>;
  /** For each name: `Always` names it once more than the message has it, `Present` only where the message has it. */
  readonly overSigned: readonly ('Always' | 'Present' | 'Never')[];
}

/** What a signature covers of one message. */
export interface CoveredHeader {
  /** The names of `h=`, in the order in which their fields were hashed. */
  readonly names: readonly string[];
  /** The fields as they are hashed. */
  readonly canonical: string;
}

/**
 * The policy of a rule. From is always covered (RFC 6376 §5.4); a name that is only over-signed is covered too.
 *
 * Example: `headerPolicy(['From', 'To'], ['From'], []).names` → `['From', 'To']`
 */
export function headerPolicy(
  signed: readonly string[],
  overSign: readonly string[],
  overSignPresent: readonly string[],
): HeaderPolicy {
  const names: string[] = [];
  const places = new Map<string, number>();
  for (const name of ['From', ...signed, ...overSign, ...overSignPresent]) {
    if (places.has(name.toLowerCase())) continue;
    places.set(name.toLowerCase(), names.length);
    names.push(name);
  }
  const always = new Set(overSign.map((name) => name.toLowerCase()));
  const present = new Set(overSignPresent.map((name) => name.toLowerCase()));
  const overSigned = names.map((name) => {
    const lower = name.toLowerCase();
    return always.has(lower) ? 'Always' : present.has(lower) ? 'Present' : 'Never';
  });
  return { names, places, overSigned };
}

/**
 * The fields of a message that are signed. All of a repeated field are, the lowest first (RFC 6376 §5.4.2); one name more than there are
 * fields is over-signing: a field that somebody adds later breaks the signature.
 */
export function coveredHeader(
  section: HeaderSection,
  policy: HeaderPolicy,
  canonicalization: Canonicalization,
): CoveredHeader {
  const found: (HeaderField | readonly HeaderField[] | undefined)[] = new Array(policy.names.length).fill(
    undefined,
  );
  for (const field of section.fields) {
    const place = policy.places.get(field.name);
    if (place === undefined) continue;
    const before = found[place];
    // Nearly all fields stand once.
    if (before === undefined) found[place] = field;
    else found[place] = 'name' in before ? [before, field] : [...before, field];
  }
  const names: string[] = [];
  let canonical = '';
  for (let place = 0; place < found.length; place++) {
    const name = policy.names[place]!;
    const fields = found[place];
    if (fields !== undefined) {
      for (const field of 'name' in fields ? [fields] : fields.toReversed()) {
        names.push(name);
        canonical += canonicalField(section, field, canonicalization);
      }
    }
    const over = policy.overSigned[place];
    if (over === 'Always' || (over === 'Present' && fields !== undefined)) names.push(name);
  }
  return { names, canonical };
}
