import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { HandClient } from '../harness/hand-client.ts';
import {
  ADDRESS_ROWS,
  arrivesAs,
  COMMAND_ROWS,
  HYGIENE_ROWS,
  type HygieneRow,
} from '../harness/hygiene-table.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { type RecordingSink, startRecordingSink } from '../harness/recording-sink.ts';
import { onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { makeCertificate } from '../harness/test-certificate.ts';
import { until } from '../harness/until.ts';

const MODES = ['Reject', 'Normalize'] as const;
/** Two hosts for each message: what leaves with BDAT and what leaves with DATA are different octets. */
const HOSTS = {
  'chunks.example': ['PIPELINING', 'CHUNKING', '8BITMIME', 'SMTPUTF8'],
  'dots.example': ['PIPELINING', '8BITMIME', 'SMTPUTF8'],
} as const;

let chunks: RecordingSink;
let dots: RecordingSink;
let sluice: SluiceProcess;

before(async () => {
  [chunks, dots] = await Promise.all([
    startRecordingSink(HOSTS['chunks.example']),
    startRecordingSink(HOSTS['dots.example']),
  ]);
  const tls = { mode: 'Implicit', ...makeCertificate() };
  const listener = { address: '127.0.0.1:0', relayNetworks: ['127.0.0.0/8'] };
  sluice = await startSluice({
    spec: {
      dsn: { reports: 'Enabled' },
      routes: [
        routeTo('chunks.example', chunks),
        routeTo('*.chunks.example', chunks),
        routeTo('dots.example', dots),
      ],
      listeners: {
        smtp: MODES.flatMap((bareLineEnding) => [
          { ...listener, name: bareLineEnding, bareLineEnding },
          { ...listener, name: `${bareLineEnding}-tls`, bareLineEnding, tls },
        ]),
        admin: { address: '127.0.0.1:0' },
      },
    },
    resources: { 'pool.yaml': onePool(['127.0.8.1']) },
  });
});

after(async () => {
  await sluice.close();
  await Promise.all([chunks.close(), dots.close()]);
});

/** How a text comes in: all the octets from DATA or BDAT on, and how many replies they cause before the last. */
const WAYS: Readonly<
  Record<string, (row: HygieneRow) => { readonly octets: string; readonly before: number }>
> = {
  DATA: ({ text, verdict }) => {
    // Who smuggles stuffs no dots; who does not gets his own dots back.
    const stuffed = verdict === 'Taken' ? text.replace(/(^|\r\n)\./g, '$1..') : text;
    return { octets: `DATA\r\n${stuffed}.\r\n`, before: 1 };
  },
  BDAT: ({ text }) => ({ octets: `BDAT ${text.length} LAST\r\n${text}`, before: 0 }),
  'BDAT in three': ({ text }) => {
    const cut = [Math.floor(text.length / 3), Math.floor((2 * text.length) / 3)];
    const parts = [text.slice(0, cut[0]), text.slice(cut[0], cut[1]), text.slice(cut[1])];
    return {
      octets: `${parts.map((part) => `BDAT ${part.length}\r\n${part}`).join('')}BDAT 0 LAST\r\n`,
      before: 3,
    };
  },
};

function client(name: string): Promise<HandClient> {
  const line = sluice.log.find(
    (text) => text.includes('"listening"') && text.includes(`"listener":"${name}"`),
  );
  const { address, port } = JSON.parse(line ?? '{}');
  return HandClient.open({ host: address, port, tls: name.endsWith('-tls') });
}

async function allDelivered(): Promise<void> {
  await until(
    'the queue is empty',
    () => readQueue(sluice.admin),
    ({ entries }) => entries === 0,
    10_000,
  );
}

function textOf(sink: RecordingSink, recipient: string): readonly string[] {
  return sink.mails
    .filter(({ recipients }) => recipients.some((path) => path.startsWith(`<${recipient}>`)))
    .map(({ text }) => text.replace(/^Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/, ''));
}

for (const mode of MODES) {
  for (const listener of [mode, `${mode}-tls`]) {
    for (const [way, send] of Object.entries(WAYS)) {
      test(`${listener}, ${way}: what is sent arrives octet by octet, once, or is refused whole`, async () => {
        const offences = chunks.offences.length + dots.offences.length;
        const expected = new Map<string, string | undefined>();
        for (const [index, row] of HYGIENE_ROWS.entries()) {
          const user = `row${index}.${listener}.${way.replaceAll(' ', '')}`.toLowerCase();
          const taken = row.verdict === 'Taken' || (row.verdict === 'Bare' && mode === 'Normalize');
          expected.set(user, taken ? arrivesAs(row) : undefined);
          const hand = await client(listener);
          await hand.hello();
          const { octets, before } = send(row);
          const replies = await hand.ask(
            `MAIL FROM:<s@shop.example>\r\nRCPT TO:<${user}@chunks.example>\r\nRCPT TO:<${user}@dots.example>\r\n${octets}NOOP\r\n`,
            3,
          );
          assert.deepEqual(
            replies.map((reply) => reply.slice(0, 3)),
            ['250', '250', '250'],
          );
          const after: string[] = [];
          for (
            let reply = await hand.reply();
            !reply.startsWith('250 2.0.0 OK');
            reply = await hand.reply()
          ) {
            assert.notEqual(reply, 'closed');
            after.push(reply);
          }
          const last = after.find((reply) => !/^(354|250 2\.0\.0 \d+ octets|503 )/.test(reply)) ?? '';
          const wanted = taken
            ? /^250 2\.0\.0 queued as /
            : row.verdict === 'Refused'
              ? row.reply
              : /^550 5\.6\.11 /;
          assert.match(last, wanted, `${row.name}: ${after.join(' / ')}`);
          assert.equal(after.length, before + 1, `${row.name}: ${after.join(' / ')}`);
          hand.destroy();
        }
        await allDelivered();
        for (const [user, text] of expected) {
          for (const [domain, sink] of [
            ['chunks.example', chunks],
            ['dots.example', dots],
          ] as const) {
            assert.deepEqual(textOf(sink, `${user}@${domain}`), text === undefined ? [] : [text]);
          }
        }
        assert.deepEqual([...chunks.offences, ...dots.offences].slice(offences), []);
        assert.deepEqual(textOf(chunks, 'victim@chunks.example'), []);
      });
    }
  }
}

for (const listener of MODES.flatMap((mode) => [mode, `${mode}-tls`])) {
  test(`${listener}: an address is carried as it was written, or refused`, async () => {
    const start = chunks.mails.length;
    const hand = await client(listener);
    await hand.hello();
    for (const [written, arrives] of ADDRESS_ROWS) {
      const [, reply = ''] = await hand.ask(
        `MAIL FROM:<s@shop.example> SMTPUTF8\r\nRCPT TO:<${written}>\r\n`,
        2,
      );
      assert.equal(reply.startsWith('250 '), arrives !== undefined, `${JSON.stringify(written)}: ${reply}`);
      if (arrives === undefined) await hand.ask('RSET\r\n');
      else assert.match((await hand.ask('DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n', 2))[1] ?? '', /^250 /);
    }
    hand.destroy();
    await allDelivered();
    const arrived = chunks.mails
      .slice(start)
      .map(({ recipients }) => recipients[0]?.replace(/(>)[^>]*$/, '$1'));
    const wanted = ADDRESS_ROWS.flatMap(([, arrives]) => (arrives === undefined ? [] : [`<${arrives}>`]));
    assert.deepEqual(arrived.toSorted(), wanted.toSorted());
  });

  test(`${listener}: a command with what no command may carry has no effect beyond its reply`, async () => {
    const start = chunks.mails.length;
    for (const [octets, expected] of COMMAND_ROWS) {
      const hand = await client(listener);
      await hand.hello();
      const [reply = '', ...rest] = await hand.ask(`${octets}RCPT TO:<victim@chunks.example>\r\nNOOP\r\n`, 3);
      assert.match(reply, expected, JSON.stringify(octets));
      assert.deepEqual(
        rest.map((text) => text.slice(0, 9)),
        ['503 5.5.1', '250 2.0.0'],
        JSON.stringify(octets),
      );
      hand.destroy();
    }
    await allDelivered();
    assert.equal(chunks.mails.length, start);
  });
}
