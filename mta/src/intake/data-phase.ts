/** What is wrong with the octets of a message; the first flaw is the one that is reported. */
export type Flaw = 'bareLf' | 'bareCr' | 'nul' | 'longLine';

/** `Reject` refuses a bare CR or LF; `Normalize` turns each into CRLF. Neither ever ends a message at one. */
export type BareLineEnding = 'Reject' | 'Normalize';

/** RFC 5321 §4.5.3.1.6: a text line is at most 1000 octets, CRLF included. */
export const MAX_LINE_OCTETS = 998;

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
/** Octets below this may be NUL, LF or CR and are looked at one by one; all others are skipped sixteen or four at a time. */
const FIRST_PLAIN = 0x0e;
const FOUR_PLAIN = 0x0e0e0e0e;
const FOUR_TOP_BITS = 0x80808080 | 0;

const LF_OCTETS = Buffer.from('\n');
const CR_OCTETS = Buffer.from('\r');
const DOT_CR_OCTETS = Buffer.from('.\r');
const DOT_CRLF_OCTETS = Buffer.from('.\r\n');
const CRLF_OCTETS = Buffer.from('\r\n');

/** Where the reader stands; `Dot` and `DotCr` hold back what may be the end of the data. */
const Text = 0;
const LineStart = 1;
const AfterCr = 2;
const Dot = 3;
const DotCr = 4;

/**
 * Reads the octets of a message, in one pass. After DATA: finds the end, takes off the dots of RFC 5321 §4.5.2, and checks what
 * may not be stored. The data ends at <CRLF>.<CRLF> and nowhere else, whatever the chunks look like and whichever bare CR
 * or LF stands around a dot, so nothing that another server takes for the end can smuggle a second message in.
 * After BDAT ({@link withoutDots}) the same checks are made, dots mean nothing, and {@link finish} is the end.
 *
 * A chunk gives at most one piece, which is a part of the chunk itself: dots are closed up in place, octets are copied
 * only where `Normalize` inserts some. Keeps no reference to a chunk when `keeping` is false.
 *
 * Example: `feed(Buffer.from('Hi\r\n..x\r\n.\r\nQUIT\r\n'), 0)` → 14, and `pieces` hold `Hi\r\n.x\r\n`.
 */
export class DataPhase {
  /** What was received, ready to store. */
  readonly pieces: Buffer[] = [];
  /** Octets in `pieces`, or that would be there if they were still kept. */
  sizeBytes = 0;
  flaw: Flaw | undefined;
  readonly #normalize: boolean;
  #dots = true;
  #keeping = true;
  #highBits = 0;
  #state = LineStart;
  /** The last line end was a real CRLF; only then may a lone dot end the data. */
  #afterCrlf = true;
  /** Octets of the current line that came in earlier chunks. */
  #lineOctets = 0;
  // The chunk at hand.
  #chunk: Buffer = LF_OCTETS;
  #target: Buffer = LF_OCTETS;
  #start = 0;
  #out = 0;
  #kept = 0;

  constructor(bareLineEnding: BareLineEnding) {
    this.#normalize = bareLineEnding === 'Normalize';
  }

  /** Some octet is above 127 (RFC 6152). */
  get eightBit(): boolean {
    return (this.#highBits & FOUR_TOP_BITS) !== 0;
  }

  /** The octets come with BDAT (RFC 3030 §2): a dot is a dot, and {@link feed} finds no end. */
  withoutDots(): void {
    this.#dots = false;
  }

  /**
   * The last octet of a BDAT message was fed. A text whose last line lacks its CRLF gets it, as every server on the way that
   * speaks DATA would do; RFC 6376 §3.4 signs as if it were there.
   */
  finish(): void {
    if (this.#state === LineStart) return;
    if (this.#state === AfterCr && !this.#normalize) {
      this.flaw ??= 'bareCr';
      return;
    }
    if (this.#state === Text && this.#lineOctets > MAX_LINE_OCTETS) this.flaw ??= 'longLine';
    const missing = this.#state === AfterCr ? LF_OCTETS : CRLF_OCTETS;
    this.sizeBytes += missing.length;
    if (this.#keeping) this.pieces.push(missing);
    this.#state = LineStart;
  }

  /** Forgets what was received; the rest is only read to find the end. */
  discard(): void {
    this.#keeping = false;
    this.pieces.length = 0;
  }

  /** Reads a chunk from an index on. Returns the index behind the end of the data, or -1 when there is more to come. */
  feed(chunk: Buffer, from: number): number {
    this.#chunk = chunk;
    this.#target = chunk;
    this.#start = from;
    this.#out = from;
    this.#kept = from;
    const end = this.#read(from);
    if (end === -1) this.#keep(chunk.length);
    const octets = this.#out - this.#start;
    if (octets > 0) {
      this.sizeBytes += octets;
      if (this.#keeping) {
        const piece = this.#target.subarray(this.#start, this.#out);
        // A buffer with room for insertions is mostly empty: keep only what is in it.
        this.pieces.push(this.#target === chunk ? piece : Buffer.from(piece));
      }
    }
    this.#chunk = LF_OCTETS;
    this.#target = LF_OCTETS;
    return end;
  }

  #read(from: number): number {
    const chunk = this.#chunk;
    const length = chunk.length;
    const misaligned = chunk.byteOffset & 3;
    const words = new Int32Array(chunk.buffer, chunk.byteOffset - misaligned, (length + misaligned) >> 2);
    const lastFour = words.length - 4;
    let index = from;
    let lineStart = from - this.#lineOctets;
    let state = this.#state;
    let highBits = this.#highBits;
    while (index < length) {
      if (state === Text) {
        let octet = chunk[index]!;
        if (octet >= FIRST_PLAIN) {
          while (((index + misaligned) & 3) !== 0 && octet >= FIRST_PLAIN && index < length) {
            highBits |= octet;
            octet = chunk[++index]!;
          }
          if (((index + misaligned) & 3) === 0) {
            let word = (index + misaligned) >> 2;
            for (; word <= lastFour; word += 4) {
              const a = words[word]!;
              const b = words[word + 1]!;
              const c = words[word + 2]!;
              const d = words[word + 3]!;
              const mayBeEnds =
                ((a - FOUR_PLAIN) & ~a) |
                ((b - FOUR_PLAIN) & ~b) |
                ((c - FOUR_PLAIN) & ~c) |
                ((d - FOUR_PLAIN) & ~d);
              if ((mayBeEnds & FOUR_TOP_BITS) !== 0) break;
              highBits |= a | b | c | d;
            }
            for (; word < words.length; word++) {
              const four = words[word]!;
              if (((four - FOUR_PLAIN) & ~four & FOUR_TOP_BITS) !== 0) break;
              highBits |= four;
            }
            index = (word << 2) - misaligned;
          }
          while (index < length) {
            octet = chunk[index]!;
            if (octet < FIRST_PLAIN) break;
            highBits |= octet;
            index++;
          }
          if (index >= length) break;
        }
        if (octet === CR) {
          if (index + 1 < length && chunk[index + 1] === LF) {
            if (index - lineStart > MAX_LINE_OCTETS) this.flaw ??= 'longLine';
            index += 2;
            lineStart = index;
            this.#afterCrlf = true;
            if (index >= length || chunk[index] === DOT) state = LineStart;
            continue;
          }
          state = AfterCr;
          index++;
        } else if (octet === LF) {
          this.#bare('bareLf', index, CR_OCTETS);
          if (index - lineStart > MAX_LINE_OCTETS) this.flaw ??= 'longLine';
          state = LineStart;
          lineStart = ++index;
        } else {
          if (octet === 0) this.flaw ??= 'nul';
          index++;
        }
      } else if (state === LineStart) {
        if (this.#dots && chunk[index] === DOT) {
          this.#keep(index);
          this.#kept = ++index;
          lineStart = index;
          state = Dot;
        } else state = Text;
      } else if (state === AfterCr) {
        // Also where a bare CR ends the line: it becomes a line end under `Normalize`.
        if (index - 1 - lineStart > MAX_LINE_OCTETS) this.flaw ??= 'longLine';
        if (chunk[index] === LF) {
          this.#afterCrlf = true;
          index++;
        } else {
          this.#bare('bareCr', index, LF_OCTETS);
        }
        state = LineStart;
        lineStart = index;
      } else if (state === Dot) {
        const octet = chunk[index];
        if (octet === CR) {
          this.#kept = ++index;
          state = DotCr;
        } else if (octet === LF) {
          this.#bare('bareLf', index, DOT_CR_OCTETS);
          state = LineStart;
          lineStart = ++index;
        } else state = Text;
      } else {
        if (chunk[index] !== LF) {
          this.#bare('bareCr', index, DOT_CRLF_OCTETS);
        } else {
          index++;
          if (this.#afterCrlf) {
            this.#highBits |= highBits;
            return index;
          }
          // A lone dot behind a bare line end is text.
          this.#kept = index;
          this.#insert(DOT_CRLF_OCTETS);
          this.#afterCrlf = true;
        }
        state = LineStart;
        lineStart = index;
      }
    }
    this.#state = state;
    this.#highBits = highBits;
    this.#lineOctets = length - lineStart;
    if (this.#lineOctets > MAX_LINE_OCTETS + 1) this.flaw ??= 'longLine';
    return -1;
  }

  /** A bare line end in front of `index`: a flaw, or completed by the octets that it lacks. */
  #bare(flaw: Flaw, index: number, missing: Buffer): void {
    this.#afterCrlf = false;
    if (!this.#normalize) {
      this.flaw ??= flaw;
      return;
    }
    this.#keep(index);
    this.#insert(missing);
  }

  /** Keeps what lies before `end` and was not kept yet. */
  #keep(end: number): void {
    const octets = end - this.#kept;
    if (octets <= 0) return;
    if (this.#keeping && (this.#target !== this.#chunk || this.#out !== this.#kept)) {
      this.#chunk.copy(this.#target, this.#out, this.#kept, end);
    }
    this.#out += octets;
    this.#kept = end;
  }

  #insert(octets: Buffer): void {
    if (!this.#normalize || !this.#keeping) return;
    if (this.#target === this.#chunk) {
      // Each octet that is still to come brings at most three with it (`\n` of `.` `\r` `\n` after a bare CR).
      const rest = this.#chunk.length - this.#kept;
      const size = this.#out - this.#start;
      const roomy = Buffer.allocUnsafe(size + 4 * (rest + 1));
      this.#chunk.copy(roomy, 0, this.#start, this.#out);
      this.#target = roomy;
      this.#start = 0;
      this.#out = size;
    }
    octets.copy(this.#target, this.#out);
    this.#out += octets.length;
  }
}
