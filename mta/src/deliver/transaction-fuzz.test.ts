import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { message, opened, sessionOptions, withServer } from './session-fixture.ts';

const REPLIES = [
  '250 ok\r\n',
  '250-a\r\n250 b\r\n',
  '251 ok\r\n',
  '354 go\r\n',
  '450 no\r\n',
  '550 no\r\n',
  '421 bye\r\n',
];
const NOISE = ['250-a\r\n550 b\r\n', '\r\n', 'x', '\0\r\n', '999 a\r\n'];

/** Replies of a server that follows no order, cut at random, then closed. */
const nonsense = fc.record({
  extensions: fc.subarray(['PIPELINING', 'CHUNKING', 'SIZE 1000000']),
  recipients: fc.integer({ min: 1, max: 4 }),
  first: fc.array(fc.constantFrom(...REPLIES.slice(0, 6)), { maxLength: 4 }),
  rest: fc.array(fc.constantFrom(...REPLIES, ...NOISE), { maxLength: 8 }),
  cut: fc.nat(40),
});

test('whatever a server answers, every recipient gets one outcome and none is delivered that the server did not take', async () => {
  const closing: Promise<void>[] = [];
  await fc.assert(
    fc.asyncProperty(nonsense, async ({ extensions, recipients, first, rest, cut }) => {
      const said = [...first, ...rest].join('');
      await withServer(
        [
          async (peer) => {
            await peer.greet(...extensions);
            await peer.forget();
            peer.sayRaw(said.slice(0, cut));
            await new Promise((resolve) => setImmediate(resolve));
            peer.sayRaw(said.slice(cut));
            peer.close();
          },
        ],
        async (server) => {
          const session = await opened(sessionOptions(server.port));
          const names = Array.from({ length: recipients }, (_, index) => `user${index}@mx.example`);
          const result = await session.send(message({ recipients: names }));
          closing.push(session.close());
          assert.equal(result.begun, true);
          assert.equal(result.recipients.length, recipients);
          // MAIL, every RCPT and the body (with DATA: one more) must have been answered before anything is delivered.
          const needed = recipients + 2 + (extensions.includes('CHUNKING') ? 0 : 1);
          for (const { status, reply } of result.recipients) {
            if (status !== 'delivered') {
              assert.ok(
                status === 'permanent' ? reply.code >= 500 : reply.code < 500,
                `${status} ${reply.code}`,
              );
              continue;
            }
            assert.ok(first.length + rest.length >= needed);
            assert.ok(said.startsWith('25'), 'delivered although MAIL was refused');
            assert.ok(reply.code < 300);
          }
        },
      );
    }),
    { numRuns: 150 },
  );
  await Promise.all(closing);
});
