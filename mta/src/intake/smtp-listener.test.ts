import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { Rejection } from './contract.ts';
import { ENVELOPE, FIELDS, startIntake, withoutTrace } from './raw-client-fixture.ts';

const MESSAGE = `${FIELDS}\r\nhello\r\n`;

/** Waits for something that real I/O brings about. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

test('a client reads 250 only after the message is durable, with the id under which it is found', async (t) => {
  const steps: string[] = [];
  let store: ((rejection: undefined) => void) | undefined;
  const intake = await startIntake(t, {}, (envelope) => {
    steps.push(`offered ${envelope.id}`);
    return new Promise((resolve) => {
      store = resolve;
    });
  });
  const client = intake.client();
  await client.hello();
  await client.ask(ENVELOPE, 3);
  const reply = client.ask(`${MESSAGE}.\r\n`).then(([line = '']) => steps.push(line));
  await until(() => store !== undefined);
  steps.push('stored');
  store?.(undefined);
  await reply;
  const id = steps[0]?.slice('offered '.length) ?? '';
  assert.match(id, /^[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.deepEqual(steps.slice(1), ['stored', `250 2.0.0 queued as ${id}`]);
});

test('EHLO offers what is honoured, and nothing else', async (t) => {
  const intake = await startIntake(t, { limits: { maxMessageBytes: 1234 } });
  const client = intake.client();
  assert.match(await client.reply(), /^220 mta\.example ESMTP/);
  const [reply = ''] = await client.ask('EHLO client.example\r\n');
  assert.deepEqual(
    reply.split('\r\n').map((line) => line.slice(4)),
    [
      'mta.example greets client.example',
      'PIPELINING',
      'CHUNKING',
      '8BITMIME',
      'SMTPUTF8',
      'ENHANCEDSTATUSCODES',
      'SIZE 1234',
    ],
  );
});

test('the envelope and the trace field say who sent what to whom', async (t) => {
  const intake = await startIntake(t);
  const client = intake.client();
  await client.hello();
  await client.ask(
    'MAIL FROM:<> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nRCPT TO:<a@x.example>\r\nDATA\r\n',
    5,
  );
  await client.ask(`${FIELDS}\r\n\xe9\r\n..dot\r\n.\r\n`);
  const mail = intake.accepted[0];
  assert.ok(mail);
  const { id, acceptedAtMs, sizeBytes, ...rest } = mail.envelope;
  assert.deepEqual(rest, {
    sender: '',
    recipients: ['a@x.example', 'b@y.example'],
    tenant: '',
    campaign: '',
    class: '',
    notBeforeMs: 0,
    expireAtMs: 0,
    eightBit: true,
    smtputf8: false,
    origin: 'smtp [127.0.0.1]',
  });
  assert.equal(sizeBytes, mail.text.length);
  assert.ok(Math.abs(Date.now() - acceptedAtMs) < 60_000);
  assert.match(
    mail.text,
    new RegExp(
      `^Received: from client\\.example \\(\\[127\\.0\\.0\\.1\\]\\)\\r\\n\\tby mta\\.example with ESMTP\\r\\n\\tid ${id};\\r\\n\\t`,
    ),
  );
  assert.equal(withoutTrace(mail.text), `${FIELDS}\r\n\xe9\r\n.dot\r\n`);
});

test('a client that pipelines whole groups gets every message through, however TCP cuts them', async (t) => {
  const intake = await startIntake(t);
  const octets = `${ENVELOPE}`;
  for (const size of [1, 7, 64, 100_000]) {
    const client = intake.client();
    await client.hello();
    const before = intake.accepted.length;
    const script = `${MESSAGE}.\r\n${octets}${MESSAGE}.\r\nRSET\r\nNOOP\r\n${octets}${MESSAGE}.\r\nQUIT\r\n`;
    await client.ask(octets, 3);
    for (let at = 0; at < script.length; at += size) client.write(script.slice(at, at + size));
    const codes: string[] = [];
    for (let reply = await client.reply(); reply !== 'closed'; reply = await client.reply())
      codes.push(reply.slice(0, 3));
    assert.deepEqual(codes, [
      '250',
      '250',
      '250',
      '354',
      '250',
      '250',
      '250',
      '250',
      '250',
      '354',
      '250',
      '221',
    ]);
    assert.equal(intake.accepted.length, before + 3);
  }
});

test('a stranger would use this server to send spam', async (t) => {
  const intake = await startIntake(t, { relayNetworks: ['10.0.0.0/8'] });
  const client = intake.client();
  await client.hello();
  const replies = await client.ask(ENVELOPE, 3);
  assert.deepEqual(replies, [
    '250 2.1.0 Sender OK',
    '550 5.7.1 Relaying denied',
    '503 5.5.1 No valid recipients',
  ]);
  assert.equal(intake.refused[0]?.mail.phase, 'Rcpt');
  assert.deepEqual(intake.refused[0]?.mail.recipients, ['user@dest.example']);
});

test('a message that is too large is refused and the session goes on', async (t) => {
  const intake = await startIntake(t, { limits: { maxMessageBytes: 10_000 } });
  const client = intake.client();
  await client.hello();
  const [declared] = await client.ask('MAIL FROM:<a@b.example> SIZE=10001\r\n');
  assert.match(declared ?? '', /^552 5\.3\.4 /);
  await client.ask(ENVELOPE, 3);
  const [received] = await client.ask(`${FIELDS}\r\n${'x'.repeat(98).concat('\r\n').repeat(2000)}.\r\n`);
  assert.match(received ?? '', /^552 5\.3\.4 /);
  assert.equal(intake.listener.receivingBytes(), 0);
  await client.ask(ENVELOPE, 3);
  const [next] = await client.ask(`${MESSAGE}.\r\n`);
  assert.match(next ?? '', /^250 2\.0\.0 queued/);
  assert.equal(intake.accepted.length, 1);
});

test('recipients beyond the limit are left for another transaction, those before it stand', async (t) => {
  const intake = await startIntake(t, { limits: { maxRecipients: 2 } });
  const client = intake.client();
  await client.hello();
  const rcpt = (name: string) => `RCPT TO:<${name}@dest.example>\r\n`;
  const replies = await client.ask(
    `MAIL FROM:<a@b.example>\r\n${rcpt('1')}${rcpt('2')}${rcpt('3')}${rcpt('2')}DATA\r\n`,
    6,
  );
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 9)),
    ['250 2.1.0', '250 2.1.5', '250 2.1.5', '452 4.5.3', '250 2.1.5', '354 End d'],
  );
  await client.ask(`${MESSAGE}.\r\n`);
  assert.deepEqual(intake.accepted[0]?.envelope.recipients, ['1@dest.example', '2@dest.example']);
});

test('one client would take all connections', async (t) => {
  const intake = await startIntake(t, {
    relayNetworks: ['127.0.0.0/8'],
    limits: { maxConnections: 3, maxConnectionsPerClient: 2 },
  });
  const first = intake.client();
  assert.match(await first.reply(), /^220 /);
  assert.match(await intake.client().reply(), /^220 /);
  const third = intake.client();
  assert.match(await third.reply(), /^421 4\.7\.0 /);
  await third.closed();
  await until(() => intake.listener.connections() === 2);
  assert.match(await intake.client('127.0.0.2').reply(), /^220 /);
  assert.match(await intake.client('127.0.0.3').reply(), /^421 4\.3\.2 /);
  first.destroy();
  await until(() => intake.listener.connections() === 2);
  assert.match(await intake.client().reply(), /^220 /);
});

test('messages of a full store are refused before they are sent, and again before they are stored', async (t) => {
  let full: Rejection | undefined = { code: 452, enhanced: '4.3.1', text: 'disk is low' };
  const intake = await startIntake(t, { pressure: () => full });
  const client = intake.client();
  await client.hello();
  assert.deepEqual(await client.ask('MAIL FROM:<a@b.example>\r\n'), ['452 4.3.1 disk is low']);
  full = undefined;
  await client.ask(ENVELOPE, 3);
  full = { code: 452, enhanced: '4.3.1', text: 'disk is low' };
  assert.deepEqual(await client.ask(`${MESSAGE}.\r\n`), ['452 4.3.1 disk is low']);
  assert.equal(intake.accepted.length, 0);
});

test('the reply of the store reaches the client, and a bug in it is no 250', async (t) => {
  const answers: (() => Promise<Rejection | undefined>)[] = [
    async () => ({ code: 451, enhanced: '4.3.2', text: 'store\r\n250 unreachable' }),
    async () => {
      throw new Error('bug');
    },
    () => {
      throw new Error('bug');
    },
    async () => undefined,
  ];
  const intake = await startIntake(t, {}, () => answers.shift()?.() ?? Promise.resolve(undefined));
  const client = intake.client();
  await client.hello();
  const codes: (string | undefined)[] = [];
  for (let turn = 0; turn < 4; turn++) {
    await client.ask(ENVELOPE, 3);
    codes.push((await client.ask(`${MESSAGE}.\r\n`))[0]);
  }
  assert.equal(codes[0], '451 4.3.2 store??250 unreachable');
  assert.match(codes[1] ?? '', /^451 4\.3\.0 /);
  assert.match(codes[2] ?? '', /^451 4\.3\.0 /);
  assert.match(codes[3] ?? '', /^250 2\.0\.0 /);
  assert.equal(intake.failed.length, 2);
});

test('a client that goes away in the middle of a message leaves nothing behind', async (t) => {
  const intake = await startIntake(t);
  const client = intake.client();
  await client.hello();
  await client.ask(ENVELOPE, 3);
  client.write(`${FIELDS}\r\n${'half a message\r\n'.repeat(1000)}`);
  await until(() => intake.listener.receivingBytes() > 1000);
  client.destroy();
  await until(() => intake.listener.connections() === 0);
  assert.equal(intake.listener.receivingBytes(), 0);
  assert.equal(intake.accepted.length, 0);
});

test('many large messages at once would take all the memory', async (t) => {
  const intake = await startIntake(t, { limits: { maxReceivingBytes: 100_000 } });
  const first = intake.client();
  await first.hello();
  await first.ask(ENVELOPE, 3);
  first.write(`${FIELDS}\r\n${`${'x'.repeat(98)}\r\n`.repeat(800)}`);
  await until(() => intake.listener.receivingBytes() > 80_000);
  const second = intake.client();
  await second.hello();
  assert.match((await second.ask('MAIL FROM:<a@b.example>\r\n'))[0] ?? '', /^452 4\.3\.1 /);
  const [reply] = await first.ask(`${`${'x'.repeat(98)}\r\n`.repeat(800)}.\r\n`);
  assert.match(reply ?? '', /^452 4\.3\.1 /);
  assert.equal(intake.listener.receivingBytes(), 0);
  assert.match((await second.ask('MAIL FROM:<a@b.example>\r\n'))[0] ?? '', /^250 /);
});

const SMUGGLING = [
  '\n.\n',
  '\n.\r',
  '\r.\n',
  '\r.\r',
  '\n.\r\n',
  '\r.\r\n',
  '\r\n\0.\r\n',
  '\r\n.\n',
  '\r\n.\r',
];

test('a smuggled second message would carry a forged sender past every check', async (t) => {
  for (const bareLineEnding of ['Reject', 'Normalize'] as const) {
    const intake = await startIntake(t, { bareLineEnding });
    for (const sequence of SMUGGLING) {
      const client = intake.client();
      await client.hello();
      await client.ask(ENVELOPE, 3);
      const smuggled = `MAIL FROM:<admin@x.example>\r\nRCPT TO:<v@y.example>\r\nDATA\r\nforged\r\n.\r\n`;
      const [reply = ''] = await client.ask(`${FIELDS}\r\ntext${sequence}${smuggled}`);
      const refused = bareLineEnding === 'Reject' || sequence.includes('\0');
      assert.match(reply, refused ? /^550 5\.6\.11 / : /^250 /, JSON.stringify(sequence));
      assert.deepEqual(await client.ask('QUIT\r\n'), ['221 2.0.0 Bye']);
      client.destroy();
    }
    assert.ok(intake.accepted.every((mail) => mail.envelope.sender === 'sender@client.example'));
    assert.ok(intake.accepted.every((mail) => !/\r(?!\n)|(?<!\r)\n|\0/.test(mail.text)));
    assert.equal(intake.accepted.length, bareLineEnding === 'Reject' ? 0 : SMUGGLING.length - 1);
  }
});

test('each wrong command gets the reply that says what is wrong', async (t) => {
  const intake = await startIntake(t, { limits: { maxErrors: 1000 } });
  const client = intake.client();
  await client.reply();
  const exchange: readonly (readonly [string, string])[] = [
    ['MAIL FROM:<a@b.example>\r\n', '503 5.5.1'],
    ['EHLO\r\n', '501 5.5.4'],
    ['EHLO a(b)\r\n', '501 5.5.4'],
    ['HELO client.example\r\n', '250 mta.e'],
    ['MAIL FROM:<a@b.example> SIZE=1\r\n', '555 5.5.4'],
    ['EHLO [192.0.2.1]\r\n', '250-mta.e'],
    ['RCPT TO:<a@b.example>\r\n', '503 5.5.1'],
    ['DATA\r\n', '503 5.5.1'],
    ['MAIL FROM:a@b.example\r\n', '501 5.5.4'],
    ['MAIL FROM:<a@b.example> FOO=1\r\n', '555 5.5.4'],
    ['MAIL FROM:<a@b.example> SIZE=1 SIZE=2\r\n', '501 5.5.4'],
    ['MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n', '501 5.5.4'],
    ['MAIL FROM:<a@b.example> RET=FULL\r\n', '555 5.5.4'],
    ['MAIL FROM:<user>\r\n', '501 5.1.7'],
    ['MAIL FROM:<\xc3\xa9@b.example>\r\n', '550 5.6.7'],
    ['MAIL FROM:<\xff@b.example>\r\n', '500 5.5.2'],
    ['mail from: <a@b.example>\r\n', '250 2.1.0'],
    ['MAIL FROM:<a@b.example>\r\n', '503 5.5.1'],
    ['RCPT TO:<>\r\n', '501 5.1.3'],
    ['RCPT TO:<postmaster>\r\n', '553 5.1.3'],
    ['RCPT TO:<user>\r\n', '553 5.1.3'],
    ['RCPT TO:<user@dest..example>\r\n', '553 5.1.3'],
    ['RCPT TO:<u@b\xc3\xbccher.example>\r\n', '553 5.6.7'],
    ['RCPT TO:<user@dest.example> NOTIFY=NEVER\r\n', '555 5.5.4'],
    ['STARTTLS\r\n', '502 5.5.1'],
    ['AUTH PLAIN\r\n', '502 5.5.1'],
    ['NOOP\n', '500 5.5.2'],
    ['NO\rOP\r\n', '500 5.5.2'],
    ['FOO\r\n', '500 5.5.2'],
    [`NOOP ${'x'.repeat(13_000)}\r\n`, '500 5.5.2'],
    ['VRFY a\r\n', '252 2.1.5'],
    ['HELP\r\n', '214 2.0.0'],
    ['RSET\r\n', '250 2.0.0'],
    ['MAIL FROM:<\xc3\xa9@b\xc3\xbccher.example> SMTPUTF8\r\n', '250 2.1.0'],
    ['RCPT TO:<\xc3\xa9@b\xc3\xbccher.example>\r\n', '250 2.1.5'],
  ];
  for (const [command, code] of exchange) {
    const [reply = ''] = await client.ask(command);
    assert.equal(reply.slice(0, 9), code, `${JSON.stringify(command.slice(0, 60))} got ${reply}`);
  }
  await client.ask('DATA\r\n');
  await client.ask(`${MESSAGE}.\r\n`);
  const mail = intake.accepted[0];
  assert.deepEqual(mail?.envelope.recipients, ['é@xn--bcher-kva.example']);
  assert.equal(mail?.envelope.smtputf8, true);
  assert.match(mail?.text ?? '', /with UTF8SMTP\r\n/);
});

test('senseless clients are sent away', async (t) => {
  const intake = await startIntake(t, { limits: { maxErrors: 3 } });
  const client = intake.client();
  await client.hello();
  const replies = await client.ask('A\r\nB\r\nC\r\nD\r\nE\r\n', 5);
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    ['500', '500', '500', '500', '421'],
  );
  await client.closed();
  const browser = intake.client();
  await browser.reply();
  assert.match((await browser.ask('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))[0] ?? '', /^421 4\.7\.0 /);
});

test('a silent client does not hold its connection, before or inside a message', async (t) => {
  const intake = await startIntake(t, { limits: { idleTimeoutMs: 60, commandTimeoutMs: 60 } });
  const idle = intake.client();
  await idle.hello();
  assert.match(await idle.reply(), /^421 4\.4\.2 /);
  await idle.closed();
  const half = intake.client();
  await half.hello();
  await half.ask(ENVELOPE, 3);
  half.write('Subject: never finished\r\n');
  assert.match(await half.reply(), /^421 4\.4\.2 /);
  await half.closed();
  assert.equal(intake.listener.receivingBytes(), 0);
  assert.equal(intake.accepted.length, 0);
});

test('a client that trickles octets cannot keep a message open for ever', async (t) => {
  const intake = await startIntake(t, { limits: { dataTotalTimeoutMs: 120 } });
  const client = intake.client();
  await client.hello();
  await client.ask(ENVELOPE, 3);
  const trickle = setInterval(() => client.write('x\r\n'), 10);
  const reply = await client.reply();
  clearInterval(trickle);
  assert.match(reply, /^421 4\.4\.2 /);
});

test('a session that is used up is closed with a reply that makes the client come back', async (t) => {
  const intake = await startIntake(t, { limits: { maxMessagesPerConnection: 1 } });
  const client = intake.client();
  await client.hello();
  await client.ask(ENVELOPE, 3);
  await client.ask(`${MESSAGE}.\r\n`);
  assert.match((await client.ask('MAIL FROM:<a@b.example>\r\n'))[0] ?? '', /^421 4\.7\.0 /);
  await client.closed();
});

test('closing lets a message in flight finish and tells idle clients to go elsewhere', async (t) => {
  const intake = await startIntake(t);
  const idle = intake.client();
  await idle.hello();
  const busy = intake.client();
  await busy.hello();
  await busy.ask(ENVELOPE, 3);
  busy.write(FIELDS);
  const closed = intake.listener.close(10_000);
  assert.match(await idle.reply(), /^421 4\.3\.2 /);
  const replies = await busy.ask('\r\nhello\r\n.\r\n', 2);
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 9)),
    ['250 2.0.0', '421 4.3.2'],
  );
  await closed;
  assert.equal(intake.accepted.length, 1);
  assert.equal(intake.listener.connections(), 0);
  await assert.rejects(once(connect(intake.listener.port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
});

test('the grace of closing ends: a client that never finishes is cut off', async (t) => {
  const intake = await startIntake(t);
  const stuck = intake.client();
  await stuck.hello();
  await stuck.ask(ENVELOPE, 3);
  await intake.listener.close(20);
  await stuck.closed();
});

test('a client that half-closes after its message still reads the 250', async (t) => {
  const intake = await startIntake(t);
  const client = intake.client();
  await client.hello();
  await client.ask(ENVELOPE, 3);
  client.write(`${MESSAGE}.\r\n`);
  client.end();
  assert.match(await client.reply(), /^250 2\.0\.0 queued/);
  await client.closed();
});

test('a port that is taken is named in the error', async (t) => {
  const intake = await startIntake(t);
  await assert.rejects(startIntake(t, { port: intake.listener.port }), { code: 'SLUICE_LISTEN_FAILED' });
});
