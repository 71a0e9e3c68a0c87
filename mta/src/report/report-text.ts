/** Octets that a line may have without its end (RFC 5322 §2.1.1), with room for four octets a character. */
const MAX_WORD = 240;
/** Characters of a line that people read; short enough for quoted-printable to leave it in one piece. */
const LINE_WIDTH = 75;
/** RFC 2045 §6.7: characters of a line of quoted-printable, the `=` at its end included. */
const ENCODED_WIDTH = 76;
/** Controls, line ends of every kind, and what is invisible or turns the text around. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu;

/** Whether a text is ASCII throughout. */
export function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}

/** Text from elsewhere as one line: no control character, and nothing beyond ASCII unless it may be. */
export function oneLine(text: string, beyondAscii: boolean): string {
  const printable = text.replace(UNPRINTABLE, ' ').trim();
  return beyondAscii ? printable : printable.replace(/[^ -~]/g, '?');
}

/**
 * A header field, folded at blanks; a word that is too long for any line is cut. The value is one line (see {@link oneLine}).
 *
 * Example: `foldedField('Status', '5.1.1')` → `Status: 5.1.1\r\n`
 */
export function foldedField(name: string, value: string): string {
  let text = '';
  let line = `${name}:`;
  for (const word of wordsOf(value)) {
    if (line.length + 1 + word.length > LINE_WIDTH && line.trim() !== '') {
      text += `${line}\r\n`;
      line = '';
    }
    line += ` ${word}`;
  }
  return `${text}${line}\r\n`;
}

/** A text in lines of at most {@link LINE_WIDTH} characters, each behind the indent. */
export function wrapped(text: string, indent: string): string {
  let lines = '';
  let line = indent;
  for (const word of wordsOf(text)) {
    if (line.length > indent.length && line.length + 1 + word.length > LINE_WIDTH) {
      lines += `${line}\r\n`;
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  return `${lines}${line}\r\n`;
}

function* wordsOf(text: string): Generator<string> {
  for (const word of text.split(/ +/)) {
    if (word.length <= MAX_WORD) {
      if (word !== '') yield word;
      continue;
    }
    const characters = Array.from(word);
    for (let at = 0; at < characters.length; at += MAX_WORD / 2)
      yield characters.slice(at, at + MAX_WORD / 2).join('');
  }
}

/** A date as RFC 5322 §3.3 writes it, in UTC. Example: `fieldDate(0)` → `Thu, 01 Jan 1970 00:00:00 +0000` */
export function fieldDate(wallMs: number): string {
  return new Date(wallMs).toUTCString().replace('GMT', '+0000');
}

/** Octets with CRLF line ends as quoted-printable (RFC 2045 §6.7). */
export function quotedPrintable(octets: Buffer): string {
  let text = '';
  for (const line of octets.toString('latin1').split('\r\n')) {
    let encoded = '';
    for (let index = 0; index < line.length; index++) {
      const code = line.charCodeAt(index);
      const last = index === line.length - 1;
      const plain =
        (code > 0x20 && code < 0x7f && code !== 0x3d) || ((code === 0x20 || code === 0x09) && !last);
      const octet = plain ? line.charAt(index) : `=${code.toString(16).toUpperCase().padStart(2, '0')}`;
      if (encoded.length + octet.length > ENCODED_WIDTH - 1) {
        text += `${encoded}=\r\n`;
        encoded = '';
      }
      encoded += octet;
    }
    text += `${encoded}\r\n`;
  }
  return text.slice(0, -2);
}
