import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import { describe as describeTests, test } from 'node:test';
import {
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
  type TLSSocketOptions,
} from 'node:tls';
import { ClientCertificates, createOpenSession } from './mod.ts';
import { Peer, type Script, TEST_CA, testFile } from './scripted-server.ts';
import {
  describe,
  failed,
  message,
  newClient,
  opened,
  outcome,
  sessionOptions,
  withServer,
} from './session-fixture.ts';

const quits: Script = async (peer) => {
  await peer.talk('QUIT', '221 bye');
  peer.close();
};

/** A session under TLS; what the server saw of the client goes to `saw`. */
const encrypted =
  (
    options: TLSSocketOptions = {},
    saw: (secure: Awaited<ReturnType<Peer['startTls']>>) => void = () => {},
  ): Script =>
  async (peer) => {
    await peer.greet('STARTTLS');
    await peer.talk('STARTTLS', '220 go');
    const secure = await peer.startTls(options);
    saw(secure);
    await peer.introduce();
    await quits(peer);
  };
/** The client looks at the certificate and hangs up. */
const isRefused =
  (options: TLSSocketOptions): Script =>
  async (peer) => {
    await peer.greet('STARTTLS');
    await peer.talk('STARTTLS', '220 go');
    await Promise.race([peer.startTls(options), peer.untilEnd()]);
    await peer.untilEnd();
  };
const breaksHandshake: Script = async (peer) => {
  await peer.greet('STARTTLS');
  await peer.talk('STARTTLS', '220 go');
  await peer.forget();
  peer.sayRaw('this is no TLS record, whatever else it may be\r\n');
  await peer.untilEnd();
};
const inClear: Script = async (peer) => {
  await peer.greet('STARTTLS');
  await quits(peer);
};

const usual = () => createSecureContext({ key: testFile('mx.key'), cert: testFile('mx.pem') });

// Most of their time is the grace after a reset, so they run side by side.
describeTests('TLS of the client', { concurrency: 8 }, () => {
  for (const [level, trust] of [
    ['Opportunistic', false],
    ['Encrypt', false],
    ['Verify', true],
  ] as const) {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      test(`the second connection to a host resumes the handshake of the first: ${level}, ${version}`, async () => {
        const secureContext = createSecureContext({
          key: testFile('mx.key'),
          cert: testFile('mx.pem'),
          maxVersion: version,
        });
        const reused: boolean[] = [];
        const script = encrypted({ secureContext }, (secure) => reused.push(secure.isSessionReused()));
        await withServer([script, script, script], async (server) => {
          const client = newClient();
          const options = sessionOptions(server.port, {
            tls: { level, ...(trust ? { ca: [TEST_CA] } : {}) },
          });
          for (const resumed of [false, true]) {
            const session = await opened(options, client);
            assert.equal(session.tls?.resumed, resumed);
            assert.equal(session.tls?.verified, trust, 'what was found out in the full handshake');
            assert.equal(session.tls?.protocol, version);
            await session.close();
          }
          const elsewhere = await opened({ ...options, ehlo: 'other.example' }, client);
          assert.equal(elsewhere.tls?.resumed, false, 'a ticket must not tie two sources together');
          await elsewhere.close();
        });
        assert.deepEqual(reused, [false, true, false]);
      });
    }
  }

  test('a session made without looking at the certificate is never resumed where one must be verified', async () => {
    const secureContext = usual();
    await withServer([encrypted({ secureContext }), isRefused({ secureContext })], async (server) => {
      const client = newClient();
      await (await opened(sessionOptions(server.port, { tls: { level: 'Opportunistic' } }), client)).close();
      const failure = await failed(sessionOptions(server.port, { tls: { level: 'Verify' } }), client);
      assert.equal(describe(failure), 'StartTls tls 451 4.7.5 next');
    });
  });

  test('a host that gives tickets and breaks on them gets a full handshake, not mail in clear', async () => {
    const secureContext = usual();
    await withServer(
      [encrypted({ secureContext }), breaksHandshake, encrypted({ secureContext })],
      async (server) => {
        const client = newClient();
        const options = sessionOptions(server.port, { tls: { level: 'Opportunistic' } });
        await (await opened(options, client)).close();
        const session = await opened(options, client);
        assert.equal(session.tls?.resumed, false);
        await session.close();
        assert.equal(server.peers.length, 3);
      },
    );
  });

  test('a host whose TLS is broken costs a second connection once, and not the next message', async () => {
    await withServer([breaksHandshake, inClear, inClear], async (server) => {
      const client = newClient();
      const options = sessionOptions(server.port, { tls: { level: 'Opportunistic' } });
      for (let turn = 0; turn < 2; turn++) {
        const session = await opened(options, client);
        assert.equal(session.tls, undefined);
        await session.close();
      }
      assert.equal(server.peers.length, 3);
    });
  });

  test('broken TLS that is remembered never lets mail out in clear where it must be encrypted', async () => {
    await withServer([breaksHandshake, inClear, breaksHandshake], async (server) => {
      const client = newClient();
      await (await opened(sessionOptions(server.port, { tls: { level: 'Opportunistic' } }), client)).close();
      const failure = await failed(sessionOptions(server.port, { tls: { level: 'Encrypt' } }), client);
      assert.equal(describe(failure), 'StartTls tls 451 4.7.5 next');
    });
  });

  const FAULTS: readonly (readonly [
    title: string,
    certificate: string,
    hostName: string,
    ca: string,
    said: RegExp,
  ])[] = [
    [
      'expired',
      'odd/expired.pem',
      'mx.example',
      'odd/odd-ca.pem',
      /CN=mx\.example \(issued by CN=Sluice odd CA\) expired on Jan {1,2}1 00:00:00 2021 GMT/,
    ],
    [
      'not yet valid',
      'odd/future.pem',
      'mx.example',
      'odd/odd-ca.pem',
      /is valid from Jan {1,2}1 00:00:00 2100 GMT only/,
    ],
    [
      'self-signed',
      'odd/self-signed.pem',
      'mx.example',
      'odd/odd-ca.pem',
      /CN=mx\.example \(issued by CN=mx\.example\) is self-signed/,
    ],
    ['unknown root', 'mx.pem', 'mx.example', 'odd/odd-ca.pem', /leads to no trusted root/],
    [
      'another name',
      'mx.pem',
      'mx.other.example',
      'ca.pem',
      /is for DNS:mx\.example, DNS:localhost, not for mx\.other\.example/,
    ],
    [
      'an address',
      'mx.pem',
      '127.0.0.1',
      'ca.pem',
      /is for DNS:mx\.example, DNS:localhost, not for 127\.0\.0\.1/,
    ],
  ];

  for (const [title, certificate, hostName, ca, said] of FAULTS) {
    test(`the reply says what is wrong with a certificate, and whose it is: ${title}`, async () => {
      const key = testFile(certificate.startsWith('odd/') ? 'odd/odd.key' : 'mx.key');
      await withServer([isRefused({ key, cert: testFile(certificate) })], async (server) => {
        const tls = { level: 'Verify', ca: [testFile(ca)] } as const;
        const failure = await failed(sessionOptions(server.port, { hostName, tls }));
        assert.equal(describe(failure), 'StartTls tls 451 4.7.5 next');
        assert.match(failure.reply.text, said);
      });
    });
  }

  const NAMES: readonly (readonly [hostName: string, sni: string | undefined])[] = [
    ['mx.example', 'mx.example'],
    ['mx.example.', 'mx.example'],
    ['mx.bücher.example', 'mx.xn--bcher-kva.example'],
    ['127.0.0.1', undefined],
    ['[127.0.0.1]', undefined],
    ['::1', undefined],
  ];

  for (const [hostName, sni] of NAMES) {
    test(`a host with several names gets the certificate for the one that was asked for: ${hostName}`, async () => {
      let named: string | undefined;
      const context = usual();
      const options: TLSSocketOptions = {
        SNICallback: (servername, done) => {
          named = servername;
          done(null, context);
        },
      };
      await withServer([encrypted(options)], async (server) => {
        const session = await opened(sessionOptions(server.port, { hostName, tls: { level: 'Encrypt' } }));
        await session.close();
        assert.equal(named, sni);
      });
    });
  }

  test('TLS 1.1 is not spoken', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const secureContext = createSecureContext({ key: testFile('mx.key'), cert: testFile('mx.pem'), ...old });
    await withServer([isRefused({ secureContext })], async (server) => {
      const failure = await failed(sessionOptions(server.port, { tls: { level: 'Encrypt' } }));
      assert.equal(describe(failure), 'StartTls tls 451 4.7.5 next');
    });
  });

  const PARTNER = {
    name: 'partner',
    certificateFile: new URL('../../testdata/tls/odd/client.pem', import.meta.url).pathname,
    keyFile: new URL('../../testdata/tls/odd/odd.key', import.meta.url).pathname,
  };
  const SILENT = { reloaded: () => {}, unusable: () => {} };

  test('a host that asks for a client certificate sees the one that the policy names', async () => {
    const certificates = new ClientCertificates([PARTNER], () => performance.now(), SILENT);
    const client = createOpenSession({
      nowMs: () => performance.now(),
      findCertificate: (name) => certificates.find(name),
    });
    const seen: unknown[] = [];
    const options = { requestCert: true, rejectUnauthorized: false };
    const script = encrypted(options, (secure) => seen.push(secure.getPeerCertificate().subject?.CN));
    await withServer([script, script], async (server) => {
      const level = 'Encrypt';
      const shown = { tls: { level, clientCertificateName: 'partner' } } as const;
      await (await opened(sessionOptions(server.port, shown), client)).close();
      await (await opened(sessionOptions(server.port, { tls: { level } }), client)).close();
    });
    assert.deepEqual(seen, ['relay.out.example', undefined]);
  });

  test('a policy that names a certificate which is not there sends nothing without it', async () => {
    await withServer(
      [
        async (peer) => {
          await peer.greet('STARTTLS');
          await quits(peer);
        },
      ],
      async (server) => {
        const tls = { level: 'Opportunistic', clientCertificateName: 'gone' } as const;
        const failure = await failed(sessionOptions(server.port, { tls }));
        assert.equal(describe(failure), 'StartTls local 451 4.3.5');
        assert.match(failure.reply.text, /sluice\.yaml has no certificate "gone"/);
      },
    );
  });

  test('STARTTLS works through a proxy that is spoken to under TLS itself, and such a session can be cut', async () => {
    const target = createServer(async (socket) => {
      const peer = new Peer(socket);
      await peer.greet('STARTTLS');
      await peer.talk('STARTTLS', '220 go');
      await peer.startTls();
      await peer.introduce();
      await peer.talk('MAIL', '250 ok', 'RCPT', '250 ok', 'DATA', '354 go');
      await peer.untilDot();
      peer.say('250 2.0.0 ok');
      await peer.untilEnd();
    });
    target.listen(0, '127.0.0.1');
    await once(target, 'listening');
    const targetPort = portOf(target.address());
    const context = { key: testFile('mx.key'), cert: testFile('mx.pem') };
    const proxy = createTlsServer(context, (inside) => {
      const outside = connectTcp(targetPort, '127.0.0.1');
      for (const socket of [inside, outside]) socket.on('error', () => {});
      inside.pipe(outside).pipe(inside);
      inside.once('close', () => outside.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const session = await opened(
      sessionOptions(targetPort, {
        tls: { level: 'Verify', ca: [TEST_CA] },
        dial: async () => {
          const socket = connectTls({
            port: portOf(proxy.address()),
            host: '127.0.0.1',
            rejectUnauthorized: false,
          });
          await once(socket, 'secureConnect');
          return socket;
        },
      }),
    );
    assert.equal(session.tls?.verified, true);
    const sent = await session.send(message());
    assert.deepEqual(sent.recipients.map(outcome), ['delivered FinalDot 250 2.0.0']);
    await session.destroy();
    assert.equal(session.usable, false);
    proxy.close();
    target.close();
  });
});

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}
