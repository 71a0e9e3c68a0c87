import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe as describeTests, test } from 'node:test';
import { DESTROY_GRACE_MS } from './mod.ts';
import type { Script } from './scripted-server.ts';
import {
  describe,
  message,
  opened,
  outcome,
  SHORT_MS,
  sessionOptions,
  withServer,
} from './session-fixture.ts';

const quits: Script = async (peer) => {
  await peer.talk('QUIT', '221 bye');
  peer.close();
};

const takesOne: Script = async (peer) => {
  await peer.hear('MAIL');
  await peer.hear('RCPT');
  await peer.bdat();
  peer.say('250 ok', '250 ok', '250 2.0.0 ok');
};

test('100 messages go over one connection, each with its own reply', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('PIPELINING', 'CHUNKING');
        for (let turn = 0; turn < 100; turn++) {
          await peer.hear('MAIL');
          await peer.hear('RCPT');
          const body = await peer.bdat();
          peer.say('250 ok', '250 ok', `250 2.0.0 ${body.toString()}`);
        }
        await quits(peer);
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port));
      for (let turn = 0; turn < 100; turn++) {
        const result = await session.send(message({ text: `message ${turn}` }));
        assert.equal(result.recipients[0]?.reply.text, `message ${turn}`);
      }
      assert.equal(session.transactions, 100);
      await session.close();
      assert.equal(server.peers.length, 1);
    },
  );
});

// Most of their time is the grace after a reset, so they run side by side.
describeTests('sessions that end', { concurrency: 8 }, () => {
  test('a session that the peer closes while idle is told once, and the next message burns no attempt', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet('PIPELINING', 'CHUNKING');
          await takesOne(peer);
          peer.close();
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        await session.send(message());
        let told = 0;
        await new Promise<void>((resolve) => {
          session.onEnd = () => {
            told++;
            resolve();
          };
        });
        assert.equal(session.usable, false);
        const result = await session.send(message());
        assert.equal(result.begun, false);
        assert.equal(result.ended, 'peer-closed');
        assert.equal(result.recipients[0]?.status, 'transient');
        await session.close();
        assert.equal(told, 1);
      },
    );
  });

  test('a peer that closes for idleness just when the next message comes burns no attempt', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet('PIPELINING', 'CHUNKING');
          await takesOne(peer);
          await peer.hear('MAIL');
          peer.close();
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        await session.send(message());
        const result = await session.send(message());
        assert.equal(result.begun, false);
        assert.equal(result.ended, 'peer-closed');
        await session.close();
      },
    );
  });

  const IDLE: readonly (readonly [title: string, said: string])[] = [
    ['421 idle too long', '421 4.4.2 idle too long\r\n'],
    ['a reply to nothing', '250 ok\r\n'],
    ['garbage', 'hello?\r\n'],
  ];

  for (const [title, said] of IDLE) {
    test(`what an idle peer says is never taken for the next reply: ${title}`, async () => {
      let idle = (): void => {};
      const isIdle = new Promise<void>((resolve) => {
        idle = resolve;
      });
      await withServer(
        [
          async (peer) => {
            await peer.greet('PIPELINING', 'CHUNKING');
            await takesOne(peer);
            await isIdle;
            peer.sayRaw(said);
            assert.equal(await peer.untilEnd(), '');
            peer.close();
          },
        ],
        async (server) => {
          const session = await opened(sessionOptions(server.port));
          await session.send(message());
          await new Promise<void>((resolve) => {
            session.onEnd = resolve;
            idle();
          });
          assert.equal(session.usable, false);
          assert.equal((await session.send(message())).begun, false);
          await session.close();
        },
      );
    });
  }

  test('one reply too many ends the session, after the message it came with', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet('PIPELINING', 'CHUNKING');
          await peer.hear('MAIL');
          await peer.hear('RCPT');
          await peer.bdat();
          peer.say('250 ok', '250 ok', '250 2.0.0 ok', '250 2.0.0 and once more');
          await peer.untilEnd();
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        const result = await session.send(message());
        assert.deepEqual(result.recipients.map(outcome), ['delivered FinalDot 250 2.0.0']);
        assert.equal(session.usable, false);
        await session.close();
      },
    );
  });

  test('a peer that refuses RSET is left, before another message is begun', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet('PIPELINING', 'CHUNKING');
          await peer.hear('MAIL');
          await peer.hear('RCPT');
          await peer.bdat();
          peer.say('250 ok', '550 5.1.1 no', '554 5.5.1 no');
          await peer.talk('RSET', '500 what');
          assert.equal(await peer.untilEnd(), '');
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        await session.send(message());
        const result = await session.send(message());
        assert.equal(result.begun, false);
        assert.equal(session.usable, false);
        await session.close();
      },
    );
  });

  test('a peer that does not answer RSET is left', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet();
          await peer.talk('MAIL', '450 4.7.1 no', 'RSET', '');
          await peer.untilEnd();
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port, { timeouts: { rsetMs: SHORT_MS } }));
        await session.send(message());
        const result = await session.send(message());
        assert.equal(result.begun, false);
        await session.close();
      },
    );
  });

  test('close waits until the peer has closed: a slot given back is not counted twice', async () => {
    let peerClosed = false;
    await withServer(
      [
        async (peer) => {
          await peer.greet();
          await peer.hear('QUIT');
          peer.say('221 bye');
          // Our FIN is here, the peer takes its time.
          await peer.untilEnd();
          peerClosed = true;
          peer.close();
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        session.onEnd = () => assert.fail('nobody asked');
        await Promise.all([session.close(), session.close()]);
        assert.equal(peerClosed, true);
        assert.equal(session.usable, false);
      },
    );
  });

  test('close lets the message finish that is under way', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet('PIPELINING', 'CHUNKING');
          await takesOne(peer);
          await quits(peer);
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        const sent = session.send(message());
        await session.close();
        assert.equal((await sent).recipients[0]?.status, 'delivered');
      },
    );
  });

  test('a peer that never answers QUIT holds nobody up', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet();
          await peer.untilEnd();
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port, { timeouts: { quitMs: SHORT_MS } }));
        await session.close();
        assert.equal(session.usable, false);
      },
    );
  });

  test('destroy ends a message under way at once, and takes the grace that the peer needs', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet();
          await peer.hear('MAIL');
          await peer.untilEnd();
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        const sent = session.send(message());
        const destroyedAtMs = performance.now();
        const destroyed = session.destroy();
        const result = await sent;
        assert.ok(performance.now() - destroyedAtMs < DESTROY_GRACE_MS);
        assert.deepEqual(result.recipients.map(outcome), ['transient Mail 421 4.3.2']);
        assert.equal(typeof result.ended === 'object' && describe(result.ended), 'Mail local 421 4.3.2');
        await destroyed;
        // A timer may fire a millisecond early by the other clock.
        assert.ok(performance.now() - destroyedAtMs >= DESTROY_GRACE_MS - 2);
      },
    );
  });

  test('who closes a session that is being destroyed waits for the same grace: its slot would be given out while the peer still counts it', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet();
          await peer.untilEnd();
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        const destroyedAtMs = performance.now();
        const destroyed = session.destroy();
        await session.close();
        assert.ok(performance.now() - destroyedAtMs >= DESTROY_GRACE_MS - 2);
        await destroyed;
      },
    );
  });

  test('two messages at a time on one session are a bug, not a mix-up', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet();
          await peer.untilEnd();
        },
      ],
      async (server) => {
        const session = await opened(sessionOptions(server.port));
        const sent = session.send(message());
        assert.throws(() => session.send(message()), /one transaction at a time/);
        await session.destroy();
        await sent;
      },
    );
  });
});

const MEGABYTE = 1024 * 1024;

for (const extensions of [['PIPELINING', 'CHUNKING'], ['PIPELINING']]) {
  test(`50 MB to a slow peer arrive whole and do not pile up in memory (${extensions.join(' ')})`, async () => {
    const block = Buffer.alloc(MEGABYTE, 'x'.repeat(62).concat('\r\n'));
    let most = 0;
    await withServer(
      [
        async (peer) => {
          await peer.greet(...extensions);
          await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok');
          if (extensions.length === 1) await peer.talk('DATA', '354 go');
          peer.countOnly();
          // Reads in spurts: the client's socket is full most of the time.
          const spurts = setInterval(() => {
            peer.socket.pause();
            setTimeout(() => peer.socket.resume(), 2);
          }, 4);
          const size = 50 * MEGABYTE;
          const header = extensions.length === 1 ? 3 : `BDAT ${size} LAST\r\n`.length;
          while (peer.received < size + header) await once(peer.socket, 'data');
          clearInterval(spurts);
          peer.socket.resume();
          assert.equal(peer.received, size + header);
          peer.say('250 2.0.0 ok');
          await once(peer.socket, 'data');
          peer.say('221 bye');
          peer.close();
        },
      ],
      async (server) => {
        let client: Socket | undefined;
        const options = sessionOptions(server.port);
        const session = await opened({
          ...options,
          dial: async (signal) => {
            client = await options.dial(signal);
            return client;
          },
        });
        const watch = setInterval(() => {
          most = Math.max(most, client?.writableLength ?? 0);
        }, 1);
        // One piece of the message is large, the others are small: both are cut as needed.
        const body = [
          Buffer.concat(Array.from({ length: 20 }, () => block)),
          ...Array.from({ length: 30 }, () => block),
        ];
        const result = await session.send(message({ body, sizeBytes: 50 * MEGABYTE }));
        clearInterval(watch);
        assert.deepEqual(result.recipients.map(outcome), ['delivered FinalDot 250 2.0.0']);
        assert.ok(most > 0, 'the peer was never slow');
        assert.ok(most < MEGABYTE, `${most} octets waited`);
        await session.close();
      },
    );
  });
}

test('a peer that stops reading costs the timeout for a block, not for ever', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('PIPELINING', 'CHUNKING');
        await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok');
        peer.socket.pause();
        await once(peer.socket, 'close');
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port, { timeouts: { dataBlockMs: SHORT_MS } }));
      const result = await session.send(message({ body: [Buffer.alloc(30 * MEGABYTE, 'x')] }));
      assert.deepEqual(result.recipients.map(outcome), ['transient Data 421 4.4.2']);
      assert.doesNotMatch(result.recipients[0]?.reply.text ?? '', /may have taken/);
      server.peers[0]?.socket.destroy();
      await session.close();
    },
  );
});

test('a peer that has heard enough in the middle of the body is believed', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('PIPELINING', 'CHUNKING');
        await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok');
        await peer.hear('BDAT ');
        peer.socket.pause();
        peer.say('552 5.3.4 too big');
        await once(peer.socket, 'close');
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port));
      const result = await session.send(message({ body: [Buffer.alloc(30 * MEGABYTE, 'x')] }));
      assert.deepEqual(result.recipients.map(outcome), ['permanent Data 552 5.3.4']);
      assert.equal(typeof result.ended === 'object' && describe(result.ended), 'Data reply 552 5.3.4');
      server.peers[0]?.socket.destroy();
      await session.close();
    },
  );
});

test('421 and garbage in one breath leave no socket behind', async () => {
  let client: Socket | undefined;
  await withServer(
    [
      async (peer) => {
        await peer.greet('PIPELINING', 'CHUNKING');
        await peer.hear('MAIL');
        peer.sayRaw('421 bye\r\nwhatever\r\n');
        await peer.untilEnd();
        peer.close();
      },
    ],
    async (server) => {
      const options = sessionOptions(server.port);
      const session = await opened({
        ...options,
        dial: async (signal) => {
          client = await options.dial(signal);
          return client;
        },
      });
      const result = await session.send(message());
      assert.deepEqual(result.recipients.map(outcome), ['transient Mail 421 ']);
      await session.close();
      assert.equal(client?.closed, true);
    },
  );
  await noSocketIsLeft();
});

test('a session that is taken down just after QUIT leaves no socket behind', async () => {
  let client: Socket | undefined;
  await withServer(
    [
      async (peer) => {
        await peer.greet();
        await peer.talk('QUIT', '221 bye');
        await peer.untilEnd();
      },
    ],
    async (server) => {
      const options = sessionOptions(server.port);
      const session = await opened({
        ...options,
        dial: async (signal) => {
          client = await options.dial(signal);
          return client;
        },
      });
      const socket = client;
      assert.ok(socket);
      const closed = session.close();
      await once(socket, 'data');
      // The 221 was read in this very tick: our FIN is under way.
      assert.equal(socket.writableEnded, true);
      await session.destroy();
      await closed;
      assert.equal(socket.closed, true);
    },
  );
  await noSocketIsLeft();
});

/** Handles of sockets that the event loop still knows, whatever their wrappers say of themselves. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}

async function noSocketIsLeft(): Promise<void> {
  const untilMs = performance.now() + 2_000;
  while (openSockets() > 0) {
    assert.ok(performance.now() < untilMs, `${openSockets()} sockets are open`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
