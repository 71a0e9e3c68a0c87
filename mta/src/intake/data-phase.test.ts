import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BareLineEnding, DataPhase } from './data-phase.ts';

interface Read {
  readonly text: string;
  readonly end: number;
  readonly flaw: string | undefined;
  readonly eightBit: boolean;
}

/** Feeds octets in chunks of the given sizes (the last repeats); each chunk sits at an odd place in its buffer. */
function read(
  octets: string,
  mode: BareLineEnding = 'Reject',
  sizes: readonly number[] = [octets.length || 1],
): Read {
  const data = new DataPhase(mode);
  let position = 0;
  for (let turn = 0; position < octets.length; turn++) {
    const size = sizes[Math.min(turn, sizes.length - 1)] ?? 1;
    const padding = turn % 5;
    const part = Buffer.from(octets.slice(position, position + size), 'latin1');
    const chunk = Buffer.concat([Buffer.alloc(padding, 'X'), part]);
    const end = data.feed(turn % 2 === 0 ? chunk : chunk.subarray(padding), turn % 2 === 0 ? padding : 0);
    if (end !== -1) {
      const used = turn % 2 === 0 ? end - padding : end;
      return result(data, position + used);
    }
    position += part.length;
  }
  return result(data, -1);
}

function result(data: DataPhase, end: number): Read {
  const text = Buffer.concat(data.pieces).toString('latin1');
  assert.equal(data.sizeBytes, text.length);
  return { text, end, flaw: data.flaw, eightBit: data.eightBit };
}

/** The same rules, written the slow and obvious way over the whole input. */
function reference(octets: string): {
  readonly text: string;
  readonly end: number;
  readonly flawed: boolean;
} {
  const end = `\r\n${octets}`.indexOf('\r\n.\r\n');
  const raw = end === -1 ? octets : octets.slice(0, end);
  const flawed =
    /\r(?!\n)|(?<!\r)\n|\0/.test(raw) || raw.split('\r\n').some((l) => l.replace(/^\./, '').length > 998);
  return { text: raw.replace(/(^|\r\n)\./g, '$1'), end: end === -1 ? -1 : end + 3, flawed };
}

const octetsOfMail = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.constantFrom('\r\n', '.', '\r\n.', '..', '\r\n..', 'a', 'word', '\t', '\xe9'),
      },
      { weight: 2, arbitrary: fc.string({ maxLength: 90 }).map((text) => text.replace(/[^ -~]/g, '.')) },
      { weight: 1, arbitrary: fc.constantFrom('\r', '\n', '\0', 'x'.repeat(1000)) },
    ),
    { maxLength: 40 },
  )
  .map((parts) => `${parts.join('')}\r\n.\r\nQUIT\r\n`);

test('a message would be cut or merged with the next one if its end depended on how TCP cut it', () => {
  fc.assert(
    fc.property(
      octetsOfMail,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      (octets, sizes) => {
        const expected = reference(octets);
        const whole = read(octets);
        const cut = read(octets, 'Reject', sizes);
        assert.equal(whole.end, expected.end);
        assert.equal(cut.end, expected.end);
        assert.equal(whole.flaw !== undefined, expected.flawed);
        assert.equal(cut.flaw !== undefined, expected.flawed);
        if (!expected.flawed) {
          assert.equal(whole.text, expected.text);
          assert.equal(cut.text, expected.text);
          const kept = octets.slice(0, whole.end);
          assert.equal(whole.eightBit, kept.includes('\xe9'));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('normalised text would break every receiver if a bare CR or LF were left, and must not depend on chunks', () => {
  fc.assert(
    fc.property(
      octetsOfMail,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
      (octets, sizes) => {
        const whole = read(octets, 'Normalize');
        const cut = read(octets, 'Normalize', sizes);
        assert.doesNotMatch(whole.text, /\r(?!\n)|(?<!\r)\n/);
        assert.equal(cut.text, whole.text);
        assert.equal(cut.end, whole.end);
        assert.equal(whole.end, reference(octets).end);
      },
    ),
    { numRuns: 2000 },
  );
});

const SMUGGLING = [
  '\n.\n',
  '\n.\r',
  '\r.\n',
  '\r.\r',
  '\n.\r\n',
  '\r.\r\n',
  '\r\n\0.\r\n',
  '\r\n.\n',
  '\r\n.\r',
  '\r\n.\0\r\n',
  '\n\n.\n\n',
  '\r\r\n.\r\r\n',
  '\r\n.\r\r\n',
  '\r\n\n.\r\n',
  '\n\r.\n\r',
];

for (const sequence of SMUGGLING) {
  const name = JSON.stringify(sequence);
  const octets = `Subject: a\r\n\r\ntext${sequence}MAIL FROM:<evil@x.example>\r\n.\r\n`;
  test(`${name} would let a sender smuggle a message in the name of another`, () => {
    const cuts = Array.from({ length: octets.length - 1 }, (_, at) => [at + 1, octets.length]);
    for (const sizes of [[octets.length], [1], [2], [3], ...cuts]) {
      const strict = read(octets, 'Reject', sizes);
      assert.equal(strict.end, octets.length);
      assert.notEqual(strict.flaw, undefined);
      const normal = read(octets, 'Normalize', sizes);
      assert.equal(normal.end, octets.length);
      assert.match(normal.text, /MAIL FROM:<evil@x\.example>\r\n$/);
    }
  });
}

test('a lone dot behind a bare line end stays text when it is normalised', () => {
  assert.equal(read('a\n.\r\nb\r\n.\r\n', 'Normalize').text, 'a\r\n.\r\nb\r\n');
  assert.equal(read('a\n.\nb\r\n.\r\n', 'Normalize').text, 'a\r\n.\r\nb\r\n');
  assert.equal(read('a\r\n.\rb\r\n.\r\n', 'Normalize').text, 'a\r\n.\r\nb\r\n');
});

test('lines of 998 octets are allowed, 999 are not, stuffed dot not counted', () => {
  assert.equal(read(`${'x'.repeat(998)}\r\n.\r\n`).flaw, undefined);
  assert.equal(read(`.${'.'.repeat(998)}\r\n.\r\n`).flaw, undefined);
  assert.equal(read(`${'x'.repeat(999)}\r\n.\r\n`).flaw, 'longLine');
  assert.equal(read(`${'x'.repeat(999)}\r\n.\r\n`, 'Reject', [7]).flaw, 'longLine');
});

test('a long line is one whatever ends it: normalised, it would leave as one line', () => {
  for (const ending of ['\r', '\n', '\r\n', '\r.\r\n']) {
    for (const size of [2000, 7, 1]) {
      assert.equal(read(`${'x'.repeat(998)}${ending}b\r\n.\r\n`, 'Normalize', [size]).flaw, undefined);
      assert.equal(read(`${'x'.repeat(999)}${ending}b\r\n.\r\n`, 'Normalize', [size]).flaw, 'longLine');
    }
  }
});

test('an empty message ends at once', () => {
  assert.deepEqual(read('.\r\nQUIT'), { text: '', end: 3, flaw: undefined, eightBit: false });
});

test('a chunk full of stuffed dots gives one piece, not one for each line', () => {
  const data = new DataPhase('Reject');
  const chunk = Buffer.from('..\r\n'.repeat(16_000));
  assert.equal(data.feed(chunk, 0), -1);
  assert.equal(data.pieces.length, 1);
  assert.equal(data.pieces[0]?.toString('latin1'), '.\r\n'.repeat(16_000));
});
