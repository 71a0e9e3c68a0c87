import assert from 'node:assert/strict';
import { describe as describeTests, test } from 'node:test';
import { SluiceError } from '@sluice/crds';
import { DESTROY_GRACE_MS } from './mod.ts';
import type { Script } from './scripted-server.ts';
import {
  describe,
  failed,
  newClient,
  opened,
  SHORT_MS,
  sessionOptions,
  withServer,
} from './session-fixture.ts';

const quits: Script = async (peer) => {
  await peer.talk('QUIT', '221 bye');
  peer.close();
};
const isReset: Script = async (peer) => {
  await peer.untilEnd();
};

interface Failing {
  readonly title: string;
  readonly script: Script;
  readonly expected: string;
  readonly text?: RegExp;
  readonly timeouts?: Record<string, number>;
}

const FAILING: readonly Failing[] = [
  {
    title: 'greeting 421: the next host is tried',
    script: async (peer) => {
      peer.say('421 4.3.2 too busy');
      peer.close();
    },
    expected: 'Greeting reply 421 4.3.2 next',
    text: /^too busy$/,
  },
  {
    title: 'greeting 450: QUIT, then the next host is tried',
    script: async (peer) => {
      peer.say('450 4.3.2 later');
      await quits(peer);
    },
    expected: 'Greeting reply 450 4.3.2 next',
  },
  {
    title: 'greeting 554: permanent if no other host takes it',
    script: async (peer) => {
      peer.say('554-5.7.1 you are', '554 5.7.1 listed');
      await quits(peer);
    },
    expected: 'Greeting reply 554 5.7.1 next permanent',
    text: /^you are listed$/,
  },
  {
    title: 'a greeting that refuses nothing and greets nobody',
    script: async (peer) => {
      peer.say('354 go');
      await quits(peer);
    },
    expected: 'Greeting protocol 451 4.5.0 next',
  },
  {
    title: 'another protocol',
    script: async (peer) => {
      peer.say('* OK IMAP4rev1 ready');
      await isReset(peer);
    },
    expected: 'Greeting protocol 451 4.5.0 next',
    text: /IMAP4rev1/,
  },
  {
    title: 'no greeting in time',
    script: isReset,
    timeouts: { greetingMs: SHORT_MS },
    expected: 'Greeting timeout 421 4.4.2 next',
  },
  {
    title: 'a greeting that drips in without ever ending',
    script: async (peer) => {
      const drip = setInterval(() => peer.sayRaw('2'), 5);
      await peer.untilEnd();
      clearInterval(drip);
    },
    timeouts: { greetingMs: SHORT_MS },
    expected: 'Greeting timeout 421 4.4.2 next',
  },
  {
    title: 'closed instead of a greeting',
    script: (peer) => peer.close(),
    expected: 'Greeting closed 421 4.4.2 next',
  },
  {
    title: 'reset at EHLO',
    script: async (peer) => {
      peer.say('220 mx.example');
      await peer.hear('EHLO');
      peer.reset();
    },
    expected: 'Ehlo closed 421 4.4.2 next',
    text: /reset/,
  },
  {
    title: 'greeting and good-bye in one breath',
    script: async (peer) => {
      peer.say('220 mx.example', '421 4.3.2 shutting down');
      peer.close();
    },
    expected: 'Ehlo reply 421 4.3.2 next',
  },
  {
    title: 'EHLO 450',
    script: async (peer) => {
      peer.say('220 mx.example');
      await peer.talk('EHLO', '450 4.7.1 not now');
      await quits(peer);
    },
    expected: 'Ehlo reply 450 4.7.1 next',
  },
  {
    title: 'EHLO and HELO refused',
    script: async (peer) => {
      peer.say('220 mx.example');
      await peer.talk('EHLO', '550 5.7.1 bad name', 'HELO', '550 5.7.1 bad name');
      await quits(peer);
    },
    expected: 'Ehlo reply 550 5.7.1 next permanent',
  },
  {
    title: 'closed at EHLO',
    script: async (peer) => {
      peer.say('220 mx.example');
      await peer.hear('EHLO');
      peer.close();
    },
    expected: 'Ehlo closed 421 4.4.2 next',
  },
  {
    title: 'EHLO codes that disagree',
    script: async (peer) => {
      peer.say('220 mx.example');
      await peer.talk('EHLO', '250-mx.example\n550 no');
      await isReset(peer);
    },
    expected: 'Ehlo protocol 451 4.5.0 next',
  },
  {
    title: 'an EHLO reply without end',
    script: async (peer) => {
      peer.say('220 mx.example');
      await peer.hear('EHLO');
      peer.sayRaw('250-X\r\n'.repeat(10_000));
      await isReset(peer);
    },
    expected: 'Ehlo protocol 451 4.5.0 next',
  },
];

// Most of their time is the grace after a reset, so they run side by side.
describeTests('hosts that take no mail', { concurrency: 8 }, () => {
  for (const { title, script, expected, text, timeouts } of FAILING) {
    test(`a host that does not take mail is understood: ${title}`, async () => {
      await withServer([script], async (server) => {
        const failure = await failed(sessionOptions(server.port, { timeouts: timeouts ?? {} }));
        assert.equal(describe(failure), expected);
        if (text !== undefined) assert.match(failure.reply.text, text);
      });
    });
  }
});

test('a server that knows only HELO gets mail', async () => {
  await withServer(
    [
      async (peer) => {
        peer.say('220 mx.example');
        await peer.talk('EHLO', '502 what', 'HELO out.example', '250 mx.example');
        await quits(peer);
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port));
      assert.equal(session.greeting.text, 'mx.example');
      assert.equal(session.tls, undefined);
      await session.close();
    },
  );
});

const DIALS: readonly (readonly [title: string, error: unknown, expected: string])[] = [
  ['refused', systemError('ECONNREFUSED'), 'Connect refused 421 4.4.1 next'],
  ['no route', systemError('EHOSTUNREACH'), 'Connect unreachable 421 4.4.1 next'],
  ['timed out', systemError('ETIMEDOUT'), 'Connect timeout 421 4.4.1 next'],
  ['no more sockets here', systemError('EMFILE'), 'Connect local 451 4.3.0'],
  [
    'our address is not here',
    new SluiceError('SLUICE_EGRESS_ADDRESS_MISSING', { source: 'ip-1', address: '10.0.0.5' }),
    'Connect local 451 4.3.5',
  ],
];

for (const [title, error, expected] of DIALS) {
  test(`a failed connection is understood: ${title}`, async () => {
    const failure = await failed(sessionOptions(25, { dial: () => Promise.reject(error) }));
    assert.equal(describe(failure), expected);
    assert.match(failure.reply.text, /^connect to mx\.example\[127\.0\.0\.1\]:25: /);
  });
}

test('a connection that does not come about ends with the connect timeout, and keeps its slot while the peer may count it', async () => {
  const beganMs = performance.now();
  const failure = await failed(
    sessionOptions(25, {
      dial: (signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      timeouts: { connectMs: SHORT_MS },
    }),
  );
  assert.equal(describe(failure), 'Connect timeout 421 4.4.1 next');
  assert.ok(performance.now() - beganMs >= SHORT_MS + DESTROY_GRACE_MS - 2);
});

test('a pod that ends does not wait for sessions that are being opened', async () => {
  const controller = new AbortController();
  await withServer(
    [
      async (peer) => {
        peer.say('220 mx.example');
        await peer.hear('EHLO');
        controller.abort();
        await isReset(peer);
      },
    ],
    async (server) => {
      const failure = await failed(sessionOptions(server.port, { signal: controller.signal }));
      assert.equal(describe(failure), 'Ehlo local 421 4.3.2');
      const later = await failed(sessionOptions(server.port, { signal: controller.signal }));
      assert.equal(describe(later), 'Connect local 421 4.3.2');
    },
  );
});

test('an EHLO name that would inject a command is never sent', async () => {
  const failure = await newClient()(sessionOptions(25, { ehlo: 'a\r\nMAIL FROM:<x@y>' }));
  assert.ok(!failure.ok);
  assert.equal(describe(failure), 'Ehlo local 451 4.3.5');
});

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
