import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Envelope, newMessageId, openSqliteSpool } from '@sluice/mta/spool';
import { FALSE_ENDS } from '../harness/hygiene-table.ts';
import { readQueue } from '../harness/queue-reader.ts';
import { startRecordingSink } from '../harness/recording-sink.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const SMUGGLED = 'MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@a.example>\r\nDATA\r\nevil\r\n.\r\n';
const DANGEROUS_TEXTS = [
  ...FALSE_ENDS.map((sequence) => `Subject: x\r\n\r\nx${sequence}${SMUGGLED}`),
  'Subject: x\r\n\r\nx\r\n\0.\r\nx\r\n',
  'Subject: x\nBcc: evil@x.example\r\n\r\nx\r\n',
  'Subject: x\r\n\r\nx\r',
  '\n',
];
const DANGEROUS_ADDRESSES = [
  `x>\r\n${SMUGGLED}`,
  'x\r\nDATA',
  'x\nRSET',
  'x\rRSET',
  'x> NOTIFY=NEVER',
  'x NOTIFY=NEVER',
  '"x"y> z"@a.example',
  'x\0',
  'x\x85',
].map((local) => (local.endsWith('@a.example') ? local : `${local}@a.example`));
const GOOD = 'Subject: good\r\n\r\n.\r\n..\r\ngood\r\n';

for (const extensions of [['PIPELINING', 'CHUNKING'], ['PIPELINING'], []]) {
  const offers = extensions.length === 0 ? 'nothing' : extensions.join(' and ');
  test(`whatever is in the spool, no message becomes two on its way to a host that offers ${offers}`, async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-outbound-'));
    const spool = await openSqliteSpool({ path: join(directory, 'spool.sqlite'), minFreeBytes: 0 });
    const append = async (text: string, sender: string, recipient: string): Promise<void> => {
      const body = [Buffer.from(text.slice(0, 7), 'latin1'), Buffer.from(text.slice(7), 'latin1')];
      const nowMs = Date.now();
      const envelope: Envelope = {
        id: newMessageId(nowMs),
        sender,
        recipients: [recipient],
        tenant: '',
        campaign: '',
        class: '',
        acceptedAtMs: nowMs,
        notBeforeMs: 0,
        expireAtMs: 0,
        sizeBytes: text.length,
        eightBit: false,
        smtputf8: false,
        origin: 'test',
      };
      assert.ok('sequence' in (await spool.append(envelope, body)));
    };
    for (const text of DANGEROUS_TEXTS) await append(text, 's@shop.example', 'u@a.example');
    for (const address of DANGEROUS_ADDRESSES) {
      await append(GOOD, address, 'u@a.example');
      await append(GOOD, 's@shop.example', address);
    }
    await append(GOOD, 's@shop.example', 'good@a.example');
    await spool.close();

    const sink = await startRecordingSink(extensions);
    const sluice = await startSluice({
      directory,
      spec: {
        routes: [
          routeTo('a.example', sink),
          { domain: '*', hosts: [{ host: sink.address, port: sink.port }] },
        ],
      },
      resources: { 'pool.yaml': onePool(['127.0.8.1']), 'policy.yaml': onePolicy({}) },
    });
    context.after(async () => {
      await sluice.close();
      await sink.close();
      rmSync(directory, { recursive: true });
    });
    await until(
      'the queue is empty',
      () => readQueue(sluice.admin),
      ({ entries }) => entries === 0,
      10_000,
    );
    assert.deepEqual(sink.offences, []);
    const seen = sink.mails.map(({ recipients, text }) => [recipients, text]);
    assert.deepEqual(seen, [[['<good@a.example>'], GOOD]]);
  });
}
