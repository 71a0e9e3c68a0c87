import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type EximProcess, findExim, startExim } from '../harness/exim-process.ts';
import { HandClient } from '../harness/hand-client.ts';
import { HYGIENE_ROWS } from '../harness/hygiene-table.ts';
import { noPostfix, startPostfix } from '../harness/postfix-process.ts';
import { type RecordingSink, startRecordingSink } from '../harness/recording-sink.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { startSluice } from '../harness/sluice-process.ts';
import { makeCertificate } from '../harness/test-certificate.ts';
import { until } from '../harness/until.ts';

const EXTENSIONS = ['PIPELINING', 'CHUNKING', '8BITMIME', 'SMTPUTF8'];
const TIMEOUT_MS = 40_000;
const EVERYWHERE = '*';

/** Texts that no peer has a reason to change: each has a header and an empty line, and no field that servers take out. */
const TEXTS = HYGIENE_ROWS.filter(({ verdict, text }) => verdict === 'Taken' && /\r\n\r\n/.test(text)).filter(
  ({ text }) => !text.startsWith('.'),
);
const SMTPUTF8_TEXT =
  'From: \xc3\xa9@shop.example\r\nSubject: \xc3\xbc\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <u@x.example>\r\n\r\n\xc3\xa4\r\n';

async function sink(context: TestContext): Promise<RecordingSink> {
  const started = await startRecordingSink(EXTENSIONS);
  context.after(() => started.close());
  return started;
}

async function sluiceTo(context: TestContext, next: { readonly address: string; readonly port: number }) {
  const sluice = await startSluice({
    spec: {
      hostname: 'mta.esp.example',
      routes: [routeTo(EVERYWHERE, next)],
      listeners: {
        smtp: [
          {
            name: 'smtp',
            address: '127.0.0.1:0',
            relayNetworks: ['127.0.0.0/8'],
            tls: { mode: 'StartTls', ...makeCertificate() },
          },
        ],
        admin: { address: '127.0.0.1:0' },
      },
    },
    resources: { 'pool.yaml': onePool(['127.0.3.3']), 'policy.yaml': onePolicy({}) },
  });
  context.after(() => sluice.close());
  return sluice;
}

/** Hands in every text, each to a recipient of its own, and one that needs SMTPUTF8. */
async function handIn(target: { readonly host: string; readonly port: number }): Promise<void> {
  const client = new HandClient(target);
  await client.hello();
  for (const [index, { name, text }] of TEXTS.entries()) {
    const replies = await client.ask(
      `MAIL FROM:<news@shop.example> BODY=8BITMIME\r\nRCPT TO:<row${index}@away.example>\r\n`,
      2,
    );
    assert.deepEqual(
      replies.map((reply) => reply.slice(0, 3)),
      ['250', '250'],
      name,
    );
    assert.match((await client.ask('DATA\r\n'))[0] ?? '', /^354/);
    const stuffed = text.replace(/(^|\r\n)\./g, '$1..');
    assert.match((await client.ask(`${stuffed}.\r\n`))[0] ?? '', /^250/, name);
  }
  for (const command of [
    'MAIL FROM:<\xc3\xa9@shop.example> BODY=8BITMIME SMTPUTF8',
    'RCPT TO:<\xc3\xbcser@away.example>',
  ]) {
    assert.match((await client.ask(`${command}\r\n`))[0] ?? '', /^250/, command);
  }
  assert.match((await client.ask('DATA\r\n'))[0] ?? '', /^354/);
  assert.match((await client.ask(`${SMTPUTF8_TEXT}.\r\n`))[0] ?? '', /^250/);
  client.destroy();
}

/** Waits for all of them at the end of the way; they must be what was handed in, Received fields excepted. Returns these, one text for each message. */
async function arriveAsTheyWere(end: RecordingSink): Promise<readonly string[]> {
  await until(
    'all messages are at the end of their way',
    () => end.mails.length,
    (count) => count >= TEXTS.length + 1,
    20_000,
  );
  assert.equal(end.mails.length, TEXTS.length + 1);
  assert.deepEqual(end.offences, []);
  const traces: string[] = [];
  const textFor = (recipient: string): string => {
    const mail = end.mails.find(({ recipients }) => recipients[0]?.startsWith(`<${recipient}>`));
    assert.ok(mail, `nothing came for ${recipient}`);
    const trace = /^(?:Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*/.exec(mail.text)?.[0] ?? '';
    traces.push(trace);
    return mail.text.slice(trace.length);
  };
  for (const [index, { name, text }] of TEXTS.entries()) {
    assert.equal(textFor(`row${index}@away.example`), text, name);
  }
  assert.equal(textFor('\xc3\xbcser@away.example'), SMTPUTF8_TEXT);
  return traces;
}

const missingPostfix = noPostfix();
const postfixSkip = (what: string) => ({
  timeout: TIMEOUT_MS,
  skip: missingPostfix === undefined ? false : `${missingPostfix}: NOT COVERED: ${what}`,
});

for (const [offer, keywords] of [
  ['CHUNKING', 'silent-discard'],
  ['DATA alone', 'chunking, silent-discard'],
  ['no PIPELINING', 'chunking, pipelining, silent-discard'],
] as const) {
  test(
    `Postfix takes our mail as it was written, under TLS, with ${offer}`,
    postfixSkip('Postfix as next host'),
    async (context) => {
      const end = await sink(context);
      const { certificateFile, keyFile } = makeCertificate('mx.postfix.example');
      const postfix = await startPostfix({
        transports: { 'away.example': `smtp:[127.0.0.1]:${end.port}` },
        unknown: [],
        settings: {
          smtputf8_enable: 'yes',
          smtpd_tls_security_level: 'may',
          smtpd_tls_cert_file: certificateFile,
          smtpd_tls_key_file: keyFile,
          smtpd_tls_received_header: 'yes',
          smtpd_discard_ehlo_keywords: keywords,
        },
      });
      context.after(() => postfix.close());
      const sluice = await sluiceTo(context, postfix);
      await handIn(sluice.smtp);
      const traces = await arriveAsTheyWere(end);
      for (const trace of traces) {
        assert.match(trace, /^Received: from out1\.esp\.example .*\r\n\t\(using TLSv1\.3 /);
        assert.match(trace, /Received: from client\.example .*\r\n\tby mta\.esp\.example /);
      }
    },
  );
}

test(
  'Postfix hands its mail to us under STARTTLS as it was written, SMTPUTF8 included',
  postfixSkip('Postfix as client with STARTTLS'),
  async (context) => {
    const end = await sink(context);
    const sluice = await sluiceTo(context, end);
    const postfix = await startPostfix({
      transports: { 'away.example': `smtp:[127.0.0.1]:${sluice.smtp.port}` },
      unknown: [],
      settings: { smtputf8_enable: 'yes', smtp_tls_security_level: 'encrypt' },
    });
    context.after(() => postfix.close());
    await handIn({ host: postfix.address, port: postfix.port });
    const traces = await arriveAsTheyWere(end);
    for (const trace of traces) {
      assert.match(
        trace,
        /^Received: from mx\.postfix\.example .*\r\n\tby mta\.esp\.example with (ESMTPS|UTF8SMTPS)\r\n\t\(TLSv1\.3 /,
      );
    }
    assert.ok(traces.some((trace) => trace.includes('with UTF8SMTPS')));
  },
);

/** Every message of Exim's log that came (`<=`) or went (`=>`) did so with BDAT. */
async function allInChunks(peer: EximProcess, arrow: '<=' | '=>'): Promise<void> {
  const lines = await until(
    'Exim has logged all messages',
    () => peer.log().filter((line) => line.includes(` ${arrow} `)),
    (found) => found.length >= TEXTS.length + 1,
    10_000,
  );
  for (const line of lines) assert.match(line, / K /);
}

const exim = findExim();
const eximSkip = (what: string) => ({
  timeout: TIMEOUT_MS,
  skip: 'missing' in exim ? `${exim.missing}: NOT COVERED: ${what}` : false,
});
const program = 'program' in exim ? exim.program : '';

test(
  'Exim takes our mail as it was written, with BDAT under TLS',
  eximSkip('Exim as next host'),
  async (context) => {
    const end = await sink(context);
    const peer = await startExim(program, end.port);
    context.after(() => peer.close());
    const sluice = await sluiceTo(context, peer);
    await handIn(sluice.smtp);
    const traces = await arriveAsTheyWere(end);
    await allInChunks(peer, '<=');
    for (const trace of traces)
      assert.match(trace, /^Received: .*\r\n\tby mx\.exim\.example with (esmtps|utf8esmtps) +\(TLS1\.3\)/);
  },
);

test(
  'Exim hands its mail to us with BDAT under STARTTLS as it was written',
  eximSkip('Exim as client with CHUNKING'),
  async (context) => {
    const end = await sink(context);
    const sluice = await sluiceTo(context, end);
    const peer = await startExim(program, sluice.smtp.port);
    context.after(() => peer.close());
    await handIn({ host: peer.address, port: peer.port });
    const traces = await arriveAsTheyWere(end);
    await allInChunks(peer, '=>');
    for (const trace of traces)
      assert.match(
        trace,
        /^Received: from mx\.exim\.example .*\r\n\tby mta\.esp\.example with (ESMTPS|UTF8SMTPS)\r\n\t\(TLSv1\.3 /,
      );
  },
);
