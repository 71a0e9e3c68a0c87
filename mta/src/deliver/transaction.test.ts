import assert from 'node:assert/strict';
import { describe as describeTests, test } from 'node:test';
import type { Transaction, TransactionResult } from './mod.ts';
import type { Peer, Script } from './scripted-server.ts';
import {
  describe,
  message,
  opened,
  outcome,
  SHORT_MS,
  sessionOptions,
  withServer,
} from './session-fixture.ts';

/** The way a message is transferred, by what the peer offers. */
const WAYS = {
  'BDAT in one write': ['PIPELINING', 'CHUNKING'],
  'DATA pipelined': ['PIPELINING'],
  'BDAT, a command at a time': ['CHUNKING'],
  'DATA, a command at a time': [],
} as const;
type Way = keyof typeof WAYS;
const EVERY_WAY: readonly Way[] = [
  'BDAT in one write',
  'DATA pipelined',
  'BDAT, a command at a time',
  'DATA, a command at a time',
];

/** Replies of the server to the commands of one transaction; `body` comes after the final dot or the BDAT. */
interface Replies {
  readonly mail?: string;
  readonly rcpt?: readonly string[];
  readonly data?: string;
  readonly body?: string;
}

/** Plays the server's part of one transaction and returns the body as received, or `undefined` when none was sent. */
async function transact(peer: Peer, way: Way, replies: Replies): Promise<string | undefined> {
  const pipelined = WAYS[way].some((extension) => extension === 'PIPELINING');
  const chunked = WAYS[way].some((extension) => extension === 'CHUNKING');
  const mail = replies.mail ?? '250 2.1.0 ok';
  await peer.hear('MAIL FROM:<a@out.example>');
  peer.say(mail);
  let accepted = 0;
  if (pipelined || mail.startsWith('2')) {
    for (const rcpt of replies.rcpt ?? ['250 2.1.5 ok']) {
      await peer.hear('RCPT TO:<');
      peer.say(rcpt);
      if (rcpt.startsWith('2')) accepted++;
    }
  }
  if (mail.startsWith('2') && accepted > 0) {
    if (!chunked) {
      await peer.talk('DATA', replies.data ?? '354 go');
      if (!(replies.data ?? '354').startsWith('3')) return undefined;
    }
    const body = chunked ? await peer.bdat() : await peer.untilDot();
    peer.say(replies.body ?? '250 2.0.0 queued');
    return body.toString();
  }
  if (!pipelined) return undefined;
  if (!chunked) {
    await peer.talk('DATA', replies.data ?? '554 5.5.1 no valid recipients');
    if (!replies.data?.startsWith('3')) return undefined;
  }
  const body = chunked ? await peer.bdat() : await peer.untilDot();
  peer.say(replies.body ?? '554 5.5.1 no valid recipients');
  return body.toString();
}

const quits: Script = async (peer) => {
  await peer.talk('QUIT', '221 bye');
  peer.close();
};

interface Case {
  readonly title: string;
  readonly replies: Replies;
  readonly recipients?: number;
  readonly expected: readonly string[];
  /** RSET before anything else; the session stays. */
  readonly reset: boolean;
  readonly ways?: readonly Way[];
}

const MIXED = ['250 2.1.5 ok', '550 5.1.1 no such user', '452 4.2.2 full', '251 2.1.5 forwarded'];

const CASES: readonly Case[] = [
  { title: 'all is well', replies: {}, expected: ['delivered FinalDot 250 2.0.0'], reset: false },
  {
    title: 'MAIL refused for now speaks for every recipient',
    replies: { mail: '451 4.7.1 greylisted', rcpt: ['503 5.5.1 MAIL first', '503 5.5.1 MAIL first'] },
    recipients: 2,
    expected: ['transient Mail 451 4.7.1', 'transient Mail 451 4.7.1'],
    reset: true,
  },
  {
    title: 'MAIL refused for good',
    replies: { mail: '550 5.7.1 no', rcpt: ['503 5.5.1 MAIL first'] },
    expected: ['permanent Mail 550 5.7.1'],
    reset: true,
  },
  {
    title: 'each recipient has its own reply',
    replies: { rcpt: MIXED },
    recipients: 4,
    expected: [
      'delivered FinalDot 250 2.0.0',
      'permanent Rcpt 550 5.1.1',
      'transient Rcpt 452 4.2.2',
      'delivered FinalDot 250 2.0.0',
    ],
    reset: false,
  },
  {
    title: 'the body refused concerns only who was accepted',
    replies: { rcpt: MIXED, body: '552 5.3.4 too big' },
    recipients: 4,
    expected: [
      'permanent FinalDot 552 5.3.4',
      'permanent Rcpt 550 5.1.1',
      'transient Rcpt 452 4.2.2',
      'permanent FinalDot 552 5.3.4',
    ],
    reset: true,
  },
  {
    title: 'the body refused for now',
    replies: { body: '451 4.3.0 later' },
    expected: ['transient FinalDot 451 4.3.0'],
    reset: true,
  },
  {
    title: 'all recipients refused: no body',
    replies: { rcpt: ['550 5.1.1 no', '450 4.2.0 no'] },
    recipients: 2,
    expected: ['permanent Rcpt 550 5.1.1', 'transient Rcpt 450 4.2.0'],
    reset: true,
  },
  {
    title: 'DATA refused',
    replies: { rcpt: ['250 ok', '550 5.1.1 no'], data: '451 4.3.0 no' },
    recipients: 2,
    expected: ['transient Data 451 4.3.0', 'permanent Rcpt 550 5.1.1'],
    reset: true,
    ways: ['DATA pipelined', 'DATA, a command at a time'],
  },
  {
    title: 'all recipients refused, DATA taken nevertheless: nothing but the dot',
    replies: { rcpt: ['550 5.1.1 no'], data: '354 go', body: '554 5.5.1 no recipients' },
    expected: ['permanent Rcpt 550 5.1.1'],
    reset: true,
    ways: ['DATA pipelined'],
  },
  {
    title: 'MAIL refused, DATA taken nevertheless: nothing but the dot',
    replies: { mail: '450 4.7.1 no', rcpt: ['503 5.5.1 no'], data: '354 go', body: '250 2.0.0 empty' },
    expected: ['transient Mail 450 4.7.1'],
    reset: true,
    ways: ['DATA pipelined'],
  },
  {
    title: 'all recipients refused, BDAT taken nevertheless',
    replies: { rcpt: ['550 5.1.1 no'], body: '250 2.0.0 thanks for nothing' },
    expected: ['permanent Rcpt 550 5.1.1'],
    reset: true,
    ways: ['BDAT in one write'],
  },
];

for (const { title, replies, recipients, expected, reset, ways } of CASES) {
  for (const way of ways ?? EVERY_WAY) {
    test(`every recipient gets the outcome that the peer decided: ${title} (${way})`, async () => {
      let received: string | undefined;
      await withServer(
        [
          async (peer) => {
            await peer.greet(...WAYS[way]);
            received = await transact(peer, way, replies);
            if (reset) await peer.talk('RSET', '250 2.0.0 ok');
            // The session goes on, with replies in step.
            assert.equal(await transact(peer, way, { body: '250 2.0.1 second' }), 'second\r\n');
            await quits(peer);
          },
        ],
        async (server) => {
          const session = await opened(sessionOptions(server.port));
          const first = message({ recipients: names(recipients ?? 1) });
          const result = await session.send(first);
          assert.deepEqual(result.recipients.map(outcome), expected);
          assert.equal(result.begun, true);
          assert.equal(result.ended, undefined);
          const body = first.body.join('');
          const wanted = expected.some((each) => /FinalDot/.test(each)) ? [body] : [undefined, '', body];
          assert.ok(wanted.includes(received), `received ${received}`);
          if (way !== 'BDAT in one write') assert.ok(wanted[0] === body || received !== body, 'body in vain');
          const second = await session.send(message({ text: 'second\r\n' }));
          assert.deepEqual(second.recipients.map(outcome), ['delivered FinalDot 250 2.0.1']);
          assert.equal(session.transactions, 2);
          await session.close();
        },
      );
    });
  }
}

interface Ending {
  readonly title: string;
  readonly way: Way;
  /** After the greeting. */
  readonly script: Script;
  readonly expected: readonly string[];
  readonly ended: string;
  readonly text?: RegExp;
  readonly recipients?: number;
  readonly timeouts?: Record<string, number>;
}

const stays: Script = async (peer) => {
  await peer.untilEnd();
};

const ENDINGS: readonly Ending[] = [
  {
    title: '421 at MAIL',
    way: 'BDAT in one write',
    script: async (peer) => {
      await peer.talk('MAIL', '421 4.7.0 too many messages');
      peer.close();
    },
    expected: ['transient Mail 421 4.7.0'],
    ended: 'Mail reply 421 4.7.0',
  },
  {
    title: '421 at the second RCPT takes the first one along, not the refused one',
    way: 'DATA pipelined',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok', 'RCPT', '550 5.1.1 no', 'RCPT', '421 4.3.2 bye');
      peer.close();
    },
    recipients: 3,
    expected: ['transient Rcpt 421 4.3.2', 'permanent Rcpt 550 5.1.1', 'transient Rcpt 421 4.3.2'],
    ended: 'Rcpt reply 421 4.3.2',
  },
  {
    title: '421 at DATA',
    way: 'DATA, a command at a time',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok', 'DATA', '421 4.3.2 bye');
      peer.close();
    },
    expected: ['transient Data 421 4.3.2'],
    ended: 'Data reply 421 4.3.2',
  },
  {
    title: '421 after the final dot',
    way: 'DATA pipelined',
    script: async (peer) => {
      await transact(peer, 'DATA pipelined', { body: '421 4.3.2 bye' });
      peer.close();
    },
    expected: ['transient FinalDot 421 4.3.2'],
    ended: 'FinalDot reply 421 4.3.2',
    text: /^bye$/,
  },
  {
    title: 'closed at MAIL of a new session: the attempt counts',
    way: 'DATA, a command at a time',
    script: async (peer) => {
      await peer.hear('MAIL');
      peer.close();
    },
    expected: ['transient Mail 421 4.4.2'],
    ended: 'Mail closed 421 4.4.2',
  },
  {
    title: 'closed at RCPT',
    way: 'DATA pipelined',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok', 'RCPT', '550 5.1.1 no', 'RCPT', '');
      peer.close();
    },
    recipients: 2,
    expected: ['permanent Rcpt 550 5.1.1', 'transient Rcpt 421 4.4.2'],
    ended: 'Rcpt closed 421 4.4.2',
  },
  {
    title: 'reset at DATA',
    way: 'DATA, a command at a time',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok', 'DATA', '');
      peer.reset();
    },
    expected: ['transient Data 421 4.4.2'],
    ended: 'Data closed 421 4.4.2',
    text: /reset/,
  },
  {
    title: 'closed after the final dot: it may be a duplicate, and is said to be',
    way: 'DATA pipelined',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok', 'DATA', '354 go');
      await peer.untilDot();
      peer.close();
    },
    expected: ['transient FinalDot 421 4.4.2'],
    ended: 'FinalDot closed 421 4.4.2',
    text: /may have taken the message/,
  },
  {
    title: 'closed after BDAT',
    way: 'BDAT, a command at a time',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok');
      await peer.bdat();
      peer.close();
    },
    expected: ['transient FinalDot 421 4.4.2'],
    ended: 'FinalDot closed 421 4.4.2',
    text: /may have taken the message/,
  },
  {
    title: 'no reply to MAIL',
    way: 'DATA, a command at a time',
    script: stays,
    timeouts: { mailMs: SHORT_MS },
    expected: ['transient Mail 421 4.4.2'],
    ended: 'Mail timeout 421 4.4.2',
  },
  {
    title: 'no reply to RCPT',
    way: 'DATA pipelined',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok');
      await stays(peer);
    },
    timeouts: { rcptMs: SHORT_MS },
    expected: ['transient Rcpt 421 4.4.2'],
    ended: 'Rcpt timeout 421 4.4.2',
  },
  {
    title: 'no reply to DATA',
    way: 'DATA, a command at a time',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok');
      await stays(peer);
    },
    timeouts: { dataMs: SHORT_MS },
    expected: ['transient Data 421 4.4.2'],
    ended: 'Data timeout 421 4.4.2',
  },
  {
    title: 'no reply to the final dot',
    way: 'BDAT in one write',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok');
      await stays(peer);
    },
    timeouts: { finalDotMs: SHORT_MS },
    expected: ['transient FinalDot 421 4.4.2'],
    ended: 'FinalDot timeout 421 4.4.2',
    text: /may have taken the message/,
  },
  {
    title: 'a reply that drips in',
    way: 'DATA, a command at a time',
    script: async (peer) => {
      await peer.hear('MAIL');
      const drip = setInterval(() => peer.sayRaw('250-ok\r\n'), 5);
      await stays(peer);
      clearInterval(drip);
    },
    timeouts: { mailMs: SHORT_MS },
    expected: ['transient Mail 421 4.4.2'],
    ended: 'Mail timeout 421 4.4.2',
  },
  {
    title: 'garbage instead of a reply',
    way: 'BDAT in one write',
    script: async (peer) => {
      await peer.hear('MAIL');
      peer.sayRaw('\0\0\0\r\n');
      await stays(peer);
    },
    expected: ['transient Mail 451 4.5.0'],
    ended: 'Mail protocol 451 4.5.0',
  },
  {
    title: '250 instead of 354',
    way: 'DATA pipelined',
    script: async (peer) => {
      await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok', 'DATA', '250 ok');
      await stays(peer);
    },
    expected: ['transient Data 451 4.5.0'],
    ended: 'Data protocol 451 4.5.0',
  },
  {
    title: '354 instead of 250',
    way: 'BDAT in one write',
    script: async (peer) => {
      await peer.talk('MAIL', '354 go');
      await stays(peer);
    },
    expected: ['transient Mail 451 4.5.0'],
    ended: 'Mail protocol 451 4.5.0',
  },
];

// Most of their time is the grace after a reset, so they run side by side.
describeTests('sessions that break', { concurrency: 8 }, () => {
  for (const { title, way, script, expected, ended, text, recipients, timeouts } of ENDINGS) {
    test(`a session that breaks loses no recipient: ${title} (${way})`, async () => {
      await withServer(
        [
          async (peer) => {
            await peer.greet(...WAYS[way]);
            await script(peer);
          },
        ],
        async (server) => {
          const session = await opened(sessionOptions(server.port, { timeouts: timeouts ?? {} }));
          session.onEnd = () => assert.fail('told twice');
          const result = await session.send(message({ recipients: names(recipients ?? 1) }));
          assert.deepEqual(result.recipients.map(outcome), expected);
          assert.equal(result.begun, true);
          assert.equal(endedBy(result), ended);
          if (text !== undefined) assert.match(result.recipients.at(-1)?.reply.text ?? '', text);
          assert.equal(session.usable, false);
          await session.close();
        },
      );
    });
  }
});

const LOCAL: readonly (readonly [
  title: string,
  extensions: readonly string[],
  message: Partial<Transaction>,
  expected: readonly string[],
])[] = [
  ['larger than SIZE', ['SIZE 10'], {}, ['permanent Mail 552 5.3.4']],
  ['8-bit without 8BITMIME', ['SIZE'], { eightBit: true }, ['permanent Mail 554 5.6.3']],
  ['SMTPUTF8 not offered', ['8BITMIME'], { smtputf8: true }, ['permanent Mail 553 5.6.7']],
  [
    'an address that needs it',
    ['8BITMIME'],
    { recipients: ['jürgen@mx.example'] },
    ['permanent Mail 553 5.6.7'],
  ],
  ['a command in the sender', [], { sender: 'a@x>\r\nRCPT TO:<c@y' }, ['permanent Mail 553 5.1.7']],
  ['a command in the recipient', [], { recipients: ['b@y>\r\nDATA'] }, ['permanent Rcpt 553 5.1.3']],
  ['a parameter in the recipient', [], { recipients: ['b@y NOTIFY=NEVER'] }, ['permanent Rcpt 553 5.1.3']],
  ['a bare LF in the recipient', [], { recipients: ['b@y\nRSET'] }, ['permanent Rcpt 553 5.1.3']],
  ['NUL in the recipient', [], { recipients: ['b\0@y'] }, ['permanent Rcpt 553 5.1.3']],
  ['no recipient at all', [], { recipients: [''] }, ['permanent Rcpt 553 5.1.3']],
];

for (const [title, extensions, overrides, expected] of LOCAL) {
  test(`what a peer cannot be given is refused here, and the session lives: ${title}`, async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet(...extensions);
          // Not an octet of it reaches the peer.
          await quits(peer);
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        const result = await session.send(message(overrides));
        assert.deepEqual(result.recipients.map(outcome), expected);
        assert.equal(result.begun, true);
        assert.equal(result.ended, undefined);
        assert.equal(session.usable, true);
        assert.equal(session.transactions, 0);
        await session.close();
      },
    );
  });
}

test('one bad address does not stop the others', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('PIPELINING', 'CHUNKING');
        await peer.hear('MAIL');
        await peer.hear('RCPT TO:<one@mx.example>');
        await peer.hear('RCPT TO:<three@mx.example>');
        await peer.bdat();
        peer.say('250 ok', '550 5.1.1 no', '250 ok', '250 2.0.0 ok');
        await quits(peer);
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port));
      const recipients = ['one@mx.example', 'two>\r\n@mx.example', 'three@mx.example'];
      const result = await session.send(message({ recipients }));
      assert.deepEqual(result.recipients.map(outcome), [
        'permanent Rcpt 550 5.1.1',
        'permanent Rcpt 553 5.1.3',
        'delivered FinalDot 250 2.0.0',
      ]);
      await session.close();
    },
  );
});

test('MAIL says what the message is, in the words that the peer offered', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('PIPELINING', 'CHUNKING', 'SIZE 1000000', '8BITMIME', 'SMTPUTF8');
        assert.equal(await peer.hear('MAIL'), 'MAIL FROM:<> SIZE=9 BODY=8BITMIME SMTPUTF8');
        assert.equal(
          await peer.hear('RCPT'),
          `RCPT TO:<${Buffer.from('jürgen@mx.example').toString('latin1')}>`,
        );
        assert.equal((await peer.bdat()).toString(), 'grüße\r\n');
        peer.say('250 ok', '250 ok', '250 2.0.0 ok');
        await quits(peer);
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port));
      const result = await session.send(
        message({ sender: '', recipients: ['jürgen@mx.example'], text: 'grüße\r\n', eightBit: true }),
      );
      assert.equal(result.recipients[0]?.status, 'delivered');
      await session.close();
    },
  );
});

test('a small message costs one round trip: everything arrives before the first reply', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('PIPELINING', 'CHUNKING');
        for (let turn = 0; turn < 3; turn++) {
          await peer.hear('MAIL');
          await peer.hear('RCPT');
          await peer.bdat();
          peer.say('250 ok', '250 ok', '250 2.0.0 ok');
        }
        await quits(peer);
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port));
      for (const bytes of [10, 20_000, 200_000]) {
        const result = await session.send(message({ text: 'x'.repeat(bytes) }));
        assert.equal(result.recipients[0]?.status, 'delivered');
      }
      await session.close();
    },
  );
});

test('a large message is not sent to a peer that refuses its recipient', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('PIPELINING', 'CHUNKING');
        await peer.talk('MAIL', '250 ok', 'RCPT', '550 5.1.1 no', 'RSET', '250 ok', 'QUIT', '221 bye');
        peer.close();
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port));
      const result = await session.send(message({ text: 'x'.repeat(1_000_000) }));
      assert.deepEqual(result.recipients.map(outcome), ['permanent Rcpt 550 5.1.1']);
      await session.close();
    },
  );
});

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `user${index}@mx.example`);
}

function endedBy(result: TransactionResult): string {
  return typeof result.ended === 'object' ? describe(result.ended) : String(result.ended);
}
