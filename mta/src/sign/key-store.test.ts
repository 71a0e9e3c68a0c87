import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { KEY_RECHECK_MS, KeyStore } from './key-store.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const ed25519 = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const rsa = (bits: number): string =>
  generateKeyPairSync('rsa', { modulusLength: bits })
    .privateKey.export({ format: 'pem', type: 'pkcs1' })
    .toString();

/** A store on a clock of the test; what it told. */
function storeAt(clock: { nowMs: number }) {
  const told: string[] = [];
  const store = new KeyStore({
    nowMs: () => clock.nowMs,
    onChanged: () => told.push('changed'),
    onBroken: (_, flaw) => told.push(flaw),
  });
  /** Asks until the answer satisfies; each time as if the bound had passed. */
  const askUntil = async (file: string, satisfies: (answer: string) => boolean): Promise<string> => {
    const giveUpMs = performance.now() + 5_000;
    while (performance.now() < giveUpMs) {
      clock.nowMs += KEY_RECHECK_MS;
      const answer = await store.get(file);
      const text = 'flaw' in answer ? answer.flaw : answer.algorithm;
      if (satisfies(text)) return text;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return 'never';
  };
  return { store, told, askUntil };
}

test('each way in which a file is no key is told in words that say what to mend', async () => {
  const { store } = storeAt({ nowMs: 0 });
  const encrypted = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' },
    publicKeyEncoding: { format: 'pem', type: 'spki' },
  });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  mkdirSync(join(directory, 'directory.pem'));
  for (const [name, content, words] of [
    ['none.pem', undefined, /no such file/],
    ['directory.pem', undefined, /directory/],
    ['text.pem', 'hello\n', /not PEM/],
    ['public.pem', encrypted.publicKey, /public key/],
    ['encrypted.pem', encrypted.privateKey, /encrypted/],
    ['short.pem', rsa(512), /512 bits/],
    ['ec.pem', ec.export({ format: 'pem', type: 'pkcs8' }).toString(), /type ec/],
    ['certificate.pem', '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n', /CERTIFICATE/],
    ['cut.pem', ed25519().slice(0, 60), /cannot be read/],
  ] as const) {
    const file = join(directory, name);
    if (content !== undefined) writeFileSync(file, content);
    const answer = await store.get(file);
    assert.match('flaw' in answer ? answer.flaw : 'a key', words, name);
  }
});

test('a key that is there later is used without a restart', async () => {
  const clock = { nowMs: 0 };
  const { store, askUntil } = storeAt(clock);
  const file = join(directory, 'late.pem');
  assert.ok('flaw' in (await store.get(file)));
  writeFileSync(file, ed25519());
  const early = store.get(file);
  assert.ok(
    !(early instanceof Promise) && 'flaw' in early,
    'a missing key is not looked for with every message',
  );
  assert.equal(await askUntil(file, (answer) => answer === 'ed25519-sha256'), 'ed25519-sha256');
});

test('a Secret that Kubernetes swaps by its symbolic link is read again, and a removed key is used no more', async () => {
  const { store, told, askUntil } = storeAt({ nowMs: 0 });
  const mount = join(directory, 'mount');
  for (const [version, pem] of [
    ['..v1', rsa(2048)],
    ['..v2', ed25519()],
  ] as const) {
    mkdirSync(join(mount, version), { recursive: true });
    writeFileSync(join(mount, version, 's1.pem'), pem);
  }
  const point = (version: string): void => {
    symlinkSync(version, join(mount, '..data_tmp'));
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
  };
  point('..v1');
  symlinkSync('..data/s1.pem', join(mount, 's1.pem'));
  const file = join(mount, 's1.pem');
  const first = await store.get(file);
  assert.equal('flaw' in first ? first.flaw : first.algorithm, 'rsa-sha256');
  point('..v2');
  assert.equal(await askUntil(file, (answer) => answer === 'ed25519-sha256'), 'ed25519-sha256');
  rmSync(file);
  assert.match(await askUntil(file, (answer) => answer.includes('no such file')), /no such file/);
  assert.deepEqual(told, ['changed', 'there is no such file']);
});

test('a file that is overwritten with nonsense keeps its last good key, and says so once', async () => {
  const { told, store, askUntil } = storeAt({ nowMs: 0 });
  const file = join(directory, 'broken.pem');
  writeFileSync(file, ed25519());
  await store.get(file);
  assert.ok(!('flaw' in (await store.get(file))));
  writeFileSync(file, 'half a ke');
  assert.equal(await askUntil(file, () => told.length > 0), 'ed25519-sha256');
  for (let times = 0; times < 20; times++) await askUntil(file, () => true);
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /not PEM/);
});

test('a thousand messages that need one unread key cause one read', async () => {
  const { store } = storeAt({ nowMs: 0 });
  const file = join(directory, 'herd.pem');
  writeFileSync(file, ed25519());
  const answers = Array.from({ length: 1_000 }, () => store.get(file));
  assert.equal(new Set(answers).size, 1);
  await answers[0];
});
