import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DataPhase } from './data-phase.ts';
import { FIELDS, startIntake, withoutTrace } from './raw-client-fixture.ts';

const PATHS = 'MAIL FROM:<sender@client.example>\r\nRCPT TO:<user@dest.example>\r\n';

function bdat(text: string, last = true): string {
  return `BDAT ${text.length}${last ? ' LAST' : ''}\r\n${text}`;
}

test('a message in chunks arrives as it was sent: dots are no ends, chunks may be cut anywhere', async (t) => {
  const intake = await startIntake(t);
  const client = intake.client();
  await client.hello();
  const [first, second] = [`${FIELDS}\r\n.\r\n..two`, '\r\n.\r\nMAIL FROM:<evil@x.example>\r\n'];
  const replies = await client.ask(
    `${PATHS}${bdat(first, false)}BDAT 0\r\n${bdat(second, false)}BDAT 0 LAST\r\n`,
    6,
  );
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 9)),
    ['250 2.1.0', '250 2.1.5', '250 2.0.0', '250 2.0.0', '250 2.0.0', '250 2.0.0'],
  );
  assert.equal(withoutTrace(intake.accepted[0]?.text ?? ''), first + second);
  assert.equal(intake.accepted.length, 1);
});

test('a text without a line end at its end gets one, so that it can be sent on with DATA', async (t) => {
  const intake = await startIntake(t);
  const client = intake.client();
  await client.hello();
  await client.ask(`${PATHS}${bdat(`${FIELDS}\r\nHello`)}`, 3);
  assert.equal(withoutTrace(intake.accepted[0]?.text ?? ''), `${FIELDS}\r\nHello\r\n`);
  assert.equal(
    intake.accepted[0]?.envelope.sizeBytes,
    Buffer.concat([...(intake.accepted[0]?.body ?? [])]).length,
  );
});

const COMMANDS = 'MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@dest.example>\r\nDATA\r\nevil\r\n.\r\n';

test('octets of a refused chunk are never run as commands', async (t) => {
  const intake = await startIntake(t);
  const client = intake.client();
  await client.reply();
  const exchange: readonly (readonly [octets: string, reply: string])[] = [
    ['HELO client.example\r\n', '250 mta.e'],
    [bdat(COMMANDS), '503 5.5.1'],
    ['EHLO client.example\r\n', '250-mta.e'],
    [bdat(COMMANDS), '503 5.5.1'],
    ['MAIL FROM:<a@b.example>\r\n', '250 2.1.0'],
    [bdat(COMMANDS), '503 5.5.1'],
    ['RCPT TO:<user@dest.example>\r\n', '250 2.1.5'],
    [bdat('a\r\n', false), '250 2.0.0'],
    ['DATA\r\n', '503 5.5.1'],
    ['RCPT TO:<other@dest.example>\r\n', '503 5.5.1'],
    ['MAIL FROM:<a@b.example>\r\n', '503 5.5.1'],
    [bdat(`\n${COMMANDS}`, false), '550 5.6.11'],
    [bdat(COMMANDS), '503 5.5.1'],
    ['NOOP\r\n', '250 2.0.0'],
  ];
  for (const [octets, code] of exchange) {
    const [reply = ''] = await client.ask(octets);
    assert.equal(reply.slice(0, code.length), code, JSON.stringify(octets.slice(0, 60)));
  }
  assert.equal(intake.accepted.length, 0);
});

for (const argument of ['', 'x', '-1', '1 LAST LAST', '1 FIRST', '1.5', '0x10', '9999999999999999']) {
  test(`BDAT ${argument} ends the session: nobody knows where its octets end`, async (t) => {
    const intake = await startIntake(t);
    const client = intake.client();
    await client.hello();
    await client.ask(PATHS, 2);
    assert.match((await client.ask(`BDAT ${argument}\r\n${COMMANDS}`))[0] ?? '', /^501 5\.5\.4 /);
    assert.equal(await client.reply(), 'closed');
    assert.equal(intake.accepted.length, 0);
  });
}

test('RSET between chunks forgets them, and gives their memory back', async (t) => {
  const intake = await startIntake(t);
  const client = intake.client();
  await client.hello();
  await client.ask(`${PATHS}${bdat('x'.repeat(500), false)}`, 3);
  assert.ok(intake.listener.receivingBytes() >= 500);
  await client.ask('RSET\r\n');
  assert.equal(intake.listener.receivingBytes(), 0);
  await client.ask(`${PATHS}${bdat(`${FIELDS}\r\nnew\r\n`)}`, 3);
  assert.equal(withoutTrace(intake.accepted[0]?.text ?? ''), `${FIELDS}\r\nnew\r\n`);
});

test('chunks of a message that is too large in all are refused, and the session goes on', async (t) => {
  const intake = await startIntake(t, { limits: { maxMessageBytes: 1000 } });
  const client = intake.client();
  await client.hello();
  const replies = await client.ask(
    `${PATHS}${bdat('x\r\n'.repeat(300), false)}${bdat('x\r\n'.repeat(300))}NOOP\r\n`,
    5,
  );
  assert.deepEqual(
    replies.slice(2).map((reply) => reply.slice(0, 9)),
    ['250 2.0.0', '552 5.3.4', '250 2.0.0'],
  );
});

test('a client that stops inside a chunk, or between chunks, reads 421 and leaves nothing', async (t) => {
  const intake = await startIntake(t, { limits: { commandTimeoutMs: 40, dataTotalTimeoutMs: 120 } });
  const inside = intake.client();
  await inside.hello();
  await inside.ask(`${PATHS}BDAT 100\r\nabc`, 2);
  const between = intake.client();
  await between.hello();
  await between.ask(`${PATHS}${bdat('abc', false)}`, 3);
  assert.match(await inside.reply(), /^421 4\.4\.2 /);
  assert.match(await between.reply(), /^421 4\.4\.2 /);
  await Promise.all([inside.closed(), between.closed()]);
  assert.equal(intake.listener.receivingBytes(), 0);
  assert.equal(intake.accepted.length, 0);
});

test('what may not be stored is found in chunks as it is in DATA, wherever they are cut', () => {
  const parts = fc.array(
    fc.constantFrom('\r\n', '\r', '\n', '.', '\0', 'word', 'x'.repeat(998), '\r\n.\r\n', '\xe9'),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(
      parts,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
      (words, sizes) => {
        const text = words.join('');
        const ended = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`;
        const flawed =
          /\r(?!\n)|(?<!\r)\n|\0/.test(text) || text.split('\r\n').some((line) => line.length > 998);
        const chunked = new DataPhase('Reject');
        chunked.withoutDots();
        const repaired = new DataPhase('Normalize');
        repaired.withoutDots();
        for (let from = 0, turn = 0; from < text.length; turn++) {
          const to = from + (sizes[turn % sizes.length] ?? 1);
          for (const phase of [chunked, repaired]) {
            assert.equal(phase.feed(Buffer.from(text.slice(from, to), 'latin1'), 0), -1);
          }
          from = to;
        }
        chunked.finish();
        repaired.finish();
        assert.equal(chunked.flaw !== undefined, flawed, JSON.stringify(text));
        if (!flawed) assert.equal(Buffer.concat(chunked.pieces).toString('latin1'), ended);
        const normal = Buffer.concat(repaired.pieces).toString('latin1');
        assert.equal(repaired.sizeBytes, normal.length);
        assert.doesNotMatch(normal, /\r(?!\n)|(?<!\r)\n/);
        assert.match(normal, /^$|\r\n$/);
      },
    ),
    { numRuns: 1500 },
  );
});
