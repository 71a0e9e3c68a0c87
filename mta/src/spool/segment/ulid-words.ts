/** Crockford's base 32: the value of each character code, 32 = none of it. */
const VALUES = new Uint8Array(128).fill(32);
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

const CHARACTERS = 26;
/** A ULID is a number of 128 bits: so many words of 32 bits, the highest first. */
export const ULID_WORDS = 4;

/**
 * Writes a ULID as four words of 32 bits at `at`: a third of what its characters need.
 *
 * @throws {RangeError} when the text is no ULID
 */
export function ulidWords(ulid: string, into: Uint32Array, at: number): void {
  if (ulid.length !== CHARACTERS) throw new RangeError(`'${ulid}' is no ULID`);
  let word = 0;
  let bits = 0;
  let position = at;
  for (let index = 0; index < CHARACTERS; index++) {
    const value = VALUES[ulid.charCodeAt(index) & 127]!;
    if (value > 31 || ulid.charCodeAt(index) > 127) throw new RangeError(`'${ulid}' is no ULID`);
    // 26 characters have 130 bits: the first one carries only three.
    const width = index === 0 ? 3 : 5;
    if (index === 0 && value > 7) throw new RangeError(`'${ulid}' is no ULID`);
    bits += width;
    if (bits < 32) {
      word = (word << width) | value;
      continue;
    }
    const over = bits - 32;
    into[position++] = (word << (width - over)) | (value >>> over);
    word = value & ((1 << over) - 1);
    bits = over;
  }
}

/** The inverse of {@link ulidWords}. */
export function ulidOf(words: Uint32Array, at: number): string {
  let text = '';
  let bits = 0;
  let rest = 0;
  for (let index = 0; index < ULID_WORDS; index++) {
    let word = words[at + index]!;
    let left = 32;
    while (left > 0) {
      const width = text.length === 0 ? 3 : 5;
      const take = Math.min(width - bits, left);
      rest = (rest << take) | (word >>> (32 - take));
      word = take === 32 ? 0 : (word << take) >>> 0;
      left -= take;
      bits += take;
      if (bits < width) continue;
      text += ALPHABET[rest];
      rest = 0;
      bits = 0;
    }
  }
  return text;
}
