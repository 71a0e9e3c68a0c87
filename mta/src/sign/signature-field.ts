/** The tags of a DKIM-Signature field (RFC 6376 §3.5) that Sluice writes. */
export interface SignatureTags {
  readonly algorithm: string;
  /** `relaxed/relaxed`. */
  readonly canonicalization: string;
  readonly domain: string;
  readonly selector: string;
  /** Seconds since 1970. */
  readonly signedAt: number;
  /** Seconds since 1970; absent = it does not expire. */
  readonly expiresAt?: number;
  readonly headers: readonly string[];
  readonly bodyHash: string;
}

/** RFC 5322 §2.1.1: lines should have no more than 78 characters. */
const LINE_CHARACTERS = 78;
/** Characters of `b=` in a line. */
const SIGNATURE_LINE = 72;

/**
 * The field up to and with `b=`, folded, without a line end: what is hashed behind the covered fields, and what {@link withSignature} completes.
 *
 * Example: `DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=shop.example;` and so on, `b=` at the end
 */
export function unsignedField(tags: SignatureTags): string {
  const expiry = tags.expiresAt === undefined ? '' : ` x=${tags.expiresAt};`;
  return (
    `DKIM-Signature: v=1; a=${tags.algorithm}; c=${tags.canonicalization};\r\n` +
    `\td=${tags.domain}; s=${tags.selector}; t=${tags.signedAt};${expiry}\r\n` +
    `\t${headerTag(tags.headers)};\r\n` +
    `\tbh=${tags.bodyHash};\r\n` +
    '\tb='
  );
}

/** The complete field with its CRLF. Blanks inside `b=` do not count (RFC 6376 §3.5), so it can be folded after it was made. */
export function withSignature(field: string, signature: string): string {
  let text = field;
  for (let start = 0; start < signature.length; start += SIGNATURE_LINE) {
    text += `${start === 0 ? '' : '\r\n\t'}${signature.slice(start, start + SIGNATURE_LINE)}`;
  }
  return `${text}\r\n`;
}

/** `h=`, folded at colons, where RFC 6376 §3.5 allows blanks. */
function headerTag(names: readonly string[]): string {
  let text = 'h=';
  // The tab counts as one, as in the other lines.
  let column = 3;
  for (let index = 0; index < names.length; index++) {
    const name = names[index]!;
    if (index > 0) {
      text += ':';
      column++;
      if (column + name.length + 1 > LINE_CHARACTERS) {
        text += '\r\n\t ';
        column = 2;
      }
    }
    text += name;
    column += name.length;
  }
  return text;
}
