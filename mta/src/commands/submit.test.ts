import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type DkimSignatureSettings, loadSettings } from '../config/mod.ts';
import type { AcceptRefusal } from '../dispatch/mod.ts';
import { createLogger, createMetrics } from '../report/mod.ts';
import { type Envelope, type MessageBody, newMessageId } from '../spool/mod.ts';
import { createSigning } from './signing.ts';
import { createSubmit } from './submit.ts';

const MAIL = 'From: a@shop.example\r\nSubject: x\r\n\r\nHi\r\n';

interface Taken {
  readonly envelope: Envelope;
  readonly text: string;
}

/** `submit` with one rule for all mail, over a store that takes everything, or refuses it. */
function submitWith(
  context: TestContext,
  onMissingKey: DkimSignatureSettings['onMissingKey'],
  refusal?: AcceptRefusal,
) {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-submit-'));
  const metrics = createMetrics();
  context.after(() => {
    metrics.close();
    rmSync(directory, { recursive: true });
  });
  const file = join(directory, 'sluice.yaml');
  writeFileSync(
    file,
    [
      'apiVersion: sluice.email/v1alpha1',
      'kind: MtaConfig',
      'spec:',
      "  listeners: {smtp: [{name: in, address: '127.0.0.1:0', relayNetworks: [127.0.0.0/8]}]}",
      '  spool: {type: SQLite, sqlite: {path: spool.db}}',
      '  resources: {directory: resources}',
      `  dkim: {rules: [{name: all, signatures: [{selector: s1, keyFile: '{domain}.pem', onMissingKey: ${onMissingKey}}]}]}`,
    ].join('\n'),
  );
  const loaded = loadSettings(file);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  const taken: Taken[] = [];
  const lines: string[] = [];
  const logger = createLogger(loaded.settings.log, { write: (line) => lines.push(line) });
  const dispatcher = {
    async accept(envelope: Envelope, body: MessageBody) {
      if (refusal === undefined) taken.push({ envelope, text: Buffer.concat(body).toString() });
      return refusal;
    },
  };
  const signing = createSigning(loaded.settings.dkim, metrics, logger);
  const submit = createSubmit({ dispatcher, signing, metrics, logger });
  const addKey = (): void => {
    const { privateKey } = generateKeyPairSync('ed25519');
    writeFileSync(join(directory, 'shop.example.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
  };
  const counted = async (name: string): Promise<string | undefined> =>
    (await metrics.render()).split('\n').find((line) => line.startsWith(`${name} `));
  return { submit, signing, taken, lines, addKey, counted, directory };
}

function mail(): [Envelope, MessageBody] {
  const envelope: Envelope = {
    id: newMessageId(Date.now()),
    sender: 'bounces@esp.example',
    recipients: ['a@customer.example'],
    tenant: '',
    campaign: '',
    class: '',
    acceptedAtMs: Date.now(),
    notBeforeMs: 0,
    expireAtMs: 0,
    sizeBytes: MAIL.length,
    eightBit: false,
    smtputf8: false,
    origin: 'test',
  };
  return [envelope, [Buffer.from(MAIL)]];
}

test('what is stored is signed, and its size is that of the signed message, or SIZE lies to the next host', async (context) => {
  const { submit, taken, addKey, counted } = submitWith(context, 'Refuse');
  addKey();
  assert.equal(await submit.client(...mail()), undefined);
  assert.match(
    taken[0]?.text ?? '',
    /^DKIM-Signature: v=1; a=ed25519-sha256;.*\r\nFrom: a@shop\.example\r\n/s,
  );
  assert.equal(taken[0]?.envelope.sizeBytes, taken[0]?.text.length);
  assert.equal(taken[0]?.envelope.awaitsSignature, undefined);
  assert.match((await counted('sluice_dkim_signatures_total')) ?? '', / 1$/);
});

test('Refuse: nothing is stored, and the client reads whose key is missing', async (context) => {
  const { submit, taken, lines, counted } = submitWith(context, 'Refuse');
  assert.deepEqual(await submit.client(...mail()), {
    code: 451,
    enhanced: '4.7.5',
    text: 'No DKIM key for shop.example (selector s1), try again later',
  });
  await submit.client(...mail());
  assert.deepEqual(taken, []);
  assert.equal(
    lines.filter((line) => line.includes('a DKIM key is missing')).length,
    1,
    'logged once a minute',
  );
  assert.match((await counted('sluice_dkim_missing_keys_total{consequence="Refuse"}')) ?? '', / 2$/);
});

test('Hold: stored as it came, with the key that it waits for; signed later with that key', async (context) => {
  const { submit, signing, taken, addKey, directory } = submitWith(context, 'Hold');
  const [envelope, body] = mail();
  assert.equal(await submit.client(envelope, body), undefined);
  const file = join(directory, 'shop.example.pem');
  assert.equal(taken[0]?.envelope.awaitsSignature, file);
  assert.equal(taken[0]?.text, MAIL);
  assert.equal(await signing?.hasKey(file), false);
  assert.deepEqual(await signing?.sign(envelope, body), { waitsFor: file });
  addKey();
  const giveUpMs = performance.now() + 10_000;
  while (!(await signing?.hasKey(file)) && performance.now() < giveUpMs)
    await new Promise((resolve) => setImmediate(resolve));
  const signed = await signing?.sign(envelope, body);
  assert.ok(signed !== undefined && 'body' in signed);
  assert.match(signed.body[0]?.toString() ?? '', /^DKIM-Signature/);
  assert.equal(signed.sizeBytes, Buffer.concat(signed.body).length);
});

test('a report of our own is stored although its key is missing: a bounce that is not sent helps nobody', async (context) => {
  for (const onMissingKey of ['Refuse', 'Hold', 'SendUnsigned'] as const) {
    const { submit, taken } = submitWith(context, onMissingKey);
    assert.equal(await submit.own(...mail()), undefined);
    assert.equal(taken[0]?.text, MAIL, onMissingKey);
    assert.equal(taken[0]?.envelope.awaitsSignature, undefined);
  }
});

test('mail that no key could ever sign is refused for good, so that its sender hears of it now', async (context) => {
  const { submit } = submitWith(context, 'Hold');
  const [envelope] = mail();
  const refusal = await submit.client(envelope, [Buffer.from('Subject: no author\r\n\r\nHi\r\n')]);
  assert.deepEqual(refusal, {
    code: 550,
    enhanced: '5.7.5',
    text: 'Message cannot be signed: From does not name exactly one domain',
  });
});

test('what the store refuses is refused as without signatures', async (context) => {
  const { submit } = submitWith(context, 'SendUnsigned', { refused: 'full', reason: 'disk' });
  assert.equal((await submit.client(...mail()))?.code, 452);
});
