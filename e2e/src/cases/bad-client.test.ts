import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { PROVIDERS, type Sink, startSink } from '@sluice/mta/sink';
import { HandClient } from '../harness/hand-client.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const MAX_MESSAGE_BYTES = 64 * 1024;
const MAX_RECIPIENTS = 100;

let sink: Sink;
let sluice: SluiceProcess;
let outsider: SluiceProcess;

before(async () => {
  sink = await startSink({ behaviour: PROVIDERS.plain('mx.example'), address: '127.0.0.1', port: 0 });
  const limits = {
    maxMessageBytes: MAX_MESSAGE_BYTES,
    maxRecipients: MAX_RECIPIENTS,
    idleTimeout: '2s',
    commandTimeout: '1s',
  };
  const users = [{ username: 'shop', password: 'correct horse' }];
  const resources = { 'pool.yaml': onePool(['127.0.8.1']) };
  const routes = [routeTo('a.example', sink)];
  const start = (relayNetworks: readonly string[]): Promise<SluiceProcess> =>
    startSluice({
      spec: {
        routes,
        listeners: {
          smtp: [
            {
              name: 'smtp',
              address: '127.0.0.1:0',
              relayNetworks,
              limits,
              auth: { requireTls: 'Disabled', users },
            },
          ],
          admin: { address: '127.0.0.1:0' },
        },
      },
      resources,
    });
  [sluice, outsider] = await Promise.all([start(['127.0.0.0/8']), start([])]);
});

after(async () => {
  await Promise.all([sluice.close(), outsider.close()]);
  await sink.close();
});

/** What the sink got since the last time it was asked, once it is `count` and the queue is empty. */
async function delivers(count: number, work: () => Promise<void>): Promise<void> {
  const start = sink.ledger.totals.delivered;
  await work();
  await until(
    'the queue is empty',
    () => readQueue(sluice.admin),
    ({ entries }) => entries === 0,
    5_000,
  );
  assert.equal(sink.ledger.totals.delivered - start, count);
}

test('two pipelined messages in one packet are both delivered, once each', async () => {
  await delivers(2, async () => {
    const client = new HandClient(sluice.smtp);
    await client.hello();
    const one = (name: string): string =>
      `MAIL FROM:<s@shop.example>\r\nRCPT TO:<${name}@a.example>\r\nDATA\r\n`;
    // DATA ends a group of commands (RFC 2920 §3.1), but clients exist that do not wait for 354.
    const replies = await client.ask(
      `${one('pipe1')}Subject: 1\r\n\r\n1\r\n.\r\n${one('pipe2')}Subject: 2\r\n\r\n2\r\n.\r\nQUIT\r\n`,
      9,
    );
    assert.deepEqual(
      replies.map((reply) => reply.slice(0, 3)),
      ['250', '250', '354', '250', '250', '250', '354', '250', '221'],
    );
    client.destroy();
  });
});

for (const [name, ending] of [
  ['LF . LF', '\n.\n'],
  ['LF . CRLF', '\n.\r\n'],
  ['CR . CR', '\r.\r'],
  ['CR . CRLF', '\r.\r\n'],
  ['CRLF . LF', '\r\n.\n'],
  ['CRLF . CR', '\r\n.\r'],
  ['CRLF NUL . CRLF', '\r\n\0.\r\n'],
] as const) {
  test(`a second message cannot be smuggled in behind ${name}`, async () => {
    await delivers(0, async () => {
      const client = new HandClient(sluice.smtp);
      await client.hello();
      const smuggled =
        'MAIL FROM:<admin@bank.example>\r\nRCPT TO:<victim@a.example>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n';
      const reply = await client.mail(
        's@shop.example',
        ['smuggle@a.example'],
        `Subject: x\r\n\r\nx${ending}${smuggled}`,
      );
      assert.match(reply, /^550 5\.6\.(0|11) /);
      assert.deepEqual(
        await client.ask('NOOP\r\n'),
        ['250 2.0.0 OK'],
        'one reply for one message, and in step',
      );
      client.destroy();
    });
  });
}

test('a client that drips octets is cut off by the time of its message, and nothing of it is stored', async () => {
  await delivers(0, async () => {
    const client = new HandClient(sluice.smtp);
    await client.hello();
    await client.ask('MAIL FROM:<s@shop.example>\r\nRCPT TO:<drip@a.example>\r\nDATA\r\n', 3);
    client.send('Subject: dr');
    const startMs = performance.now();
    assert.match(await client.reply(), /^421 4\.4\.2 |^closed$/);
    assert.ok(performance.now() - startMs < 4_000);
    client.destroy();
  });
});

test('a client that is silent reads 421 and is gone; one that only closed its sending half is served to the end', async () => {
  const silent = new HandClient(sluice.smtp);
  await silent.hello();
  await delivers(1, async () => {
    const half = new HandClient(sluice.smtp);
    await half.hello();
    half.send('MAIL FROM:<s@shop.example>\r\nRCPT TO:<half@a.example>\r\nDATA\r\n');
    for (let index = 0; index < 3; index++) await half.reply();
    half.socket.end('Subject: x\r\n\r\nx\r\n.\r\n');
    assert.match(await half.reply(), /^250 /);
    half.destroy();
  });
  assert.match(await silent.reply(), /^421 4\.4\.2 /);
  assert.equal(await silent.reply(), 'closed');
  silent.destroy();
});

test('2,000 connections that come and go at once leave the listener as it was', async () => {
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const socket = connect(sluice.smtp);
        socket.on('error', () => undefined);
        const closed = once(socket, 'close');
        await once(socket, 'connect');
        if (index % 3 === 0) socket.resetAndDestroy();
        else if (index % 3 === 1) socket.destroy();
        else socket.end('EHLO x\r\nMAIL FROM:<a@shop.example>\r\n').resume();
        await closed;
      }),
    );
  }
  await delivers(1, async () => {
    const client = new HandClient(sluice.smtp);
    await client.hello();
    assert.match(await client.mail('s@shop.example', ['after@a.example']), /^250 /);
    client.destroy();
  });
  await until(
    'no connection is counted any more',
    async () => (await fetch(`${sluice.admin}/metrics`)).text(),
    (metrics) => /^sluice_client_connections 0$/m.test(metrics),
    5_000,
  );
});

test('a message that is too large, by SIZE= or by its octets, is refused and the session goes on', async () => {
  await delivers(1, async () => {
    const client = new HandClient(sluice.smtp);
    assert.match(await client.hello(), new RegExp(`SIZE ${MAX_MESSAGE_BYTES}`));
    const [bySize = ''] = await client.ask(`MAIL FROM:<s@shop.example> SIZE=${MAX_MESSAGE_BYTES + 1}\r\n`);
    assert.match(bySize, /^552 5\.3\.4 /);
    const large = `Subject: x\r\n\r\n${'0123456789\r\n'.repeat(MAX_MESSAGE_BYTES / 8)}`;
    assert.match(await client.mail('s@shop.example', ['large@a.example'], large), /^552 5\.3\.4 /);
    assert.match(await client.mail('s@shop.example', ['small@a.example']), /^250 /);
    client.destroy();
  });
});

test('one recipient too many is refused with 452 4.5.3, the others get the message', async () => {
  await delivers(MAX_RECIPIENTS, async () => {
    const client = new HandClient(sluice.smtp);
    await client.hello();
    await client.ask('MAIL FROM:<s@shop.example>\r\n');
    const rcpts = Array.from(
      { length: MAX_RECIPIENTS + 2 },
      (_, index) => `RCPT TO:<many${index}@a.example>\r\n`,
    );
    const replies = await client.ask(rcpts.join(''), rcpts.length);
    assert.equal(replies.filter((reply) => reply.startsWith('250')).length, MAX_RECIPIENTS);
    assert.match(replies.at(-1) ?? '', /^452 4\.5\.3 /);
    await client.ask('DATA\r\n');
    assert.match((await client.ask('Subject: x\r\n\r\nx\r\n.\r\n'))[0] ?? '', /^250 /);
    client.destroy();
  });
});

test('a message with NUL, a bare LF or an endless line is refused, and the session goes on', async () => {
  await delivers(1, async () => {
    const client = new HandClient(sluice.smtp);
    await client.hello();
    for (const text of [
      'Subject: x\r\n\r\na\0b\r\n',
      'Subject: x\r\n\r\na\nb\r\n',
      `Subject: x\r\n\r\n${'x'.repeat(1200)}\r\n`,
    ])
      assert.match(await client.mail('s@shop.example', ['octets@a.example'], text), /^550 5\.6\./);
    assert.match(await client.mail('s@shop.example', ['octets@a.example']), /^250 /);
    client.destroy();
  });
});

test('a client that vanishes in the middle of DATA leaves nothing behind', async () => {
  await delivers(0, async () => {
    for (const leave of ['destroy', 'end', 'resetAndDestroy'] as const) {
      const client = new HandClient(sluice.smtp);
      await client.hello();
      await client.ask('MAIL FROM:<s@shop.example>\r\nRCPT TO:<gone@a.example>\r\nDATA\r\n', 3);
      client.send('Subject: x\r\n\r\nhalf a mess');
      client.socket[leave]();
      client.destroy();
    }
  });
});

test('strangers may not relay, wrong passwords open nothing, the right one does', async () => {
  const client = new HandClient(outsider.smtp);
  await client.hello();
  const refused = await client.ask('MAIL FROM:<s@shop.example>\r\nRCPT TO:<x@a.example>\r\n', 2);
  assert.match(refused.join(' / '), /(530|550) 5\.7\.\d /);
  await client.ask('RSET\r\n');
  const token = (password: string): string => Buffer.from(`\0shop\0${password}`).toString('base64');
  assert.match((await client.ask(`AUTH PLAIN ${token('wrong')}\r\n`))[0] ?? '', /^535 5\.7\.8 /);
  assert.match(
    (await client.ask('MAIL FROM:<s@shop.example>\r\nRCPT TO:<x@a.example>\r\n', 2)).join(),
    /(530|550) 5\.7/,
  );
  await client.ask('RSET\r\n');
  assert.match((await client.ask(`AUTH PLAIN ${token('correct horse')}\r\n`))[0] ?? '', /^235 /);
  assert.match(await client.mail('s@shop.example', ['auth@a.example']), /^250 /);
  client.destroy();
  await until(
    'the mail is sent',
    () => readQueue(outsider.admin),
    ({ entries }) => entries === 0,
    5_000,
  );
});

test('browsers, TLS hellos and noise are shown out, and nothing they say becomes mail', async () => {
  const noise = [
    'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<s@shop.example>\r\nRCPT TO:<ssrf@a.example>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n',
    `\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03${'\xa5\0\x7f\r'.repeat(128)}`,
    '\0'.repeat(4096),
    'x'.repeat(100_000),
    '\r\n'.repeat(5_000),
  ];
  await delivers(0, async () => {
    for (const octets of noise) {
      const client = new HandClient(sluice.smtp);
      assert.match(await client.reply(), /^220 /);
      client.send(octets);
      const replies: string[] = [];
      for (let reply = ''; reply !== 'closed' && replies.length < 50; ) {
        reply = await client.reply();
        replies.push(reply);
      }
      assert.ok(!replies.some((reply) => /^(250|354)/.test(reply)), replies.join('\n'));
      assert.equal(replies.at(-1), 'closed', JSON.stringify(octets.slice(0, 20)));
      client.destroy();
    }
  });
  assert.ok(!sluice.log.some((line) => line.includes('intake failed')), sluice.log.join('\n'));
});
