/** Numbers from a seed (mulberry32): every run has the same mail. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const WORDS = [
  'sale',
  'Gr\u00c3\u00bc\u00c3\u009fe',
  '\u00fc\u00df',
  'a',
  'b=',
  ';',
  ':',
  '=?utf-8?q?x?=',
  '"q"',
  '<a@b>',
  '.',
  '..',
  'v=1;',
];
const BLANKS = [' ', '  ', '\t', ' \t '];
const NAMES = [
  'To',
  'Cc',
  'Reply-To',
  'MESSAGE-ID',
  'date',
  'In-Reply-To',
  'References',
  'X-Odd',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'Feedback-ID',
  'MIME-Version',
  'content-type',
];
/** RFC 5322 §2.1.1, without the line end. */
const LONGEST_LINE = 998;

/**
 * Messages that are legal on the wire and seldom seen: folds, 8-bit octets, blanks at line ends, lines of 998 octets, repeated and empty
 * fields, empty lines at the end, lines of dots, an empty body, none at all, a header alone. One character an octet, CRLF line ends, no dot-stuffing.
 *
 * Example: `oddMails(7, 2_000, (number) => `shop${number % 4}.example`)`
 */
export function oddMails(
  seed: number,
  count: number,
  authorDomain: (number: number) => string,
): readonly string[] {
  const below = generator(seed);
  const pick = (from: readonly string[]): string => from[below(from.length)] ?? '';
  const words = (most: number): string => {
    let text = '';
    for (let left = below(most + 1); left > 0; left--)
      text += pick(WORDS) + (below(3) === 0 ? pick(BLANKS) : ' ');
    return text;
  };
  const value = (): string => {
    let text = below(8) === 0 ? '' : pick(BLANKS);
    text += words(6);
    // A fold is followed by something: a line of blanks alone would be obsolete syntax (RFC 5322 §4.2).
    for (let folds = below(4); folds > 0; folds--)
      text += `\r\n${pick(BLANKS)}${words(5)}x${below(4) === 0 ? pick(BLANKS) : ''}`;
    if (below(30) === 0) text += `\r\n ${'l'.repeat(LONGEST_LINE - 1)}`;
    return text;
  };
  const fields = (most: number): string => {
    let text = '';
    for (let left = below(most + 1); left > 0; left--) text += `${pick(NAMES)}:${value()}\r\n`;
    return text;
  };
  const line = (): string => {
    switch (below(9)) {
      case 0:
        return '';
      case 1:
        return pick(BLANKS);
      case 2:
        return pick(['.', '..', '. ', '.x']);
      case 3:
        return 'w'.repeat(LONGEST_LINE - below(3));
      case 4:
        return words(8) + pick(BLANKS);
      case 5:
        return pick(BLANKS) + words(8);
      default:
        return words(12);
    }
  };
  const body = (): string => {
    switch (below(8)) {
      case 0:
        return '';
      case 1:
        return '\r\n';
      case 2:
        return `\r\n${'\r\n'.repeat(below(5))}`;
      default: {
        let text = '\r\n';
        for (let lines = below(40); lines > 0; lines--) text += `${line()}\r\n`;
        return text + '\r\n'.repeat(below(3));
      }
    }
  };
  return Array.from({ length: count }, (_, number) => {
    const from = `${pick(['From', 'FROM', 'from'])}:${pick(BLANKS)}"Odd, One" <news@${authorDomain(number)}>\r\n`;
    const subject = below(5) === 0 ? '' : `Subject:${value()}\r\n`;
    return fields(5) + from + subject + fields(5) + body();
  });
}
