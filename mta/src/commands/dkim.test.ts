import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { filesIn, HEAD, sluice } from './command-run.fixture.ts';

const CONFIG = `${HEAD}kind: MtaConfig
spec:
  listeners: {smtp: [{name: in, address: '127.0.0.1:0', relayNetworks: [127.0.0.0/8]}]}
  spool: {type: SQLite, sqlite: {path: spool.db}}
  resources: {directory: resources}
  tenants: [{name: shop}, {name: late}, {name: free}]
  dkim:
    rules:
    - name: shops
      match: {tenants: [shop]}
      signatures:
      - {selector: s1, keyFile: 's1.pem'}
      - {selector: s2, keyFile: 'none.pem', onMissingKey: SendUnsigned}
    - {name: late, match: {tenants: [late]}, signatures: [{selector: s2, keyFile: none.pem, onMissingKey: Hold}]}
    - {name: free, match: {tenants: [free]}, signatures: []}
    - {name: rest, signatures: [{selector: s2, keyFile: none.pem}]}
`;

test('a new key comes with the record to publish, and is never written over one that may be published', async (context) => {
  const root = filesIn({ 'a.txt': '' });
  context.after(() => rmSync(root, { recursive: true }));
  const name = ['--domain', 'Shop.example', '--selector', 's1'];
  const rsa = await sluice(['dkim', 'key', `${root}rsa.pem`, ...name], root);
  assert.match(rsa.out, /^s1\._domainkey\.shop\.example\. IN TXT "v=DKIM1; k=rsa; p=[^"]{230,}" "[^"]+"\n$/);
  assert.equal(statSync(`${root}rsa.pem`).mode & 0o777, 0o600, 'nobody else reads it');
  assert.deepEqual(await sluice(['dkim', 'record', `${root}rsa.pem`, ...name], root), rsa);
  const before = readFileSync(`${root}rsa.pem`, 'utf8');
  const again = await sluice(['dkim', 'key', `${root}rsa.pem`, ...name], root);
  assert.notEqual(again.exitCode, 0);
  assert.match(again.err, /SLUICE_DKIM_KEY_FILE/);
  assert.equal(readFileSync(`${root}rsa.pem`, 'utf8'), before);
  const ed = await sluice(['dkim', 'key', `${root}ed.pem`, '--ed25519', ...name], root);
  assert.match(ed.out, /"v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}="\n$/);
  const bad = await sluice(['dkim', 'record', `${root}a.txt`, ...name], root);
  assert.match(bad.err, /a\.txt cannot be used: it is not PEM/);
});

test('dkim check says what a message would get, or why it would not leave', async (context) => {
  const root = filesIn({ 'sluice.yaml': CONFIG, 'mail.eml': 'From: a@shop.example\nSubject: x\n\nHi\n' });
  context.after(() => rmSync(root, { recursive: true }));
  await sluice(['dkim', 'key', `${root}s1.pem`, '--domain', 'shop.example', '--selector', 's1']);
  const check = (tenant: string, ...more: string[]) =>
    sluice(
      ['dkim', 'check', `${root}mail.eml`, '--config', `${root}sluice.yaml`, '--tenant', tenant, ...more],
      root,
    );
  const signed = await check('shop');
  assert.equal(signed.exitCode, 0);
  assert.match(signed.out, /^Rule shops:\nDKIM-Signature: v=1; a=rsa-sha256; .*\n\td=shop\.example; s=s1;/);
  assert.match(
    signed.out,
    /\nLeft out: no key for shop\.example \(selector s2\): none\.pem: there is no such file\.\n$/,
  );
  assert.deepEqual(await check('late'), {
    exitCode: 1,
    out: 'Rule late: it would be held: no key for shop.example (selector s2): none.pem: there is no such file.\n',
    err: '',
  });
  assert.match((await check('')).out, /^Rule rest: it would be refused: no key for shop\.example/);
  assert.equal((await check('free')).out, 'Rule free: it would be sent unsigned.\n');
  const json = JSON.parse((await check('shop', '--json')).out);
  assert.equal(json.kind, 'signed');
  assert.equal(json.leftOut.length, 1);
});
