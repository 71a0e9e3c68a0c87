import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { test } from 'node:test';
import { message, opened, outcome, sessionOptions } from './session-fixture.ts';

const SINK = findSink();
const options =
  SINK === ''
    ? { skip: 'NOT TESTED against Postfix: smtp-sink is not installed (Debian package postfix)' }
    : {};

test(
  'mail flows to Postfix as peer: pipelined DATA, dots, 100 messages on one connection',
  options,
  async () => {
    await withSink([], async (port) => {
      const session = await opened(sessionOptions(port));
      for (let turn = 0; turn < 100; turn++) {
        const result = await session.send(message({ text: '.dot\r\n..\r\n.\r\nend\r\n' }));
        assert.deepEqual(result.recipients.map(outcome), ['delivered FinalDot 250 2.0.0']);
      }
      const large = await session.send(message({ text: `${'x'.repeat(998)}\r\n`.repeat(5_000) }));
      assert.equal(large.recipients[0]?.status, 'delivered');
      await session.close();
    });
  },
);

test('mail flows to Postfix without PIPELINING', options, async () => {
  await withSink(['-p'], async (port) => {
    const session = await opened(sessionOptions(port));
    const result = await session.send(message({ recipients: ['a@mx.example', 'b@mx.example'] }));
    assert.equal(result.recipients.length, 2);
    assert.ok(result.recipients.every((each) => each.status === 'delivered'));
    await session.close();
  });
});

test('mail flows to Postfix that knows only HELO', options, async () => {
  await withSink(['-e'], async (port) => {
    const session = await opened(sessionOptions(port));
    assert.equal((await session.send(message())).recipients[0]?.status, 'delivered');
    await session.close();
  });
});

const REFUSALS: readonly (readonly [flags: readonly string[], expected: string])[] = [
  [['-r', 'MAIL'], 'transient Mail 450 4.3.0'],
  [['-f', 'RCPT'], 'permanent Rcpt 500 5.3.0'],
  [['-f', 'DATA'], 'permanent Data 500 5.3.0'],
  [['-f', '.'], 'permanent FinalDot 500 5.3.0'],
  [['-q', 'DATA'], 'transient Data 421 4.4.2'],
  [['-Q', 'RCPT'], 'transient Rcpt 421 4.0.0'],
];

for (const [flags, expected] of REFUSALS) {
  test(`what Postfix refuses is understood: ${flags.join(' ')}`, options, async () => {
    await withSink(flags, async (port) => {
      const session = await opened(sessionOptions(port));
      const result = await session.send(message());
      assert.deepEqual(result.recipients.map(outcome), [expected]);
      await session.close();
    });
  });
}

function findSink(): string {
  try {
    return execFileSync('/bin/sh', ['-c', 'PATH=$PATH:/usr/sbin; command -v smtp-sink'], {
      encoding: 'utf8',
    }).trim();
  } catch {
    return '';
  }
}

async function withSink(flags: readonly string[], client: (port: number) => Promise<void>): Promise<void> {
  const port = await freePort();
  // Started as root it insists on becoming somebody else.
  const user = userInfo().uid === 0 ? ['-u', 'nobody'] : [];
  const sink = spawn(SINK, [...user, ...flags, `127.0.0.1:${port}`, '16'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    await listening(sink, port);
    await client(port);
  } finally {
    if (sink.exitCode === null) {
      sink.kill('SIGKILL');
      await once(sink, 'exit');
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** smtp-sink says nothing when it is ready: ask until it answers. */
async function listening(sink: ChildProcess, port: number): Promise<void> {
  while (sink.exitCode === null) {
    const answered = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.once('error', () => resolve(false));
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
    });
    if (answered) return;
  }
  throw new Error(`smtp-sink ended with ${sink.exitCode}`);
}
