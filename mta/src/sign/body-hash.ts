import { createHash, type Hash } from 'node:crypto';
import type { Canonicalization } from './canonical-header.ts';
import type { MessageBytes } from './message-bytes.ts';

/**
 * SHA-256 of a canonicalized body in base64 (the `bh=` of RFC 6376 §3.7), read piece by piece without joining or copying
 * what is already canonical.
 *
 * Example: `bodyHash([Buffer.from('From: a@b\r\n\r\n')], 13, 'relaxed')` → `47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=`
 */
export function bodyHash(
  message: MessageBytes,
  bodyStart: number,
  canonicalization: Canonicalization,
): string {
  const canonical = canonicalization === 'relaxed' ? new RelaxedBody() : new SimpleBody();
  let offset = 0;
  for (const piece of message) {
    const skipped = bodyStart - offset;
    offset += piece.length;
    if (skipped <= 0) canonical.add(piece, 0);
    else if (skipped < piece.length) canonical.add(piece, skipped);
  }
  return canonical.end();
}

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const CRLF = Buffer.from('\r\n');
const FOUR_SPACES = 0x20202020;
const FOUR_LOW_BITS = 0x7f7f7f7f;
const FOUR_TOP_BITS = 0x80808080 | 0;

/** Where canonical octets come together that are not hashed from where they lie. */
const SCRATCH = Buffer.allocUnsafeSlow(32 * 1024);
/** A run of at least so many octets is hashed from where it lies: one call of the hash costs as much as copying about this many. */
const DIRECT_OCTETS = 512;

/** RFC 6376 §3.4.4: blanks at the end of lines go, runs of blanks become one space, empty lines at the end go. */
class RelaxedBody {
  readonly #hash: Hash = createHash('sha256');
  #filled = 0;
  /** Line ends that are only part of the body when something follows them. */
  #lineEnds = 0;
  /** Blanks that are one space when something follows in the same line. */
  #blank = false;
  /** The last octet of the piece before was a CR: what it is, the next octet says. */
  #afterCr = false;
  #empty = true;

  add(piece: Buffer, from: number): void {
    const length = piece.length;
    const misaligned = piece.byteOffset & 3;
    const words = new Int32Array(piece.buffer, piece.byteOffset - misaligned, (length + misaligned) >> 2);
    let index = from;
    if (this.#afterCr && index < length) {
      this.#afterCr = false;
      if (piece[index] === LF) {
        index++;
        this.#lineEnd();
      } else {
        this.#content();
        this.#copy(CRLF, 0, 1);
      }
    }
    while (index < length) {
      const octet = piece[index]!;
      if (octet === SPACE || octet === TAB) {
        this.#blank = true;
        index++;
      } else if (octet === CR && index + 1 === length) {
        this.#afterCr = true;
        index++;
      } else if (octet === CR && piece[index + 1] === LF) {
        this.#lineEnd();
        index += 2;
      } else {
        const end = canonicalRun(piece, words, index);
        this.#content();
        this.#emit(piece, index, end);
        index = end;
      }
    }
  }

  end(): string {
    if (this.#afterCr) {
      this.#content();
      this.#copy(CRLF, 0, 1);
    }
    // A body that is not empty ends with one CRLF, whatever blanks and empty lines stood there.
    if (!this.#empty) this.#copy(CRLF, 0, 2);
    this.#flush();
    return this.#hash.digest('base64');
  }

  #lineEnd(): void {
    this.#blank = false;
    this.#lineEnds++;
  }

  /** Something follows: what was held back belongs to the body. */
  #content(): void {
    this.#empty = false;
    for (; this.#lineEnds > 0; this.#lineEnds--) this.#copy(CRLF, 0, 2);
    if (!this.#blank) return;
    this.#blank = false;
    if (this.#filled === SCRATCH.length) this.#flush();
    SCRATCH[this.#filled++] = SPACE;
  }

  #emit(piece: Buffer, start: number, end: number): void {
    if (end - start < DIRECT_OCTETS) {
      this.#copy(piece, start, end);
      return;
    }
    this.#flush();
    this.#hash.update(start === 0 && end === piece.length ? piece : piece.subarray(start, end));
  }

  #copy(piece: Buffer, start: number, end: number): void {
    if (this.#filled + end - start > SCRATCH.length) this.#flush();
    let filled = this.#filled;
    for (let index = start; index < end; index++) SCRATCH[filled++] = piece[index]!;
    this.#filled = filled;
  }

  #flush(): void {
    if (this.#filled === 0) return;
    this.#hash.update(SCRATCH.subarray(0, this.#filled));
    this.#filled = 0;
  }
}

/**
 * End of the octets from `start` on that stand as they are: single spaces between words and line ends with something after them
 * are part of it, anything that is changed, and anything whose fate a later octet decides, is not.
 */
function canonicalRun(piece: Buffer, words: Int32Array, start: number): number {
  const length = piece.length;
  const misaligned = piece.byteOffset & 3;
  let index = start + 1;
  while (index < length) {
    const octet = piece[index]!;
    if (octet > SPACE)
      index = ((index + misaligned) & 3) === 0 ? plainWords(words, misaligned, index) : index + 1;
    else if (octet === SPACE) {
      if (index + 1 === length || !isContent(piece[index + 1]!)) return index;
      index += 2;
    } else if (octet === CR) {
      if (index + 1 === length) return index;
      if (piece[index + 1] !== LF) index++;
      else {
        let next = index + 2;
        while (next + 1 < length && piece[next] === CR && piece[next + 1] === LF) next += 2;
        if (next >= length || !isContent(piece[next]!)) return index;
        index = next + 1;
      }
    } else if (octet === TAB) return index;
    else index++;
  }
  return length;
}

/**
 * Index behind the words of four octets from `index` on that need no second look: no octet is below a space, no two spaces are neighbours. Passes
 * over one octet at least. A space at the very end is left to be looked at with what follows it.
 */
function plainWords(words: Int32Array, misaligned: number, index: number): number {
  const first = (index + misaligned) >> 2;
  let word = first;
  // The last octet of the word before was a space: in the top bit of the lowest octet.
  let spaceBefore = 0;
  for (; word < words.length; word++) {
    const four = words[word]!;
    if (((four - FOUR_SPACES) & ~four & FOUR_TOP_BITS) !== 0) break;
    const differing = four ^ FOUR_SPACES;
    const spaces = ~(((differing & FOUR_LOW_BITS) + FOUR_LOW_BITS) | differing) & FOUR_TOP_BITS;
    if ((spaces & ((spaces << 8) | spaceBefore)) !== 0) break;
    spaceBefore = spaces >>> 24;
  }
  if (word === first) return index + 1;
  const end = (word << 2) - misaligned;
  return spaceBefore === 0 ? end : end - 1;
}

function isContent(octet: number): boolean {
  return octet !== SPACE && octet !== TAB && octet !== CR;
}

/** RFC 6376 §3.4.3: empty lines at the end become one CRLF; a body that is empty is one CRLF. */
class SimpleBody {
  readonly #hash: Hash = createHash('sha256');
  /** CRLFs at the end of what was read. */
  #lineEnds = 0;
  #afterCr = false;

  add(piece: Buffer, from: number): void {
    if (from >= piece.length) return;
    let start = from;
    if (this.#afterCr) {
      this.#afterCr = false;
      if (piece[start] === LF) {
        this.#lineEnds++;
        start++;
      } else {
        this.#content();
        this.#hash.update(CRLF.subarray(0, 1));
      }
    }
    let end = piece.length;
    const cutCr = end > start && piece[end - 1] === CR;
    if (cutCr) end--;
    const last = end;
    while (end - 1 > start && piece[end - 1] === LF && piece[end - 2] === CR) end -= 2;
    if (end > start) {
      this.#content();
      this.#hash.update(piece.subarray(start, end));
    }
    this.#lineEnds += (last - end) / 2;
    this.#afterCr = cutCr;
  }

  end(): string {
    if (this.#afterCr) {
      this.#content();
      this.#hash.update(CRLF.subarray(0, 1));
    }
    this.#hash.update(CRLF);
    return this.#hash.digest('base64');
  }

  #content(): void {
    for (; this.#lineEnds > 0; this.#lineEnds--) this.#hash.update(CRLF);
  }
}
