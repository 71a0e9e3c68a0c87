import assert from 'node:assert/strict';
import { describe as describeTests, test } from 'node:test';
import type { TlsLevel } from '@sluice/crds';
import { type Script, TEST_CA } from './scripted-server.ts';
import {
  describe,
  failed,
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
const inClear: Script = async (peer) => {
  await peer.greet();
  await quits(peer);
};
const encrypted: Script = async (peer) => {
  await peer.greet('STARTTLS', 'PIPELINING');
  await peer.talk('STARTTLS', '220 go');
  await peer.startTls();
  await peer.introduce();
  await quits(peer);
};
const refusesTls: Script = async (peer) => {
  await peer.greet('STARTTLS');
  await peer.talk('STARTTLS', '454 4.7.0 not now');
  await quits(peer);
};
const breaksHandshake: Script = async (peer) => {
  await peer.greet('STARTTLS');
  await peer.talk('STARTTLS', '220 go');
  await peer.forget();
  peer.sayRaw('this is no TLS record, whatever else it may be\r\n');
  await peer.untilEnd();
};
const closesInHandshake: Script = async (peer) => {
  await peer.greet('STARTTLS');
  await peer.talk('STARTTLS', '220 go');
  peer.close();
};
const hangsInHandshake: Script = async (peer) => {
  await peer.greet('STARTTLS');
  await peer.talk('STARTTLS', '220 go');
  await peer.untilEnd();
};
/** The client looks at the certificate and hangs up. */
const isRefused: Script = async (peer) => {
  await peer.greet('STARTTLS');
  await peer.talk('STARTTLS', '220 go');
  await Promise.race([peer.startTls(), peer.untilEnd()]);
  await peer.untilEnd();
};

interface Case {
  readonly title: string;
  readonly level: TlsLevel;
  readonly scripts: readonly Script[];
  /** `clear`, `tls`, or the failure. */
  readonly expected: string;
  readonly hostName?: string;
  readonly trust?: boolean;
}

const CASES: readonly Case[] = [
  { title: 'Disabled does not use it', level: 'Disabled', scripts: [inClear], expected: 'clear' },
  { title: 'Opportunistic without offer', level: 'Opportunistic', scripts: [inClear], expected: 'clear' },
  { title: 'Opportunistic with offer', level: 'Opportunistic', scripts: [encrypted], expected: 'tls' },
  {
    title: 'Opportunistic refused: same connection',
    level: 'Opportunistic',
    scripts: [refusesTls],
    expected: 'clear',
  },
  {
    title: 'Opportunistic, broken handshake: again in clear',
    level: 'Opportunistic',
    scripts: [breaksHandshake, inClear],
    expected: 'clear',
  },
  {
    title: 'Opportunistic, closed in the handshake: again in clear',
    level: 'Opportunistic',
    scripts: [closesInHandshake, inClear],
    expected: 'clear',
  },
  {
    title: 'Opportunistic, handshake that hangs: again in clear',
    level: 'Opportunistic',
    scripts: [hangsInHandshake, inClear],
    expected: 'clear',
  },
  {
    title: 'Encrypt without offer',
    level: 'Encrypt',
    scripts: [inClear],
    expected: 'StartTls tls 451 4.7.4 next',
  },
  {
    title: 'Encrypt does not look at the certificate',
    level: 'Encrypt',
    scripts: [encrypted],
    expected: 'tls',
  },
  {
    title: 'Encrypt refused',
    level: 'Encrypt',
    scripts: [refusesTls],
    expected: 'StartTls reply 454 4.7.0 next',
  },
  {
    title: 'Encrypt, broken handshake',
    level: 'Encrypt',
    scripts: [breaksHandshake],
    expected: 'StartTls tls 451 4.7.5 next',
  },
  {
    title: 'Encrypt, handshake that hangs',
    level: 'Encrypt',
    scripts: [hangsInHandshake],
    expected: 'StartTls timeout 421 4.4.2 next',
  },
  {
    title: 'Verify, right name and root',
    level: 'Verify',
    scripts: [encrypted],
    trust: true,
    expected: 'tls',
  },
  {
    title: 'Verify, unknown root',
    level: 'Verify',
    scripts: [isRefused],
    expected: 'StartTls tls 451 4.7.5 next',
  },
  {
    title: 'Verify, another name',
    level: 'Verify',
    scripts: [isRefused],
    trust: true,
    hostName: 'mx.other.example',
    expected: 'StartTls tls 451 4.7.5 next',
  },
];

// Most of their time is the grace after a reset, so they run side by side.
describeTests('TLS levels', { concurrency: 8 }, () => {
  for (const { title, level, scripts, expected, hostName, trust } of CASES) {
    test(`TLS is as strict as the level says: ${title}`, async () => {
      await withServer(scripts, async (server) => {
        const options = sessionOptions(server.port, {
          tls: { level, ...(trust === true ? { ca: [TEST_CA] } : {}) },
          ...(hostName === undefined ? {} : { hostName }),
          timeouts: scripts.includes(hangsInHandshake) ? { startTlsMs: SHORT_MS } : {},
        });
        if (expected !== 'clear' && expected !== 'tls') {
          assert.equal(describe(await failed(options)), expected);
          return;
        }
        const session = await opened(options);
        assert.equal(session.tls === undefined ? 'clear' : 'tls', expected);
        if (session.tls !== undefined) {
          assert.match(session.tls.protocol, /^TLSv1\.[23]$/);
          assert.notEqual(session.tls.cipher, '');
          assert.equal(session.tls.verified, trust === true);
        }
        await session.close();
        assert.equal(server.peers.length, scripts.length);
      });
    });
  }
});

test('what a listener slips in before the handshake is never taken for the server’s word', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('STARTTLS');
        await peer.hear('STARTTLS');
        peer.say('220 go', '250-mx.example', '250 AUTH PLAIN');
        await peer.untilEnd();
      },
    ],
    async (server) => {
      const failure = await failed(sessionOptions(server.port, { tls: { level: 'Encrypt' } }));
      assert.equal(describe(failure), 'StartTls protocol 451 4.5.0 next');
    },
  );
});

test('extensions that were offered in clear only are not used under TLS; mail flows through TLS', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('STARTTLS', 'PIPELINING', 'SMTPUTF8', 'SIZE 10');
        await peer.talk('STARTTLS', '220 go');
        await peer.startTls();
        await peer.introduce('PIPELINING', 'CHUNKING');
        await peer.hear('MAIL FROM:<a@out.example>');
        await peer.hear('RCPT TO:<b@mx.example>');
        const body = await peer.bdat();
        assert.equal(body.length, 200_000);
        peer.say('250 2.1.0 ok', '250 2.1.5 ok', '250 2.0.0 queued');
        await quits(peer);
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port, { tls: { level: 'Opportunistic' } }));
      const result = await session.send(message({ text: 'x'.repeat(200_000) }));
      assert.deepEqual(result.recipients.map(outcome), ['delivered FinalDot 250 2.0.0']);
      await session.close();
    },
  );
});

test('a session over TLS that is destroyed is gone for the peer too', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('STARTTLS');
        await peer.talk('STARTTLS', '220 go');
        await peer.startTls();
        await peer.introduce();
        assert.equal(await peer.untilEnd(), '');
      },
    ],
    async (server) => {
      const session = await opened(sessionOptions(server.port, { tls: { level: 'Encrypt' } }));
      await session.destroy();
      assert.equal(session.usable, false);
    },
  );
});

const AUTH = { username: 'relay', password: 'secret' };
const PLAIN = `AUTH PLAIN ${Buffer.from('\0relay\0secret').toString('base64')}`;

test('a smart host takes mail with AUTH PLAIN over TLS', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('STARTTLS');
        await peer.talk('STARTTLS', '220 go');
        await peer.startTls();
        await peer.introduce('AUTH LOGIN PLAIN');
        await peer.talk(PLAIN, '235 2.7.0 welcome');
        await quits(peer);
      },
    ],
    async (server) => {
      const session = await opened(
        sessionOptions(server.port, {
          tls: { level: 'Verify', ca: [TEST_CA] },
          auth: AUTH,
          address: '192.0.2.25',
        }),
      );
      await session.close();
    },
  );
});

test('a smart host on this machine takes mail with AUTH LOGIN in clear', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('AUTH=LOGIN');
        await peer.talk(
          'AUTH LOGIN',
          '334 VXNlcm5hbWU6',
          'cmVsYXk=',
          '334 UGFzc3dvcmQ6',
          'c2VjcmV0',
          '235 ok',
        );
        await quits(peer);
      },
    ],
    async (server) => (await opened(sessionOptions(server.port, { auth: AUTH }))).close(),
  );
});

test('a password is never sent in clear to another machine', async () => {
  await withServer(
    [
      async (peer) => {
        await peer.greet('AUTH PLAIN');
        await quits(peer);
      },
    ],
    async (server) => {
      const failure = await failed(sessionOptions(server.port, { auth: AUTH, address: '192.0.2.25' }));
      assert.equal(describe(failure), 'Auth tls 451 4.7.11 next');
    },
  );
});

const REFUSALS: readonly (readonly [title: string, script: Script, expected: string])[] = [
  [
    'wrong password',
    async (peer) => {
      await peer.greet('AUTH PLAIN');
      await peer.talk(PLAIN, '535 5.7.8 no');
      await quits(peer);
    },
    'Auth reply 535 5.7.8 next',
  ],
  [
    'unknown user with LOGIN',
    async (peer) => {
      await peer.greet('AUTH LOGIN');
      await peer.talk('AUTH LOGIN', '334 VXNlcm5hbWU6', 'cmVsYXk=', '535 5.7.8 no');
      await quits(peer);
    },
    'Auth reply 535 5.7.8 next',
  ],
  [
    'a question that PLAIN does not have',
    async (peer) => {
      await peer.greet('AUTH PLAIN');
      await peer.talk(PLAIN, '334 and?', '*', '501 cancelled');
      await quits(peer);
    },
    'Auth protocol 451 4.5.0 next',
  ],
  [
    'no mechanism that we speak',
    async (peer) => {
      await peer.greet('AUTH CRAM-MD5');
      await quits(peer);
    },
    'Auth protocol 451 4.7.4 next',
  ],
];

for (const [title, script, expected] of REFUSALS) {
  test(`a refused login bounces no mail: ${title}`, async () => {
    await withServer([script], async (server) => {
      assert.equal(describe(await failed(sessionOptions(server.port, { auth: AUTH }))), expected);
    });
  });
}
