import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { HandClient } from '../harness/hand-client.ts';
import { noPostfix, startPostfix } from '../harness/postfix-process.ts';
import { type RecordingSink, startRecordingSink } from '../harness/recording-sink.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { readReport } from '../harness/sender-report.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const missing = noPostfix();
const skip =
  missing === undefined ? false : `${missing}: NOT COVERED: DSN towards Postfix and from Postfix (RFC 3461)`;
const EXTENSIONS = ['PIPELINING', '8BITMIME', 'SMTPUTF8'];

async function sluiceTo(context: TestContext, routes: readonly unknown[]): Promise<SluiceProcess> {
  const sluice = await startSluice({
    spec: { hostname: 'mta.esp.example', dsn: { reports: 'Enabled' }, routes },
    resources: { 'pool.yaml': onePool(['127.0.3.2']), 'policy.yaml': onePolicy({}) },
  });
  context.after(() => sluice.close());
  return sluice;
}

async function handIn(
  target: { readonly host: string; readonly port: number },
  commands: readonly string[],
): Promise<void> {
  const client = await HandClient.open({ ...target, tls: false });
  await client.hello();
  for (const command of commands)
    assert.match((await client.ask(`${command}\r\n`))[0] ?? '', /^250/, command);
  assert.match((await client.ask('DATA\r\n'))[0] ?? '', /^354/);
  const text = 'From: news@shop.example\r\nMessage-ID: <m1@shop.example>\r\nSubject: Hello\r\n\r\nText\r\n';
  assert.match((await client.ask(`${text}.\r\n`))[0] ?? '', /^250/);
  client.destroy();
}

const arrived = (sink: RecordingSink, count: number) =>
  until(
    `${count} messages arrived`,
    () => sink.mails.length,
    (found) => found >= count,
    20_000,
  );

test('Postfix as next host takes the wishes over: its own report of success names what the sender gave us', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const home = await startRecordingSink(EXTENSIONS);
  context.after(() => home.close());
  const postfix = await startPostfix({
    transports: { 'away.example': 'discard:', 'shop.example': `smtp:[127.0.0.1]:${home.port}` },
    unknown: ['gone@away.example'],
  });
  context.after(() => postfix.close());
  const sluice = await sluiceTo(context, [routeTo('away.example', postfix), routeTo('shop.example', home)]);
  await handIn(sluice.smtp, [
    'MAIL FROM:<news@shop.example> RET=HDRS ENVID=order+2B17',
    'RCPT TO:<fine@away.example> NOTIFY=SUCCESS ORCPT=rfc822;First+2Bx@old.example',
    'RCPT TO:<gone@away.example> NOTIFY=FAILURE',
    'RCPT TO:<quiet@away.example> NOTIFY=NEVER',
  ]);
  await arrived(home, 2);
  const reports = await Promise.all(home.mails.map(readReport));
  const ours = reports.find(({ message }) => message['Reporting-MTA'] === 'dns; mta.esp.example');
  const theirs = reports.find(({ message }) => message['Reporting-MTA'] === 'dns; mx.postfix.example');
  assert.deepEqual(
    ours?.recipients.map((fields) => [fields['Final-Recipient'], fields.Action, fields['Diagnostic-Code']]),
    [
      [
        'rfc822; gone@away.example',
        'failed',
        'smtp; 550 5.1.1 <gone@away.example>: Recipient address rejected: no such user here',
      ],
    ],
  );
  assert.equal(theirs?.message['Original-Envelope-Id'], 'order+17');
  assert.deepEqual(
    theirs?.recipients.map((fields) => [
      fields['Final-Recipient'],
      fields['Original-Recipient'],
      fields.Status,
    ]),
    [['rfc822; fine@away.example', 'rfc822;First+x@old.example', '2.0.0']],
  );
});

test("Postfix as client hands its users' wishes to us, and we hand them on", {
  skip,
  timeout: 60_000,
}, async (context) => {
  const away = await startRecordingSink([...EXTENSIONS, 'DSN']);
  context.after(() => away.close());
  const sluice = await sluiceTo(context, [routeTo('away.example', away)]);
  const postfix = await startPostfix({
    transports: { 'away.example': `smtp:[127.0.0.1]:${sluice.smtp.port}` },
    unknown: [],
  });
  context.after(() => postfix.close());
  await handIn({ host: postfix.address, port: postfix.port }, [
    'MAIL FROM:<news@shop.example> RET=FULL ENVID=order+2B17',
    'RCPT TO:<fine@away.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;First+2Bx@old.example',
  ]);
  await arrived(away, 1);
  assert.match(away.mails[0]?.mail ?? '', /^<news@shop.example>.* RET=FULL ENVID=order\+2B17$/);
  assert.deepEqual(away.mails[0]?.recipients, [
    '<fine@away.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;First+2Bx@old.example',
  ]);
});
