import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { blast, seededRandom } from '@sluice/mta/blast';
import { EVENTS_FILE } from '../harness/event-reader.ts';
import { HandClient } from '../harness/hand-client.ts';
import { plainPlan } from '../harness/plans.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { type RecordingSink, startRecordingSink } from '../harness/recording-sink.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { readReport } from '../harness/sender-report.ts';
import { type SluiceSetup, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const EXTENSIONS = ['PIPELINING', 'CHUNKING', '8BITMIME', 'SMTPUTF8', 'SIZE 10000000'];
const GONE = '550 5.1.1 No such user here';

/** The host of the recipients, the host of the senders, and a configuration that leads to both. */
async function world(context: TestContext, extensions = EXTENSIONS) {
  const refuse = (recipient: string): string | undefined => {
    if (recipient.startsWith('<gone') || recipient.startsWith('<k')) return GONE;
    return recipient.startsWith('<late') ? '450 4.2.0 Try again later' : undefined;
  };
  const away = await startRecordingSink(extensions, refuse);
  const home = await startRecordingSink(EXTENSIONS);
  const directory = mkdtempSync(join(tmpdir(), 'sluice-dsn-'));
  context.after(async () => {
    await away.close();
    await home.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const setup: SluiceSetup = {
    directory,
    spec: {
      hostname: 'mta.esp.example',
      dsn: { delayedAfter: '1s' },
      routes: [routeTo('away.example', away), routeTo('shop.example', home)],
      events: { file: EVENTS_FILE },
    },
    resources: {
      'pool.yaml': onePool(['127.0.3.1']),
      'policy.yaml': onePolicy({ retry: { delays: ['1s'], expireAfter: '1h' } }),
    },
  };
  return { away, home, directory, setup };
}

/** Hands in one message whose commands are written as they are given; the reply to its end. */
async function handIn(
  smtp: { readonly host: string; readonly port: number },
  mail: string,
  recipients: readonly string[],
  text = 'Message-ID: <m1@shop.example>\r\nSubject: Hello\r\n\r\nText\r\n',
): Promise<string> {
  const client = await HandClient.open({ ...smtp, tls: false });
  const hello = await client.hello();
  assert.match(hello, /^250-DSN\r?$/m, 'DSN is offered');
  const commands = [`MAIL FROM:${mail}`, ...recipients.map((each) => `RCPT TO:${each}`), 'DATA'];
  const replies = await client.ask(`${commands.join('\r\n')}\r\n`, commands.length);
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    commands.map((command) => (command === 'DATA' ? '354' : '250')),
  );
  const [reply = ''] = await client.ask(`${text}.\r\n`);
  client.destroy();
  return reply;
}

const arrived = (sink: RecordingSink, count: number) =>
  until(
    `${count} messages arrived`,
    () => sink.mails.length,
    (found) => found >= count,
    15_000,
  );

test('a sender learns what became of each recipient, in a report that mail programs can read', async (context) => {
  const { home, away, directory, setup } = await world(context);
  const sluice = await startSluice(setup);
  context.after(() => sluice.kill('SIGKILL'));
  const queued = await handIn(sluice.smtp, '<news@shop.example> RET=FULL ENVID=order+2B17', [
    '<gone1@away.example> ORCPT=rfc822;First@old.example',
    '<gone2@away.example> NOTIFY=NEVER',
    '<fine@away.example> NOTIFY=SUCCESS',
    '<gone3@away.example> NOTIFY=FAILURE,DELAY',
  ]);
  const id = queued.split(' ').at(-1) ?? '';
  await arrived(home, 1);
  const report = await readReport(home.mails[0] ?? assert.fail('no report'));
  assert.match(report.mail, /^<>( |$)/);
  assert.match(report.recipient, /^<news@shop.example>/);
  assert.deepEqual(report.parts, ['message/delivery-status', 'message/rfc822']);
  assert.equal(report.subject, 'Delivery Status Notification (Failure)');
  assert.equal(report.message['Reporting-MTA'], 'dns; mta.esp.example');
  assert.equal(report.message['Original-Envelope-Id'], 'order+17');
  assert.deepEqual(
    report.recipients
      .map((fields) => [
        fields['Final-Recipient'],
        fields['Original-Recipient'],
        fields.Action,
        fields.Status,
        fields['Diagnostic-Code'],
      ])
      .sort(),
    [
      ['rfc822; fine@away.example', undefined, 'relayed', '2.0.0', 'smtp; 250 Ok'],
      [
        'rfc822; gone1@away.example',
        'rfc822; First@old.example',
        'failed',
        '5.1.1',
        'smtp; 550 5.1.1 No such user here',
      ],
      ['rfc822; gone3@away.example', undefined, 'failed', '5.1.1', 'smtp; 550 5.1.1 No such user here'],
    ],
  );
  assert.match(report.words, /There is no such mailbox at this address/);
  assert.match(report.returned, /Subject: Hello\r?\n\r?\nText/);
  assert.deepEqual([home.offences, away.offences], [[], []]);
  const events = await until(
    'the report is told of',
    () => readFileSync(join(directory, EVENTS_FILE), 'utf8').trim().split('\n'),
    (lines) => lines.filter((line) => line.includes('"reported"')).length === 2,
    5_000,
  );
  const reported = events.map((line) => JSON.parse(line)).filter(({ type }) => type === 'reported');
  assert.deepEqual(reported.map(({ action, id: of }) => [action, of]).sort(), [
    ['failed', id],
    ['relayed', id],
  ]);
  assert.equal(report.messageId, `<${reported[0]?.reportId}@mta.esp.example>`);
  const metrics = await (await fetch(`${sluice.admin}/metrics`)).text();
  assert.match(metrics, /^sluice_reports_total\{action="failed"\} 1$/m);
});

test('what is late is told once when that was asked for, and nothing is told of mail to nobody', async (context) => {
  const { home, setup } = await world(context);
  const sluice = await startSluice(setup);
  context.after(() => sluice.kill('SIGKILL'));
  await handIn(sluice.smtp, '<news@shop.example>', [
    '<late1@away.example> NOTIFY=DELAY',
    '<late2@away.example>',
  ]);
  await handIn(sluice.smtp, '<>', ['<late3@away.example> NOTIFY=DELAY', '<gone@away.example>']);
  await arrived(home, 1);
  const report = await readReport(home.mails[0] ?? assert.fail('no report'));
  assert.equal(report.subject, 'Delivery Status Notification (Delay)');
  assert.deepEqual(
    report.recipients.map((fields) => [fields['Final-Recipient'], fields.Action, fields['Diagnostic-Code']]),
    [['rfc822; late1@away.example', 'delayed', 'smtp; 450 4.2.0 Try again later']],
  );
  assert.match(report.recipients[0]?.['Will-Retry-Until'] ?? '', /^\w{3}, /);
  // After a restart it is known that he was told.
  await sluice.kill('SIGTERM');
  const again = await startSluice(setup);
  context.after(() => again.kill('SIGKILL'));
  await handIn(again.smtp, '<news@shop.example>', ['<gone@away.example>']);
  await arrived(home, 2);
  const next = await readReport(home.mails[1] ?? assert.fail('no report'));
  assert.equal(next.recipients[0]?.['Final-Recipient'], 'rfc822; gone@away.example');
  await until(
    'the late mail was tried again',
    () => readQueue(again.admin),
    ({ entries }) => entries === 2,
    5_000,
  );
  assert.equal(home.mails.length, 2);
});

test('a host that offers DSN takes the wishes over, and Sluice reports no success for it', async (context) => {
  const { away, home, setup } = await world(context, [...EXTENSIONS, 'DSN']);
  const sluice = await startSluice(setup);
  context.after(() => sluice.kill('SIGKILL'));
  await handIn(sluice.smtp, '<news@shop.example> RET=HDRS ENVID=e1', [
    '<fine1@away.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@old.example',
    '<fine2@away.example>',
  ]);
  await arrived(away, 1);
  assert.match(away.mails[0]?.mail ?? '', /^<news@shop.example> SIZE=\d+ RET=HDRS ENVID=e1$/);
  assert.deepEqual(away.mails[0]?.recipients, [
    '<fine1@away.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@old.example',
    '<fine2@away.example>',
  ]);
  await sluice.kill('SIGTERM');
  assert.equal(home.mails.length, 0);
});

const KILLS = 8;
const MESSAGES_PER_ROUND = 400;

test(`kill -9 ${KILLS} times while reports are written: each accepted message that failed is reported, under one id`, {
  timeout: 180_000,
}, async (context) => {
  const random = seededRandom(20_261_124);
  const { home, setup } = await world(context);
  const accepted: string[] = [];
  for (let round = 0; round < KILLS; round++) {
    const sluice = await startSluice(setup);
    const stop = new AbortController();
    const blasting = blast({
      target: sluice.smtp,
      sessions: 10,
      signal: stop.signal,
      plan: plainPlan(`k${round}`, MESSAGES_PER_ROUND, ['away.example'], 1_024),
      onAnswer: (message, answer) => {
        if (answer.code === 250) accepted.push(`k${round}.${message.firstRecipient}@away.example`);
      },
    });
    await new Promise((resolve) => setTimeout(resolve, 30 + random() * 300));
    await sluice.kill('SIGKILL');
    stop.abort();
    await blasting;
  }
  const last = await startSluice(setup);
  context.after(() => last.kill('SIGKILL'));
  const metric = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name} (.*)$`, 'm').exec(await (await fetch(`${last.admin}/metrics`)).text())?.[1]);
  await until(
    'nothing is left in the store',
    () => metric('sluice_spool_messages'),
    (messages) => messages === 0,
    60_000,
  );
  const ids = new Map<string, Set<string>>();
  for (const { text } of home.mails) {
    const recipient = /^Final-Recipient: rfc822; (.*)\r$/m.exec(text)?.[1] ?? '';
    const id = /^Message-ID: (.*)\r$/m.exec(text)?.[1] ?? '';
    ids.set(recipient, (ids.get(recipient) ?? new Set()).add(id));
  }
  const lost = accepted.filter((recipient) => !ids.has(recipient));
  assert.deepEqual(lost, [], `${lost.length} of ${accepted.length} failed messages were never reported`);
  const twice = [...ids].filter(([, reports]) => reports.size > 1);
  assert.deepEqual(twice, [], 'a report that is sent twice has one id');
  assert.ok(accepted.length > 100, `the test had something to lose: ${accepted.length}`);
  context.diagnostic(
    `${accepted.length} accepted over ${KILLS} kills, ${home.mails.length - ids.size} reports came twice`,
  );
});
