import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Envelope, RecipientStatusRequest } from '../spool/mod.ts';
import { configOf, type PodSetup, TestPod, until } from './dispatcher.fixture.ts';
import { type HostAnswers, MailHost } from './mail-host.fixture.ts';
import { MemorySpool } from './memory-spool.fixture.ts';
import type { ReportOptions } from './report-desk.ts';

const ONE_SOURCE = [{ address: '127.0.8.1' }];
const REPORTS: ReportOptions = {
  rules: { reports: 'Enabled', delayed: 'OnRequest', tenants: new Map() },
  hostname: 'mta.esp.example',
  from: 'MAILER-DAEMON@mta.esp.example',
  maxReturnedBytes: 1 << 20,
  delayedAfterMs: 3_600_000,
};
const SENDER = 'alice@home.example';

/** The host of the recipients, the host of the sender. */
async function hosts(context: TestContext, answers: HostAnswers) {
  const away = await new MailHost(answers).listen();
  const home = await new MailHost().listen();
  context.after(() => Promise.all([away.close(), home.close()]));
  const route = (domain: string, { port }: MailHost) => ({
    domain,
    hosts: [{ host: '127.0.0.1', port, preference: 0 }],
  });
  return { away, home, routes: [route('away.example', away), route('home.example', home)] };
}

function podFor(context: TestContext, setup: Partial<PodSetup> & Pick<PodSetup, 'routes'>): TestPod {
  const layer = { retry: { delays: ['1h'] }, session: { recipientsPerTransaction: 2 } };
  const pod = new TestPod({ config: configOf(ONE_SOURCE, layer), reports: REPORTS, ...setup });
  context.after(async () => {
    await pod.dispatcher.drain(0);
    assert.deepEqual(pod.faults, [], 'no exception where none may be');
  });
  return pod;
}

/** Envelope of mail whose recipients have these NOTIFY values, in order. */
function asking(...notify: readonly string[]): Partial<Envelope> {
  const recipients = notify.map((each): RecipientStatusRequest => ({ notify: each, originalRecipient: '' }));
  return { sender: SENDER, statusRequest: { ret: '', envelopeId: '', recipients } };
}

/** What the sender was told: `action recipient`, each report on a line. */
const told = (pod: TestPod): readonly string[] =>
  pod.reported.map(({ envelope, owed }) =>
    owed
      .flatMap(({ action, recipients }) =>
        recipients.map((index) => `${action} ${envelope.recipients[index]}`),
      )
      .sort()
      .join(', '),
  );

const answer = (recipient: string): string => {
  if (recipient.startsWith('gone')) return '550 5.1.1 no such user';
  return recipient.startsWith('late') ? '450 4.2.0 later' : '250 ok';
};

const NOTIFIES = ['', 'NEVER', 'SUCCESS', 'FAILURE', 'DELAY', 'SUCCESS,FAILURE,DELAY'];

test('every wish and every outcome: exactly the reports that were asked for, and none is left over', async (context) => {
  for (const dsn of [false, true]) {
    await context.test(
      dsn ? 'the next host offers DSN' : 'the next host does not offer DSN',
      async (each) => {
        const { routes, away, home } = await hosts(each, {
          rcpt: answer,
          ...(dsn ? { ehlo: () => '250-mx.example\r\n250 DSN' } : {}),
        });
        // So long that mail that is only slow on a busy machine is not late.
        const pod = podFor(each, { routes, reports: { ...REPORTS, delayedAfterMs: 1_500 } });
        const expected: string[] = [];
        for (const notify of NOTIFIES) {
          const name = notify.replaceAll(',', '-').toLowerCase();
          for (const kind of ['gone', 'late', 'fine']) {
            await pod.send([`${kind}${name}@away.example`], asking(notify));
          }
          if (/^$|FAILURE/.test(notify)) expected.push(`failed gone${name}@away.example`);
          if (notify.includes('DELAY')) expected.push(`delayed late${name}@away.example`);
          if (notify.includes('SUCCESS') && !dsn) expected.push(`relayed fine${name}@away.example`);
          // Never to <>, whatever was asked.
          await pod.send([`gone-null-${name}@away.example`], { ...asking(notify), sender: '' });
        }
        await until('everything is told', () => pod.reported.length >= expected.length);
        await until('the reports arrive', () => home.taken.length === expected.length);
        assert.deepEqual([...told(pod)].sort(), expected.sort());
        // The host counts a message a moment before its end is recorded here.
        await until(
          'only what is late is still stored',
          () => pod.spool.envelopes.length === NOTIFIES.length,
        );
        const waiting = pod.spool.envelopes.map(({ recipients }) => recipients[0] ?? '');
        assert.ok(waiting.every((recipient) => recipient.startsWith('late')));
        if (dsn) {
          const commands = away.commands.filter((line) => line.startsWith('RCPT'));
          assert.ok(commands.includes('RCPT TO:<finesuccess@away.example> NOTIFY=SUCCESS'));
          assert.ok(commands.includes('RCPT TO:<fine@away.example>'));
        }
      },
    );
  }
});

test('recipients of one domain with different wishes: one report for those who want one', async (context) => {
  const { routes, home } = await hosts(context, { rcpt: answer });
  const pod = podFor(context, { routes });
  await pod.send(
    [
      'gone1@away.example',
      'gone2@away.example',
      'ok1@away.example',
      'gone3@away.example',
      'ok2@away.example',
    ],
    asking('', 'NEVER', 'SUCCESS', 'FAILURE', 'NEVER'),
  );
  await until('the report arrives', () => home.taken.length === 1);
  assert.deepEqual(told(pod), [
    'failed gone1@away.example, failed gone3@away.example, relayed ok1@away.example',
  ]);
  await until('the store may forget all', () => pod.spool.usage().messages === 0);
  assert.deepEqual(home.recipients, [SENDER]);
});

test('part of a group failed, part is late: the one is told now, the other tried again', async (context) => {
  const { routes, home } = await hosts(context, { rcpt: answer });
  const pod = podFor(context, { routes });
  await pod.send(['gone@away.example', 'late@away.example'], { sender: SENDER });
  await until('the report arrives', () => home.taken.length === 1);
  assert.deepEqual(told(pod), ['failed gone@away.example']);
  await until('nothing is owed', () => pod.spool.outcomes.some(({ kind }) => kind === 'done'));
  const last = pod.spool.outcomes.findLast((outcome) => outcome.kind === 'deferred');
  assert.deepEqual(last?.kind === 'deferred' && [last.state.pending, last.state.owed], [[1], undefined]);
  assert.deepEqual(
    pod.spool.envelopes.map(({ sender }) => sender),
    [SENDER],
  );
});

test('what expires is told with the last answer of the host', async (context) => {
  const { routes, home } = await hosts(context, { rcpt: answer });
  const pod = podFor(context, { routes });
  await pod.send(['late@away.example'], { sender: SENDER, expireAtMs: Date.now() + 1_500 });
  await until('the report arrives', () => home.taken.length === 1);
  assert.match(
    pod.reported[0]?.owed[0]?.reply.text ?? '',
    /^delivery time expired; last: .*450 4.2.0 later$/,
  );
  await until('the store may forget it', () => pod.spool.usage().messages === 0);
});

test('what is late first and fails in the end is told twice: once of each', async (context) => {
  const { routes, home } = await hosts(context, { rcpt: answer });
  const pod = podFor(context, { routes, reports: { ...REPORTS, delayedAfterMs: 200 } });
  const wishes = asking('FAILURE,DELAY', 'NEVER');
  await pod.send(['late@away.example', 'late2@away.example'], { ...wishes, expireAtMs: Date.now() + 1_500 });
  await until('both reports arrive', () => home.taken.length === 2);
  assert.deepEqual(told(pod), ['delayed late@away.example', 'failed late@away.example']);
  assert.notEqual(pod.reported[0]?.reportId, pod.reported[1]?.reportId);
  await until('the store may forget it', () => pod.spool.usage().messages === 0);
});

test('mail of senders who said nothing is late too where the settings say so', async (context) => {
  const { routes, home } = await hosts(context, { rcpt: answer });
  const rules = { ...REPORTS.rules, delayed: 'Always' } as const;
  const pod = podFor(context, { routes, reports: { ...REPORTS, rules, delayedAfterMs: 200 } });
  await pod.send(['late@away.example'], { sender: SENDER });
  await pod.send(['late@away.example'], { sender: '' });
  await pod.send(['late@away.example'], asking('FAILURE'));
  await until('the report arrives', () => home.taken.length === 1);
  assert.deepEqual(told(pod), ['delayed late@away.example']);
});

test('a site that is down is tried with one message; all senders that asked learn that theirs are late, once', async (context) => {
  const { routes, away, home } = await hosts(context, {});
  await away.close();
  const pod = podFor(context, { routes, reports: { ...REPORTS, delayedAfterMs: 300 } });
  for (let count = 0; count < 5; count++) await pod.send([`u${count}@away.example`], asking('DELAY'));
  await until('five reports arrive', () => home.taken.length === 5);
  assert.equal(new Set(told(pod)).size, 5);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(home.taken.length, 5, 'nobody is told twice');
  // And not after a restart either.
  await pod.dispatcher.drain(0);
  const again = podFor(context, { routes, spool: pod.spool, reports: { ...REPORTS, delayedAfterMs: 300 } });
  assert.equal(await again.dispatcher.recover(), 5);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(told(again), []);
});

test('the store is full: what a sender is owed waits, and nothing is sent a second time for it', async (context) => {
  const { routes, away, home } = await hosts(context, { rcpt: answer });
  const pod = podFor(context, { routes, reports: { ...REPORTS, retryMs: 20 } });
  await pod.send(['gone@away.example', 'ok@away.example'], { sender: SENDER });
  pod.spool.refusal = { refused: 'full', reason: 'no room' };
  await until('the bounce is durable', () => pod.told('bounced').length === 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(pod.reported.length, 0);
  assert.equal(pod.dispatcher.gauges().reportsOwed, 1);
  assert.equal(pod.dispatcher.view(1).entries, 0, 'the message is not queued any more');
  pod.spool.refusal = undefined;
  await until('the report arrives', () => home.taken.length === 1);
  await until('the store may forget all', () => pod.spool.usage().messages === 0);
  assert.equal(away.mails, 1);
  assert.equal(pod.dispatcher.gauges().reportsOwed, 0);
});

test('the process ends while a report is owed: the next one writes it, and does not send the message again', async (context) => {
  const { routes, away, home } = await hosts(context, { rcpt: answer });
  const spool = new MemorySpool();
  const first = podFor(context, { routes, spool, reports: { ...REPORTS, retryMs: 20 } });
  await first.send(['gone@away.example'], { sender: SENDER });
  spool.refusal = { refused: 'unavailable', reason: 'gone for now' };
  await until('the bounce is durable', () => first.told('bounced').length === 1);
  await first.dispatcher.drain(0);
  spool.refusal = undefined;
  const second = podFor(context, { routes, spool });
  await second.dispatcher.recover();
  await until('the report arrives', () => home.taken.length === 1);
  await until('the store may forget all', () => spool.usage().messages === 0);
  assert.equal(away.mails, 1);
});

/** A store whose process dies: from then on nothing is recorded for it any more. */
class MortalSpool extends MemorySpool {
  dead = false;

  override record(outcomes: Parameters<MemorySpool['record']>[0]) {
    return this.dead ? new Promise<never>(() => {}) : super.record(outcomes);
  }
}

test('the process ends while part of a group is owed and part is late: the one is told, the other tried again', async (context) => {
  const { routes, away, home } = await hosts(context, { rcpt: answer });
  const spool = new MemorySpool();
  const first = podFor(context, { routes, spool, reports: { ...REPORTS, retryMs: 20 } });
  await first.send(['gone@away.example', 'late@away.example'], { sender: SENDER });
  spool.refusal = { refused: 'full', reason: 'no room' };
  await until('the bounce is durable', () => first.told('bounced').length === 1);
  await first.dispatcher.drain(0);
  const second = podFor(context, {
    routes,
    spool,
    config: configOf(ONE_SOURCE),
    reports: { ...REPORTS, retryMs: 20 },
  });
  await second.dispatcher.recover();
  assert.equal(second.dispatcher.gauges().reportsOwed, 1);
  assert.equal(second.dispatcher.view(1).entries, 1);
  spool.refusal = undefined;
  await until('the report arrives', () => home.taken.length === 1);
  assert.deepEqual(told(second), ['failed gone@away.example']);
  const [left] = spool.envelopes;
  assert.equal(left?.sender, SENDER, 'the late recipient is still in the store');
  assert.equal(away.taken.length, 0);
});

test('a recipient fails while the report on another one is being stored: both are told, neither twice', async (context) => {
  let tries = 0;
  const { routes, home } = await hosts(context, {
    rcpt: (recipient) =>
      recipient.startsWith('late') && ++tries > 1 ? '550 5.1.1 gone now' : answer(recipient),
  });
  const stores: (() => void)[] = [];
  const pod: TestPod = podFor(context, {
    routes,
    config: configOf(ONE_SOURCE, { retry: { delays: ['1s'] } }),
    reports: {
      ...REPORTS,
      submit: async (envelope, body) => {
        await new Promise<void>((resolve) => stores.push(resolve));
        return pod.dispatcher.accept(envelope, body);
      },
    },
  });
  await pod.send(['gone@away.example', 'late@away.example'], { sender: SENDER });
  await until('the first report is being stored', () => stores.length === 1);
  await until('the second recipient fails too', () => pod.told('bounced').length === 2);
  assert.equal(stores.length, 1, 'one report of a group at a time');
  stores[0]?.();
  await until('the second report is being stored', () => stores.length === 2);
  stores[1]?.();
  await until('both reports arrive', () => home.taken.length === 2);
  assert.deepEqual(told(pod), ['failed gone@away.example', 'failed late@away.example']);
  await until('the store may forget all', () => pod.spool.usage().messages === 0);
});

test('the process ends between storing a report and recording it: the next one does not store it again', async (context) => {
  const { routes, home } = await hosts(context, { rcpt: answer });
  const spool = new MortalSpool();
  const first = podFor(context, { routes, spool });
  await first.send(['gone@away.example'], { sender: SENDER });
  spool.onAppend = ({ sender }) => {
    spool.dead ||= sender === '';
  };
  await until('the report is stored', () => first.reported.length === 1);
  await first.dispatcher.drain(0);
  const before = home.taken.length;
  spool.dead = false;
  const second = podFor(context, { routes, spool });
  assert.equal(await second.dispatcher.recover(), 2, 'the message and the report');
  await until('the report arrives', () => home.taken.length === before + 1);
  await until('the store may forget all', () => spool.usage().messages === 0);
  assert.equal(home.taken.length, before + 1, 'no second report was stored');
  assert.deepEqual(told(second), ['failed gone@away.example'], 'its event may not have been stored: again');
});

test('the store is full for long: what is owed to thousands does not fill the memory, and is told in the end', async (context) => {
  const { routes, home } = await hosts(context, { rcpt: answer });
  const pod = podFor(context, { routes, reports: { ...REPORTS, retryMs: 20, maxWaiting: 3 } });
  const recipients = Array.from({ length: 20 }, (_, index) => `gone${index}@away.example`);
  // Stored before the store is full.
  await Promise.all(recipients.map((recipient) => pod.send([recipient], { sender: SENDER })));
  pod.spool.refusal = { refused: 'full', reason: 'no room' };
  await until('all bounces are durable', () => pod.told('bounced').length === 20);
  assert.ok(pod.dispatcher.gauges().reportsOwed < 10);
  pod.spool.refusal = undefined;
  await until('all reports arrive', () => home.taken.length === 20);
  await until('the store may forget all', () => pod.spool.usage().messages === 0);
  assert.deepEqual([...told(pod)].sort(), recipients.map((recipient) => `failed ${recipient}`).sort());
});

test('a recipient that was delivered soon after a report was told is not written back as pending: it would get a second copy', async (context) => {
  let later = false;
  const { routes, away } = await hosts(context, {
    rcpt: (recipient) => (later && recipient.startsWith('late1') ? '250 ok' : answer(recipient)),
  });
  const retry = { delays: ['1s', '1h'] };
  const config = configOf(ONE_SOURCE, { retry, session: { recipientsPerTransaction: 2 } });
  const pod = podFor(context, { routes, config });
  await pod.send(['gone@away.example', 'late1@away.example', 'late2@away.example'], { sender: SENDER });
  await until('the failure is told', () => pod.reported.length === 1);
  later = true;
  await until('one is delivered', () => away.recipients.includes('late1@away.example'));
  const deliveredAtMs = performance.now();
  await until('the wait for more failures is over', () => performance.now() > deliveredAtMs + 1_500);
  const states: (readonly number[] | undefined)[] = [];
  for await (const { envelope, live } of pod.spool.replay()) {
    if (envelope.sender === SENDER) states.push(live.get(0)?.pending);
  }
  assert.deepEqual(states, [[2]]);
});

test('a report that no pool takes is dropped in the open, and the message with it', async (context) => {
  const { routes } = await hosts(context, { rcpt: answer });
  const pod = podFor(context, {
    routes,
    config: configOf(ONE_SOURCE, {}, [], { match: [{ name: 'shop', fromDomains: ['home.example'] }] }),
  });
  await pod.send(['gone@away.example'], { sender: SENDER });
  await until('it is told to the operator', () => pod.unreported.length === 1);
  assert.match(pod.unreported[0] ?? '', /no egress pool matches mail from <> to home.example/);
  await until('the store may forget it', () => pod.spool.usage().messages === 0);
});

test('no wish, no bounce: an ordinary delivery leaves no trace beside the queue', async (context) => {
  const { routes } = await hosts(context, {});
  const pod = podFor(context, { routes });
  await pod.send(['ok@away.example'], { sender: SENDER });
  await until('the store may forget it', () => pod.spool.usage().messages === 0);
  assert.deepEqual(
    pod.spool.outcomes.map(({ kind }) => kind),
    ['done'],
  );
});
