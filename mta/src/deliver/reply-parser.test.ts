import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_REPLY_BYTES, ReplyParser, type WireReply } from './reply-parser.ts';

function parse(...chunks: readonly (string | Buffer)[]): {
  replies: WireReply[];
  violation: string | undefined;
} {
  const parser = new ReplyParser();
  const replies: WireReply[] = [];
  for (const chunk of chunks) {
    parser.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, 'latin1'));
    for (let reply = parser.next(); reply !== undefined; reply = parser.next()) replies.push(reply);
  }
  return { replies, violation: parser.violation };
}

const UNDERSTOOD: readonly (readonly [title: string, text: string, replies: readonly WireReply[]])[] = [
  ['one line', '250 ok\r\n', [{ code: 250, lines: ['ok'] }]],
  ['several lines', '250-a\r\n250-b\r\n250 c\r\n', [{ code: 250, lines: ['a', 'b', 'c'] }]],
  ['a code alone', '250\r\n', [{ code: 250, lines: [''] }]],
  ['a bare LF as line end', '250-a\n250 b\n', [{ code: 250, lines: ['a', 'b'] }]],
  [
    'two replies in one packet',
    '250 a\r\n550 b\r\n',
    [
      { code: 250, lines: ['a'] },
      { code: 550, lines: ['b'] },
    ],
  ],
  ['half a reply', '250-a\r\n250', []],
];

for (const [title, text, replies] of UNDERSTOOD) {
  test(`mail flows to a server that sends ${title}`, () => {
    assert.deepEqual(parse(text), { replies, violation: undefined });
    assert.deepEqual(parse(...text), { replies, violation: undefined });
  });
}

const VIOLATIONS: readonly (readonly [title: string, text: string])[] = [
  ['codes that differ inside a reply', '250-a\r\n550 b\r\n'],
  ['no code', 'hello\r\n'],
  ['an empty line', '\r\n'],
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\n'],
  ['a code below 200', '199 a\r\n'],
  ['a code above 599', '600 a\r\n'],
  ['four digits', '2500 a\r\n'],
  ['another separator', '250_a\r\n'],
  ['a line without end', '2'.repeat(MAX_REPLY_BYTES + 1)],
  ['lines without end', '250-aaaaaaaa\r\n'.repeat(MAX_REPLY_BYTES / 8)],
];

for (const [title, text] of VIOLATIONS) {
  test(`a reply is never guessed: ${title}`, () => {
    const { replies, violation } = parse(text);
    assert.equal(replies.length, 0);
    assert.notEqual(violation, undefined);
    // What comes behind it is not read as a reply either.
    assert.equal(parse(text, '\r\n250 ok\r\n').replies.length, 0);
  });
}

test('a reply means the same however the network cuts it', () => {
  const reply = fc.record(
    {
      code: fc.integer({ min: 200, max: 599 }),
      lines: fc.array(fc.stringMatching(/^[ -~]{0,40}$/), { minLength: 1, maxLength: 4 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(
      fc.array(reply, { maxLength: 5 }),
      fc.array(fc.nat(400), { maxLength: 10 }),
      (replies, cuts) => {
        const wire = replies
          .flatMap(({ code, lines }) =>
            lines.map((line, index) => `${code}${index === lines.length - 1 ? ' ' : '-'}${line}\r\n`),
          )
          .join('');
        const places = [...new Set(cuts.map((cut) => Math.min(cut, wire.length)))].sort((a, b) => a - b);
        const chunks = [0, ...places].map((place, index) => wire.slice(place, places[index] ?? wire.length));
        assert.deepEqual(parse(...chunks), { replies, violation: undefined });
      },
    ),
  );
});

test('garbage neither throws nor hangs nor grows', () => {
  const nearly = fc.stringMatching(/^[245][0-9]{2}[ -][a-z]{0,9}\r?\n$/);
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    nearly,
  );
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 30 }), (chunks) => {
      const { replies } = parse(...chunks);
      for (const reply of replies) {
        assert.ok(reply.code >= 200 && reply.code <= 599);
        assert.ok(reply.lines.length > 0);
        assert.ok(reply.lines.every((line) => !line.includes('\n')));
      }
    }),
    { numRuns: 500 },
  );
});
