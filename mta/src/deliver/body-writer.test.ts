import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packMessage, WRITE_BLOCK_BYTES } from './body-writer.ts';
import { endsLine, stuffed } from './dot-stuffing.ts';
import { opened, sessionOptions, withServer } from './session-fixture.ts';

/** What RFC 5321 §4.5.2 tells the receiver to do. */
function unstuffed(wire: string): string {
  return wire
    .split('\r\n')
    .map((line) => (line.startsWith('.') ? line.slice(1) : line))
    .join('\r\n');
}

const dotty = fc
  .array(fc.constantFrom('.', '..', '\r\n', '\r\n.', 'a', '.a', 'text', '\r\n\r\n', '.\r\n'), {
    maxLength: 40,
  })
  .map((pieces) => pieces.join(''));

function cut(text: string, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((place) => Math.min(place, text.length)))].sort((a, b) => a - b);
  return [0, ...places].map((place, index) => Buffer.from(text.slice(place, places[index] ?? text.length)));
}

test('a line that starts with a dot arrives as it was, wherever the message is cut', () => {
  fc.assert(
    fc.property(dotty, fc.array(fc.nat(80), { maxLength: 6 }), (text, cuts) => {
      let atLineStart = true;
      let wire = '';
      for (const chunk of cut(text, cuts)) {
        wire += stuffed(chunk, atLineStart).toString();
        atLineStart = endsLine(chunk, atLineStart);
      }
      assert.equal(unstuffed(wire), text);
      assert.ok(!`\r\n${wire}`.includes('\r\n.\r\n'), 'the message would end early');
    }),
    { numRuns: 1000 },
  );
});

test('a message without such a line is not copied', () => {
  const block = Buffer.from('a.b\r\nc.d\r\n');
  assert.equal(stuffed(block, true), block);
});

test('a small message packed into one write is the same message', () => {
  const scratch = Buffer.alloc(4096);
  fc.assert(
    fc.property(dotty, fc.array(fc.nat(80), { maxLength: 6 }), (text, cuts) => {
      const used = packMessage(scratch, 'MAIL\r\n', cut(text, cuts), true);
      const wire = scratch.toString('utf8', 0, used);
      assert.ok(wire.startsWith('MAIL\r\n'));
      const end = text === '' || text.endsWith('\r\n') ? '.\r\n' : '\r\n.\r\n';
      assert.ok(wire.endsWith(end));
      assert.equal(unstuffed(wire.slice('MAIL\r\n'.length, -end.length)), text);
    }),
  );
  assert.equal(packMessage(Buffer.alloc(10), '', [Buffer.from('0123456789')], true), -1);
  assert.equal(packMessage(Buffer.alloc(10), '', [Buffer.from('0123456789')], false), 10);
  assert.equal(packMessage(Buffer.alloc(10), '', [Buffer.from('0123456789a')], false), -1);
  assert.equal(packMessage(Buffer.alloc(10), 'MAIL\r\n', [Buffer.from('a')], false), -1);
});

test('a large message with dots at the seams of its blocks arrives whole', async () => {
  const line = `${'x'.repeat(WRITE_BLOCK_BYTES - 2)}\r\n`;
  const text = `${line}.${line.slice(1)}${line}..\r\n.`;
  await withServer(
    [
      async (peer) => {
        await peer.greet();
        await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok', 'DATA', '354 go');
        const wire = await peer.untilDot();
        assert.equal(unstuffed(wire.toString()), `${text}\r\n`);
        peer.say('250 ok');
        await peer.talk('QUIT', '221 bye');
        peer.close();
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port));
      const result = await session.send({
        sender: 'a@out.example',
        recipients: ['b@mx.example'],
        body: [Buffer.from(text)],
        sizeBytes: text.length,
        eightBit: false,
        smtputf8: false,
      });
      assert.equal(result.recipients[0]?.status, 'delivered');
      await session.close();
    },
  );
});
