import type { HeaderField, HeaderSection } from './header-section.ts';

/** The two canonicalizations of RFC 6376 §3.4. */
export type Canonicalization = 'relaxed' | 'simple';

/** A value that relaxed canonicalization changes inside: folds, tabs, runs of blanks. */
const IRREGULAR = /\r\n|\t| {2}/;

/**
 * One field as it is signed, CRLF included: RFC 6376 §3.4.1 (simple: as it stands) and §3.4.2 (relaxed).
 *
 * Example: `Subject :  a \r\n\tb\r\n` is `subject:a b\r\n` when relaxed.
 */
export function canonicalField(
  section: HeaderSection,
  field: HeaderField,
  canonicalization: Canonicalization,
): string {
  const { text } = section;
  if (canonicalization === 'simple') return text.slice(field.start, field.end);
  const end = text.endsWith('\r\n', field.end) ? field.end - 2 : field.end;
  return `${field.name}:${relaxedValue(text.slice(field.colon + 1, end))}\r\n`;
}

/** Unfolded, each run of blanks one space, none at either end. Only space and tab are blanks: a latin1 no-break space is an octet of UTF-8. */
export function relaxedValue(value: string): string {
  const plain = IRREGULAR.test(value) ? value.replaceAll('\r\n', '').replace(/[\t ]+/g, ' ') : value;
  const start = plain.startsWith(' ') ? 1 : 0;
  const end = plain.length > start && plain.endsWith(' ') ? plain.length - 1 : plain.length;
  return start === 0 && end === plain.length ? plain : plain.slice(start, end);
}
