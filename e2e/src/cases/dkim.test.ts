import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { dkimpyVerdicts, skipWithoutDkimpy } from '../harness/dkimpy.ts';
import { HandClient } from '../harness/hand-client.ts';
import { startOddHost } from '../harness/odd-host.ts';
import { oddMails } from '../harness/odd-mail.ts';
import { type RecordingSink, startRecordingSink } from '../harness/recording-sink.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';
import { type DnsServer, startDnsServer } from '../internet/dns-server.ts';

const MAILS = 2_000;
/** Each with its own canonicalization; all have an RSA and an Ed25519 signature. */
const AUTHORS = {
  'c0.example': 'relaxed/relaxed',
  'c1.example': 'relaxed/simple',
  'c2.example': 'simple/relaxed',
  'c3.example': 'simple/simple',
} as const;
const AUTHOR_DOMAINS = Object.keys(AUTHORS);

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const rsaNew = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ed25519 = generateKeyPairSync('ed25519').privateKey;

const records: Record<string, string> = {
  's1._domainkey.late.example': dnsRecord(rsa),
  's1._domainkey.turn.example': dnsRecord(rsa),
  'rsa._domainkey.mta.example': dnsRecord(rsa),
};
for (const domain of AUTHOR_DOMAINS) {
  records[`rsa._domainkey.${domain}`] = dnsRecord(rsa);
  records[`ed._domainkey.${domain}`] = dnsRecord(ed25519);
}

let dns: DnsServer;
let directory: string;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-dkim-'));
  dns = await startDnsServer({
    zone: ({ name, type }) => {
      const text = records[name];
      return text === undefined ? undefined : { records: type === 'TXT' ? [{ type: 'TXT', text }] : [] };
    },
  });
  mkdirSync(join(directory, 'keys'));
  writeKey('rsa.pem', rsa);
  writeKey('ed.pem', ed25519);
});
after(async () => {
  await dns.close();
  rmSync(directory, { recursive: true, force: true });
});

/** RFC 6376 §3.6.1, RFC 8463 §4. */
function dnsRecord(key: KeyObject): string {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return key.asymmetricKeyType === 'ed25519'
    ? `v=DKIM1; k=ed25519; p=${spki.subarray(-32).toString('base64')}`
    : `v=DKIM1; k=rsa; p=${spki.toString('base64')}`;
}

/** As Kubernetes puts a Secret in place: whole, or not at all. */
function writeKey(name: string, key: KeyObject): void {
  const file = join(directory, 'keys', name);
  writeFileSync(`${file}.new`, key.export({ format: 'pem', type: 'pkcs8' }));
  renameSync(`${file}.new`, file);
}

function resolver(): (name: string, type: string) => Promise<string[][]> {
  const asked = new Resolver();
  asked.setServers([`${dns.address}:${dns.port}`]);
  return (name) => asked.resolveTxt(name);
}

/** `pass c0.example rsa` for each signature, by mailauth, which asks the DNS server. */
async function verdicts(message: string, resolve = resolver()): Promise<readonly string[]> {
  const { results } = await dkimVerify(Buffer.from(message, 'latin1'), { resolver: resolve });
  return results.map(
    ({ status, signingDomain, selector }) => `${status.result} ${signingDomain} ${selector}`,
  );
}

const stuffed = (text: string): string => text.replace(/(^|\r\n)\./g, '$1..');

async function startPod(
  dkim: unknown,
  sinks: Readonly<Record<string, RecordingSink>>,
  where?: string,
): Promise<SluiceProcess> {
  return startSluice({
    spec: { routes: Object.entries(sinks).map(([domain, sink]) => routeTo(domain, sink)), dkim },
    resources: { 'pool.yaml': onePool(['127.0.9.1']), 'policy.yaml': onePolicy({}) },
    ...(where === undefined ? {} : { directory: where }),
  });
}

const metric = async (sluice: SluiceProcess, name: string): Promise<number> => {
  const text = await (await fetch(`${sluice.admin}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
};

test(`${MAILS} odd messages: what the receiver gets verifies, after every hop of ours`, {
  timeout: 120_000,
}, async (context) => {
  // One host gets DATA with dots stuffed, the other BDAT.
  const sinks = {
    'data.example': await startRecordingSink(['PIPELINING', '8BITMIME']),
    'bdat.example': await startRecordingSink(['PIPELINING', 'CHUNKING', '8BITMIME', 'SMTPUTF8']),
  };
  const sluice = await startPod(
    {
      rules: Object.entries(AUTHORS).map(([domain, canonicalization], index) => ({
        name: `r${index}`,
        match: { fromDomains: [domain] },
        signatures: ['rsa', 'ed'].map((selector) => ({
          selector,
          canonicalization,
          keyFile: join(directory, 'keys', '{selector}.pem'),
        })),
      })),
    },
    sinks,
  );
  context.after(async () => {
    await sluice.close();
    for (const sink of Object.values(sinks)) await sink.close();
  });
  const mails = oddMails(20_261_124, MAILS, (number) => AUTHOR_DOMAINS[number % AUTHOR_DOMAINS.length] ?? '');
  const client = new HandClient(sluice.smtp);
  await client.hello();
  for (const [number, text] of mails.entries()) {
    const domain = number % 3 === 0 ? 'bdat.example' : 'data.example';
    const reply = await client.mail('news@esp.example', [`m${number}@${domain}`], stuffed(text));
    assert.match(reply, /^250/, JSON.stringify(text.slice(0, 500)));
  }
  client.destroy();
  const all = Object.values(sinks);
  await until(
    'everything is delivered',
    () => all.reduce((sum, sink) => sum + sink.mails.length, 0),
    (delivered) => delivered === MAILS,
    30_000,
  );
  const received = all.flatMap((sink) => sink.mails);
  const domainOf = (recipient: string): string =>
    AUTHOR_DOMAINS[Number(/m(\d+)@/.exec(recipient)?.[1]) % AUTHOR_DOMAINS.length] ?? '';
  const resolve = resolver();
  for (const { text, recipients } of received) {
    const domain = domainOf(recipients[0] ?? '');
    const expected = [`pass ${domain} rsa`, `pass ${domain} ed`];
    assert.deepEqual(await verdicts(text, resolve), expected, JSON.stringify(text.slice(0, 3_000)));
  }

  await context.test(
    'dkimpy, a second implementation, agrees',
    {
      skip: skipWithoutDkimpy('odd messages verified by a second implementation'),
      timeout: 60_000,
    },
    async () => {
      const answers = await dkimpyVerdicts(
        received.map(({ text }) => Buffer.from(text, 'latin1')),
        records,
      );
      assert.equal(answers.length, MAILS);
      for (const [index, answer] of answers.entries()) {
        const mail = received[index];
        const domain = domainOf(mail?.recipients[0] ?? '');
        assert.equal(answer, `${domain}=True ${domain}=True`, JSON.stringify(mail?.text.slice(0, 3_000)));
      }
    },
  );
});

const plain = (domain: string): string =>
  `From: news@${domain}\r\nTo: a@data.example\r\nSubject: Hello\r\n\r\nHello\r\n`;

test('a missing key refuses or holds as the rule says; a held message is never sent unsigned, not even after a crash', {
  timeout: 60_000,
}, async (context) => {
  const sink = await startRecordingSink(['PIPELINING']);
  const where = mkdtempSync(join(tmpdir(), 'sluice-held-'));
  const keyFile = join(directory, 'keys', '{domain}.pem');
  const dkim = {
    rules: [
      {
        name: 'hold',
        match: { fromDomains: ['late.example'] },
        signatures: [{ selector: 's1', keyFile, onMissingKey: 'Hold' }],
      },
      {
        name: 'unsigned',
        match: { fromDomains: ['plain.example'] },
        signatures: [{ selector: 's1', keyFile, onMissingKey: 'SendUnsigned' }],
      },
      { name: 'rest', signatures: [{ selector: 's1', keyFile }] },
    ],
  };
  let sluice = await startPod(dkim, { 'data.example': sink }, where);
  context.after(async () => {
    await sluice.close();
    await sink.close();
    rmSync(where, { recursive: true, force: true });
  });
  const client = new HandClient(sluice.smtp);
  await client.hello();
  const refused = await client.mail('x@esp.example', ['a@data.example'], plain('other.example'));
  assert.match(refused, /^451 4\.7\.5 .*other\.example/, 'the refusal names the domain');
  assert.match(await client.mail('x@esp.example', ['held@data.example'], plain('late.example')), /^250/);
  assert.match(await client.mail('x@esp.example', ['plain@data.example'], plain('plain.example')), /^250/);
  client.destroy();
  await until(
    'the message that may go unsigned is there',
    () => sink.mails.length,
    (count) => count === 1,
    10_000,
  );
  assert.match(sink.mails[0]?.recipients[0] ?? '', /plain@/);
  assert.equal(await metric(sluice, 'sluice_held_entries'), 1);
  assert.equal(await metric(sluice, 'sluice_dkim_missing_keys_total\\{consequence="Refuse"\\}'), 1);

  await sluice.kill('SIGKILL');
  sluice = await startPod(dkim, { 'data.example': sink }, where);
  await until(
    'the message is held again',
    () => metric(sluice, 'sluice_held_entries'),
    (held) => held === 1,
    10_000,
  );
  assert.equal(sink.mails.length, 1);
  writeKey('late.example.pem', rsa);
  await until(
    'the held message is sent once its key is there',
    () => sink.mails.length,
    (count) => count === 2,
    20_000,
  );
  assert.match(sink.mails[1]?.recipients[0] ?? '', /held@/);
  assert.deepEqual(await verdicts(sink.mails[1]?.text ?? ''), ['pass late.example s1']);
  assert.equal(await metric(sluice, 'sluice_held_entries'), 0);
});

test('a rotated key is in use within seconds, without a restart', { timeout: 60_000 }, async (context) => {
  const sink = await startRecordingSink(['PIPELINING']);
  writeKey('turn.pem', rsa);
  const sluice = await startPod(
    {
      rules: [
        { name: 'turn', signatures: [{ selector: 's1', keyFile: join(directory, 'keys', 'turn.pem') }] },
      ],
    },
    { 'data.example': sink },
  );
  context.after(async () => {
    await sluice.close();
    await sink.close();
  });
  const client = new HandClient(sluice.smtp);
  context.after(() => client.destroy());
  await client.hello();
  const send = async (): Promise<string> => {
    const count = sink.mails.length + 1;
    assert.match(await client.mail('x@esp.example', ['a@data.example'], plain('turn.example')), /^250/);
    await until(
      'it is there',
      () => sink.mails.length,
      (now) => now === count,
      10_000,
    );
    return sink.mails.at(-1)?.text ?? '';
  };
  assert.deepEqual(await verdicts(await send()), ['pass turn.example s1']);
  writeKey('turn.pem', rsaNew);
  // The DNS record follows; a signature by the old key would fail now.
  records['s1._domainkey.turn.example'] = dnsRecord(rsaNew);
  await until(
    'the new key signs',
    async () => verdicts(await send()),
    ([verdict]) => verdict === 'pass turn.example s1',
    10_000,
  );
});

test('a bounce that Sluice writes is signed as any other mail, or receivers drop what the sender waits for', {
  timeout: 60_000,
}, async (context) => {
  const sink = await startRecordingSink(['PIPELINING']);
  const full = await startOddHost({
    greeting: '220 full.example',
    command: (verb) => (verb === 'RCPT' ? '550 5.1.1 No such user' : undefined),
  });
  const sluice = await startSluice({
    spec: {
      hostname: 'mta.example',
      dsn: { reports: 'Enabled' },
      routes: [routeTo('full.example', full), routeTo('esp.example', sink)],
      dkim: {
        rules: [
          {
            name: 'all',
            signatures: [{ selector: 'rsa', keyFile: join(directory, 'keys', '{selector}.pem') }],
          },
        ],
      },
    },
    resources: { 'pool.yaml': onePool(['127.0.9.1']), 'policy.yaml': onePolicy({}) },
  });
  context.after(async () => {
    await sluice.close();
    await full.close();
    await sink.close();
  });
  const client = new HandClient(sluice.smtp);
  context.after(() => client.destroy());
  await client.hello();
  assert.match(await client.mail('sender@esp.example', ['a@full.example'], plain('late.example')), /^250/);
  await until(
    'the report is there',
    () => sink.mails.length,
    (count) => count === 1,
    20_000,
  );
  assert.match(sink.mails[0]?.mail ?? '', /^<>/);
  assert.deepEqual(await verdicts(sink.mails[0]?.text ?? ''), ['pass mta.example rsa']);
});
