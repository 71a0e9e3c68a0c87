import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createOpenSession } from '../deliver/mod.ts';
import { CORNER_CA, CornerHost } from './corner-host.fixture.ts';
import { CORNERS, type Corner, cornersTable, type Expected } from './corner-table.fixture.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { configOf, TestPod, until } from './dispatcher.fixture.ts';

const PAGE = new URL('../../../docs/reference/delivery.md', import.meta.url);
const TABLE = /(?<=<!-- corners -->\n\n)\|[\s\S]*?\|(?=\n\n<!-- \/corners -->)/;

/** The timeout that a corner waits for. */
const SHORT = '300ms';

// Most of their time is the grace after a reset, so they run side by side.
describe('corners', { concurrency: 12 }, () => {
  for (const corner of CORNERS) {
    const { message, host, session, lane } = corner.expected;
    const title = `${corner.phase}: ${corner.what} → ${message}, host ${host}, session ${session}, lane ${lane}`;
    test(`no message is lost, sent twice or held up without reason: ${title}`, async (context) => {
      const found = await play(context, corner);
      assert.deepEqual(found, { outcomes: undefined, ...corner.expected });
    });
  }
});

test('an event says how a message was protected, and whether the certificate was good', async (context) => {
  for (const trust of [true, false]) {
    const corner: Corner = {
      phase: '',
      what: '',
      plan: { extensions: ['STARTTLS'], troubles: [] },
      setup: { level: 'Encrypt', trust },
      expected: { message: 'delivered', host: 'stays', session: 'goes on', lane: 'goes on' },
    };
    const host = await new CornerHost(corner.plan).listen();
    // The name that the certificate is for.
    const pod = podFor(corner, [host], 'localhost');
    context.after(async () => {
      await pod.dispatcher.drain(0);
      await host.close();
    });
    await pod.send(['a@a.example']);
    await until('it is delivered', () => pod.told('delivered').length === 1);
    const { protocol, cipher, ...rest } = pod.outcomes[0]?.place.tls ?? {};
    assert.deepEqual({ protocol, ...rest }, { protocol: 'TLSv1.3', verified: trust, resumed: false });
    assert.match(cipher ?? '', /^TLS_/);
  }
});

test('the documentation says what a failure really does (UPDATE_GOLDEN=1 writes it)', () => {
  const page = readFileSync(PAGE, 'utf8');
  assert.match(page, TABLE);
  const updated = page.replace(TABLE, () => cornersTable());
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(PAGE, updated);
  else assert.equal(page, updated);
});

/** Plays a corner with two hosts that make the same trouble, and says what became of everything. */
async function play(
  context: TestContext,
  corner: Corner,
): Promise<Expected | { readonly outcomes: undefined }> {
  const { plan, setup = {} } = corner;
  const hosts = await Promise.all([plan, plan].map((each) => new CornerHost(each).listen()));
  const [first, second] = hosts;
  assert.ok(first !== undefined && second !== undefined);
  const pod = podFor(corner, hosts);
  context.after(async () => {
    await pod.dispatcher.drain(0);
    await Promise.all(hosts.map((host) => host.close()));
    assert.deepEqual(pod.faults, [], 'no exception where none may be');
  });
  const before = plan.after ?? 0;
  if (before > 0) await pod.send(['warm-up@a.example']);
  await until('the warm-up is delivered', () => pod.told('delivered').length === before);
  pod.outcomes.length = 0;

  const recipients = Array.from({ length: setup.recipients ?? 1 }, (_, index) => `u${index}@a.example`);
  const flags = { eightBit: setup.eightBit === true, smtputf8: setup.smtputf8 === true };
  await pod.send(recipients, flags, Buffer.alloc(setup.bodyBytes ?? 20, 'x'.repeat(62).concat('\r\n')));
  if (setup.companion === true) await pod.send(['waits@a.example']);
  const settled = () => pod.outcomes.flatMap((report) => report.recipients).length;
  await until('every recipient has an outcome', () => settled() === recipients.length);
  const outcomes = recipients.map((_, index) => outcomeOf(pod, index));
  const distinct = new Set(outcomes);
  const connections = first.connections;
  const host = second.connections > 0 ? 'next' : 'stays';
  const { pausedUntil } = pod.dispatcher.view(1).lanes[0] ?? {};
  const lane = pausedUntil === undefined ? 'goes on' : 'pauses';
  const delivered = distinct.size === 1 && distinct.has('delivered');
  const another = delivered && connections > 1;
  const fallback = corner.phase.startsWith('StartTls');
  const told = distinct.size > 1 ? 'each its own' : another && !fallback ? 'again at once' : outcomes.join();
  return {
    message: told,
    host,
    session: pod.opened === 0 ? 'none' : another ? 'another' : await goesOn(pod, first, lane),
    lane,
    outcomes: distinct.size > 1 ? outcomes : undefined,
  };
}

/** Whether the next message goes over the connection that was there. */
async function goesOn(pod: TestPod, host: CornerHost, lane: Expected['lane']): Promise<'goes on' | 'over'> {
  if (lane === 'pauses') return 'over';
  const { connections } = host;
  const before = pod.told('delivered').length;
  await pod.send(['next@a.example']);
  await until('the next message is delivered', () => pod.told('delivered').length === before + 1);
  return host.connections === connections ? 'goes on' : 'over';
}

/** `transient 450 4.7.1` */
function outcomeOf(pod: TestPod, recipient: number): string {
  const report = pod.outcomes.find((each) => each.recipients.includes(recipient));
  assert.ok(report !== undefined);
  const { code, enhanced } = report.reply;
  if (report.kind === 'delivered') {
    assert.equal(report.attempts, 1, 'no attempt was charged for what happened');
    return 'delivered';
  }
  return `${report.kind === 'bounced' ? 'permanent' : 'transient'} ${code} ${enhanced}`;
}

function podFor({ setup = {} }: Corner, hosts: readonly CornerHost[], certified?: string): TestPod {
  const openSession = createOpenSession({ nowMs: () => performance.now() });
  const layer = {
    session: {
      tls: { level: setup.level ?? 'Opportunistic' },
      ...(setup.timeout === undefined ? {} : { timeouts: { [setup.timeout]: SHORT } }),
    },
    retry: { delays: ['1h'] },
    limits: [{ name: 'one', per: ['Site'], connections: 1 }],
  };
  const auth = setup.auth === true ? { auth: { username: 'relay', password: 'secret' } } : {};
  return new TestPod({
    config: configOf([{ address: '127.0.8.1' }], layer),
    routes: [
      {
        domain: 'a.example',
        hosts: hosts.map(({ port }, preference) => ({ host: '127.0.0.1', port, preference, ...auth })),
      },
    ],
    openSession: (options) =>
      openSession({
        ...options,
        hostName: certified ?? options.hostName,
        tls: setup.trust === true ? { ...options.tls, ca: [CORNER_CA] } : options.tls,
      }),
    ...(setup.dial === undefined ? {} : { dial: troubledDial(setup.dial, hosts) }),
  });
}

/** Connections that do not come about. That a host was asked for counts as a connection to it. */
function troubledDial(
  trouble: 'refused' | 'unanswered',
  hosts: readonly CornerHost[],
): DispatchContext['dial'] {
  return (_source, _address, port, _timeoutMs, signal) => {
    for (const host of hosts) if (host.port === port) host.connections++;
    return new Promise((_resolve, reject) => {
      if (trouble === 'unanswered') {
        signal.addEventListener('abort', () => reject(signal.reason));
        return;
      }
      // Port 1 of this machine: nobody listens there.
      connect(1, '127.0.0.1').once('error', reject);
    });
  };
}
