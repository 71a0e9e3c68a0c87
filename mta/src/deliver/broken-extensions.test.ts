import assert from 'node:assert/strict';
import { describe as describeTests, test } from 'node:test';
import type { Script } from './scripted-server.ts';
import {
  message,
  newClient,
  opened,
  outcome,
  SHORT_MS,
  sessionOptions,
  withServer,
} from './session-fixture.ts';

const BOTH = ['PIPELINING', 'CHUNKING'];
const quits: Script = async (peer) => {
  await peer.talk('QUIT', '221 bye');
  peer.close();
};
const takesByBdat: Script = async (peer) => {
  await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok');
  await peer.bdat();
};
/** One command at a time: the next one comes only after the reply. */
const takesSlowly: Script = async (peer) => {
  await peer.greet(...BOTH);
  for (const [command, reply] of [
    ['MAIL', '250 ok'],
    ['RCPT', '250 ok'],
  ] as const) {
    await peer.hear(command);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(peer.unread, 0, 'nothing is pipelined');
    peer.say(reply);
  }
  await peer.bdat();
  peer.say('250 2.0.0 ok');
  await quits(peer);
};

// Most of their time is the grace after a reset, so they run side by side.
describeTests('hosts that cannot do what they announce', { concurrency: 8 }, () => {
  for (const text of ['x'.repeat(20), 'x'.repeat(300_000)]) {
    test(`a host that does not know BDAT gets DATA from the next connection on: ${text.length} octets`, async () => {
      await withServer(
        [
          async (peer) => {
            await peer.greet(...BOTH);
            await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok');
            await peer.hear('BDAT');
            peer.say('502 5.5.1 what is BDAT');
            await peer.untilEnd();
          },
          async (peer) => {
            await peer.greet(...BOTH);
            await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok', 'DATA', '354 go');
            await peer.untilDot();
            peer.say('250 2.0.0 ok');
            await quits(peer);
          },
        ],
        async (server) => {
          const client = newClient();
          const first = await opened(sessionOptions(server.port), client);
          const refused = await first.send(message({ text }));
          assert.equal(refused.begun, false);
          assert.equal(refused.ended, 'extension-broken');
          assert.equal(first.usable, false);
          const second = await opened(sessionOptions(server.port), client);
          const taken = await second.send(message({ text }));
          assert.deepEqual(taken.recipients.map(outcome), ['delivered FinalDot 250 2.0.0']);
          await Promise.all([first.close(), second.close()]);
        },
      );
    });
  }

  test('a host that has understood BDAT before refuses the message by a 50x, not BDAT', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet(...BOTH);
          await takesByBdat(peer);
          peer.say('250 2.0.0 ok');
          await takesByBdat(peer);
          peer.say('500 5.6.0 this message is odd');
          await peer.talk('RSET', '250 ok');
          await quits(peer);
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        await session.send(message());
        const result = await session.send(message());
        assert.deepEqual(result.recipients.map(outcome), ['permanent FinalDot 500 5.6.0']);
        await session.close();
      },
    );
  });

  test('50x to BDAT because no recipient was taken says nothing about BDAT', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet(...BOTH);
          await peer.talk('MAIL', '250 ok', 'RCPT', '550 5.1.1 no');
          await peer.bdat();
          peer.say('503 5.5.1 no recipients');
          await peer.talk('RSET', '250 ok');
          await quits(peer);
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        const result = await session.send(message());
        assert.deepEqual(result.recipients.map(outcome), ['permanent Rcpt 550 5.1.1']);
        await session.close();
      },
    );
  });

  test('a host that forgets pipelined commands costs one timeout, not one for each message', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet(...BOTH);
          await peer.talk('MAIL', '250 ok');
          await peer.untilEnd();
        },
        takesSlowly,
      ],
      async (server) => {
        const client = newClient();
        const first = await opened(sessionOptions(server.port, { timeouts: { rcptMs: SHORT_MS } }), client);
        const lost = await first.send(message());
        assert.deepEqual(lost.recipients.map(outcome), ['transient Rcpt 421 4.4.2']);
        const second = await opened(sessionOptions(server.port), client);
        assert.equal((await second.send(message())).recipients[0]?.status, 'delivered');
        await Promise.all([first.close(), second.close()]);
      },
    );
  });

  test('a host that calls pipelining a violation gets the message again, one command at a time', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet(...BOTH);
          await peer.talk('MAIL', '554 5.5.0 SMTP synchronization error');
          await peer.untilEnd();
        },
        takesSlowly,
      ],
      async (server) => {
        const client = newClient();
        const first = await opened(sessionOptions(server.port), client);
        assert.equal((await first.send(message())).ended, 'extension-broken');
        const second = await opened(sessionOptions(server.port), client);
        assert.equal((await second.send(message())).recipients[0]?.status, 'delivered');
        await Promise.all([first.close(), second.close()]);
      },
    );
  });

  test('where nothing was pipelined the word is an ordinary refusal, and no message goes round in circles', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet();
          await peer.talk('MAIL', '554 5.5.0 improper pipelining', 'RSET', '250 ok');
          await quits(peer);
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        const result = await session.send(message());
        assert.deepEqual(result.recipients.map(outcome), ['permanent Mail 554 5.5.0']);
        await session.close();
      },
    );
  });
});
