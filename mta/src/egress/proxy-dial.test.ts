import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { type EgressWay, SluiceError, type SourceConfig } from '@sluice/crds';
import { testKey } from '../../testdata/tls/test-key.ts';
import { createDial } from './dial.ts';
import { TargetFailure } from './hop-failure.ts';
import type { ProxyDialOptions } from './proxy-dial.ts';
import { type ProxyScript, type ProxySide, ScriptedProxy } from './scripted-proxy.fixture.ts';

const TIMEOUT_MS = 5_000;
/** For proxies that never answer. */
const SHORT_MS = 100;
const TARGET = { address: '192.0.2.1', port: 25 };
const never = new AbortController().signal;

type SocksSpec = Extract<EgressWay, { type: 'SOCKS5' }>['socks5'];

const OPTIONS: ProxyDialOptions = {
  credentials: new Map([['egress', { username: 'mta', password: 'secret' }]]),
  proxyCa: testKey('proxy').cert,
  lookUp: () => Promise.reject(new Error('no such name')),
  random: () => 0,
  nowMs: () => performance.now(),
};

function sourceOf(egress: EgressWay, address = '192.0.2.10'): SourceConfig {
  return { name: 'ip-1', address, ehlo: 'out.example', weight: 1, state: 'Active', labels: {}, egress };
}

function socks5(port: number, spec: Partial<SocksSpec> = {}): SourceConfig {
  return sourceOf({
    type: 'SOCKS5',
    socks5: {
      host: '127.0.0.1',
      port,
      dialect: 'BindConnect',
      sourceAddress: '192.0.2.10',
      tls: 'Disabled',
      ...spec,
    },
  });
}

function haproxy(port: number, protocol: 'V1' | 'V2', sourceAddress = '192.0.2.10'): SourceConfig {
  return sourceOf({ type: 'HAProxy', haproxy: { host: '127.0.0.1', port, protocol, sourceAddress } });
}

/** Octets of a greeting with the one method "none". */
const GREETING = 3;
/** Octets of a request with an IPv4 address. */
const REQUEST = 10;
const OK = '05 00 00 01 00 00 00 00 00 00';

async function upTo(side: ProxySide, step: 'bind' | 'connect'): Promise<void> {
  await side.read(GREETING);
  side.say('05 00');
  await side.read(REQUEST);
  if (step === 'bind') return;
  side.say(OK);
  await side.read(REQUEST);
}

const reply =
  (step: 'bind' | 'connect', code: string): ProxyScript =>
  async (side) => {
    await upTo(side, step);
    side.say(`05 ${code} 00 01 00 00 00 00 00 00`);
  };

type ErrorKind = 'SLUICE_EGRESS_PROXY_UNREACHABLE' | 'SLUICE_EGRESS_PROXY_REFUSED' | 'target';

interface Case {
  readonly proxy: string;
  readonly script: ProxyScript;
  readonly kind: ErrorKind;
  /** In the text that the user reads. */
  readonly says: string;
  readonly spec?: Partial<SocksSpec>;
  readonly timeoutMs?: number;
  readonly tls?: boolean;
}

const UNREACHABLE = 'SLUICE_EGRESS_PROXY_UNREACHABLE';
const REFUSED = 'SLUICE_EGRESS_PROXY_REFUSED';
const silent: ProxyScript = () => {};

const cases: readonly Case[] = [
  {
    proxy: 'never answers',
    script: silent,
    kind: UNREACHABLE,
    says: 'no answer in time',
    timeoutMs: SHORT_MS,
  },
  {
    proxy: 'closes at once',
    script: ({ socket }) => void socket.destroy(),
    kind: UNREACHABLE,
    says: 'connection closed instead of an answer to the greeting',
  },
  {
    proxy: 'resets in the middle of an answer',
    script: async (side) => {
      await side.read(GREETING);
      side.say('05');
      side.socket.resetAndDestroy();
    },
    kind: UNREACHABLE,
    says: 'connection closed instead of an answer to the greeting',
  },
  {
    proxy: 'is a mail host',
    script: ({ socket }) => void socket.write('220 mx.example ESMTP\r\n'),
    kind: UNREACHABLE,
    says: 'it does not speak SOCKS5',
  },
  {
    proxy: 'wants a password that the pool does not name',
    script: async (side) => {
      await side.read(GREETING);
      side.say('05 ff');
    },
    kind: REFUSED,
    says: 'authentication failed: it wants a user name and a password',
  },
  {
    proxy: 'knows no method that we know',
    script: async (side) => {
      await side.read(GREETING + 1);
      side.say('05 ff');
    },
    spec: { credentialName: 'egress' },
    kind: REFUSED,
    says: 'authentication failed: no common method',
  },
  {
    proxy: 'refuses the password',
    script: async (side) => {
      await side.read(GREETING + 1);
      side.say('05 02');
      await side.read(3 + 'mta'.length + 'secret'.length);
      side.say('01 01');
    },
    spec: { credentialName: 'egress' },
    kind: REFUSED,
    says: 'authentication failed: user "mta" is refused',
  },
  {
    proxy: 'has not got the address of the source',
    script: reply('bind', '01'),
    kind: REFUSED,
    says: 'BIND 192.0.2.10: general failure',
  },
  {
    proxy: 'may not use the address of the source',
    script: reply('bind', '02'),
    kind: REFUSED,
    says: 'BIND 192.0.2.10: not allowed by its rules',
  },
  {
    proxy: 'does not know BIND',
    script: reply('bind', '07'),
    kind: REFUSED,
    says: 'BIND 192.0.2.10: command not supported',
  },
  {
    proxy: 'answers BIND with an address of no type',
    script: async (side) => {
      await upTo(side, 'bind');
      side.say('05 00 00 09 00');
    },
    kind: UNREACHABLE,
    says: 'its answer to BIND 192.0.2.10 is not SOCKS5',
  },
  {
    proxy: 'waits for a client after BIND, as RFC 1928 has it',
    script: async (side) => {
      await upTo(side, 'connect');
      side.socket.end();
    },
    kind: UNREACHABLE,
    says: 'connection closed instead of an answer to CONNECT 192.0.2.1:25',
  },
  {
    proxy: 'fails',
    script: reply('connect', '01'),
    kind: REFUSED,
    says: 'CONNECT 192.0.2.1:25: general failure',
  },
  {
    proxy: 'does not allow the target',
    script: reply('connect', '02'),
    kind: REFUSED,
    says: 'CONNECT 192.0.2.1:25: not allowed by its rules',
  },
  {
    proxy: 'does not know the type of the address',
    script: reply('connect', '08'),
    kind: REFUSED,
    says: 'CONNECT 192.0.2.1:25: address type not supported',
  },
  {
    proxy: 'gives a reason that no RFC knows',
    script: reply('connect', '5b'),
    kind: REFUSED,
    says: 'CONNECT 192.0.2.1:25: reply 91',
  },
  { proxy: 'has no route', script: reply('connect', '03'), kind: 'target', says: 'ENETUNREACH' },
  {
    proxy: 'finds the host unreachable',
    script: reply('connect', '04'),
    kind: 'target',
    says: 'EHOSTUNREACH',
  },
  { proxy: 'is refused by the host', script: reply('connect', '05'), kind: 'target', says: 'ECONNREFUSED' },
  {
    proxy: 'says that the host does not answer',
    script: reply('connect', '06'),
    kind: 'target',
    says: 'ETIMEDOUT',
  },
  {
    proxy: 'waits for the host longer than we do',
    script: (side) => upTo(side, 'connect'),
    kind: 'target',
    says: 'ETIMEDOUT',
    timeoutMs: SHORT_MS,
  },
  {
    proxy: 'has a certificate for another name',
    script: silent,
    tls: true,
    spec: { host: '127.0.0.2', tls: 'Verify' },
    kind: UNREACHABLE,
    says: 'TLS handshake failed',
  },
  {
    proxy: 'does not speak TLS',
    script: ({ socket }) => void socket.write('220 mx.example ESMTP\r\n'),
    spec: { tls: 'Verify' },
    kind: UNREACHABLE,
    says: 'TLS handshake failed',
  },
  {
    proxy: 'speaks TLS and is not asked to',
    script: silent,
    tls: true,
    kind: UNREACHABLE,
    says: 'no answer in time',
    timeoutMs: SHORT_MS,
  },
  {
    proxy: 'never ends the TLS handshake',
    script: silent,
    spec: { tls: 'Verify' },
    kind: UNREACHABLE,
    says: 'no answer in time',
    timeoutMs: SHORT_MS,
  },
];

for (const { proxy: what, script, kind, says, spec, timeoutMs = TIMEOUT_MS, tls = false } of cases) {
  test(`whose fault it is when a proxy ${what}: ${kind}, and no socket stays open`, async (context) => {
    const proxy = await ScriptedProxy.listen(script, { host: '0.0.0.0', tls });
    context.after(() => proxy.close());
    const hop = `${spec?.host ?? '127.0.0.1'}:${proxy.port}`;
    await assert.rejects(createDial(OPTIONS)(socks5(proxy.port, spec), TARGET, timeoutMs, never), (error) => {
      assert.ok(error instanceof Error);
      assert.ok(error.message.includes(hop), error.message);
      assert.ok(error.message.includes(says), error.message);
      if (kind === 'target') assert.ok(error instanceof TargetFailure && error.code === says);
      else assert.ok(error instanceof SluiceError && error.code === kind, String(error));
      return true;
    });
    await proxy.quiet();
  });
}

test('a proxy that is not there is told from a host that refuses', async () => {
  const port = await freePort();
  for (const source of [socks5(port), haproxy(port, 'V2')]) {
    await assert.rejects(createDial(OPTIONS)(source, TARGET, TIMEOUT_MS, never), {
      code: UNREACHABLE,
      message: `Source "ip-1" cannot connect: proxy 127.0.0.1:${port}: connection refused.`,
    });
  }
});

test('a credential that sluice.yaml does not have is named, and nothing is connected', async (context) => {
  const proxy = await ScriptedProxy.listen(silent);
  context.after(() => proxy.close());
  const source = socks5(proxy.port, { credentialName: 'gone' });
  await assert.rejects(createDial(OPTIONS)(source, TARGET, TIMEOUT_MS, never), {
    code: 'SLUICE_EGRESS_CREDENTIAL_MISSING',
    message: /no credential "gone" for proxy 127\.0\.0\.1/,
  });
  assert.equal(proxy.connections, 0);
});

test('a proxy is told source and target, and the greeting that comes with its last answer is not lost', async (context) => {
  const heard: string[] = [];
  const proxy = await ScriptedProxy.listen(async ({ read, say, socket }) => {
    heard.push(await read(GREETING));
    say('05 00');
    heard.push(await read(REQUEST));
    say(OK);
    heard.push(await read(REQUEST));
    socket.write(Buffer.concat([Buffer.from('05000001c0000201ffff', 'hex'), Buffer.from('220 mx\r\n')]));
  });
  context.after(() => proxy.close());
  const socket = await createDial(OPTIONS)(socks5(proxy.port), TARGET, TIMEOUT_MS, never);
  const [greeting] = await once(socket, 'data');
  assert.equal(String(greeting), '220 mx\r\n');
  assert.deepEqual(heard, ['050100', '05020001c000020a0000', '05010001c00002010019']);
  socket.destroy();
});

test('dialect Connect says no BIND; IPv6 addresses and an answer with a name are understood', async (context) => {
  const heard: string[] = [];
  const proxy = await ScriptedProxy.listen(async ({ read, say }) => {
    await read(GREETING);
    say('05 00');
    heard.push(await read(22));
    say('05 00 00 03 02 6d 78 00 19 32 32 30');
  });
  context.after(() => proxy.close());
  const source = sourceOf({
    type: 'SOCKS5',
    socks5: { host: '127.0.0.1', port: proxy.port, dialect: 'Connect', tls: 'Disabled' },
  });
  const target = { address: '2001:db8::1', port: 25 };
  const socket = await createDial(OPTIONS)(source, target, TIMEOUT_MS, never);
  assert.equal(String((await once(socket, 'data'))[0]), '220');
  assert.deepEqual(heard, ['0501000420010db8000000000000000000000001' + '0019']);
  socket.destroy();
});

test('user name, password and source stay secret on the way to a proxy with TLS, whose certificate is checked', async (context) => {
  const heard: string[] = [];
  const proxy = await ScriptedProxy.listen(
    async ({ read, say, socket }) => {
      heard.push(await read(GREETING + 1));
      say('05 02');
      heard.push(await read(3 + 'mta'.length + 'secret'.length));
      say('01 00');
      await read(REQUEST);
      say(OK);
      await read(REQUEST);
      say(OK);
      socket.write('220 mx\r\n');
    },
    { tls: true },
  );
  context.after(() => proxy.close());
  const source = socks5(proxy.port, { tls: 'Verify', credentialName: 'egress' });
  const socket = await createDial(OPTIONS)(source, TARGET, TIMEOUT_MS, never);
  assert.equal(String((await once(socket, 'data'))[0]), '220 mx\r\n');
  assert.deepEqual(heard, ['05020002', `0103${hex('mta')}06${hex('secret')}`]);
  socket.destroy();
  await proxy.quiet();
  const strangers = createDial({ ...OPTIONS, proxyCa: '' });
  await assert.rejects(strangers(source, TARGET, TIMEOUT_MS, never), /TLS handshake failed: self-signed/);
});

test('HAProxy reads source and target in the header of either version, before anything else', async (context) => {
  const cases = [
    ['V1', '192.0.2.10', TARGET, hex('PROXY TCP4 192.0.2.10 192.0.2.1 0 25\r\n')],
    [
      'V1',
      '2001:db8::10',
      { address: '2001:db8::1', port: 25 },
      hex('PROXY TCP6 2001:db8::10 2001:db8::1 0 25\r\n'),
    ],
    [
      'V2',
      '192.0.2.10',
      TARGET,
      '0d0a0d0a000d0a515549540a' + '2111000c' + 'c000020a' + 'c0000201' + '00000019',
    ],
    [
      'V2',
      '2001:db8::10',
      { address: '2001:db8::1', port: 25 },
      '0d0a0d0a000d0a515549540a' +
        '21210024' +
        '20010db8000000000000000000000010' +
        '20010db8000000000000000000000001' +
        '00000019',
    ],
  ] as const;
  for (const [protocol, address, target, expected] of cases) {
    const { promise: heard, resolve } = Promise.withResolvers<string>();
    const proxy = await ScriptedProxy.listen(async ({ read, socket }) => {
      resolve(await read(expected.length / 2));
      socket.write('220 mx\r\n');
    });
    context.after(() => proxy.close());
    const socket = await createDial(OPTIONS)(
      haproxy(proxy.port, protocol, address),
      target,
      TIMEOUT_MS,
      never,
    );
    assert.equal(await heard, expected);
    assert.equal(String((await once(socket, 'data'))[0]), '220 mx\r\n');
    socket.destroy();
  }
});

test('a pod that shuts down leaves no half-open way through a proxy, at whatever step it is', async (context) => {
  const steps: readonly [string, ProxyScript, Partial<SocksSpec>][] = [
    ['greeting', (side) => side.read(GREETING).then(() => reached()), {}],
    ['TLS', (side) => side.read(5).then(() => reached()), { tls: 'Verify' }],
    ['BIND', (side) => upTo(side, 'bind').then(() => reached()), {}],
    ['CONNECT', (side) => upTo(side, 'connect').then(() => reached()), {}],
  ];
  let reached = (): void => {};
  for (const [step, script, spec] of steps) {
    const proxy = await ScriptedProxy.listen(script);
    context.after(() => proxy.close());
    const controller = new AbortController();
    const arrived = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const dialled = createDial(OPTIONS)(socks5(proxy.port, spec), TARGET, TIMEOUT_MS, controller.signal);
    await arrived;
    controller.abort(new Error('shutting down'));
    await assert.rejects(dialled, /shutting down/, step);
    await proxy.quiet();
  }
});

test('a connect timeout that ends the dial from outside still says which hop was slow', async (context) => {
  const atGreeting = await ScriptedProxy.listen(silent);
  const atConnect = await ScriptedProxy.listen((side) => upTo(side, 'connect'));
  context.after(() => Promise.all([atGreeting.close(), atConnect.close()]));
  const dial = createDial(OPTIONS);
  await assert.rejects(dial(socks5(atGreeting.port), TARGET, TIMEOUT_MS, AbortSignal.timeout(SHORT_MS)), {
    code: UNREACHABLE,
  });
  await assert.rejects(dial(socks5(atConnect.port), TARGET, TIMEOUT_MS, AbortSignal.timeout(SHORT_MS)), {
    code: 'ETIMEDOUT',
    proxy: `127.0.0.1:${atConnect.port}`,
  });
});

test('one dead proxy of several costs nothing but a try, and is left alone for a while', async (context) => {
  const works: ProxyScript = async (side) => {
    await upTo(side, 'connect');
    side.say(OK);
  };
  const alive = await ScriptedProxy.listen(works, { host: '127.0.0.3' });
  const { port } = alive;
  // Takes connections and refuses the source: counted to see how often it is asked.
  const other = await ScriptedProxy.listen(reply('bind', '01'), { host: '127.0.0.2', port });
  context.after(() => Promise.all([alive.close(), other.close()]));
  let nowMs = 0;
  let lookUps = 0;
  const dial = createDial({
    ...OPTIONS,
    nowMs: () => nowMs,
    lookUp: async () => {
      lookUps++;
      return { addresses: ['127.0.0.1', '127.0.0.2', '127.0.0.3'], ttlMs: 60_000 };
    },
    // Leaves the order as it is.
    random: () => 0.999,
  });
  const connect = async (): Promise<void> => {
    (await dial(socks5(port, { host: 'egress.example' }), TARGET, TIMEOUT_MS, never)).destroy();
  };
  await connect();
  await connect();
  assert.deepEqual([alive.connections, other.connections], [2, 1]);
  nowMs = 11_000;
  await connect();
  assert.deepEqual([alive.connections, other.connections], [3, 2]);
  assert.equal(lookUps, 1);
  await alive.close();
  await assert.rejects(connect(), {
    code: REFUSED,
    message: /proxy egress\.example:\d+ \(127\.0\.0\.2\): BIND 192\.0\.2\.10/,
  });
});

test('a name without addresses is the fault of the way out, not of the host', async () => {
  await assert.rejects(
    createDial(OPTIONS)(socks5(1080, { host: 'gone.example' }), TARGET, TIMEOUT_MS, never),
    {
      code: UNREACHABLE,
      message: /proxy gone\.example:1080: its name cannot be looked up: no such name/,
    },
  );
});

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
