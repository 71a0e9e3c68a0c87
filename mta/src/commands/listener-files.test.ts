import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { type LogFields, type Logger, loadSettings, thisMachine } from '../config/mod.ts';
import { startSmtpListener } from '../intake/mod.ts';
import { followListenerFiles } from './listener-files.ts';
import { ListenerUsers } from './listener-users.ts';

const POLL_MS = 20;
const root = mkdtempSync(join(tmpdir(), 'sluice-listener-'));
after(() => rmSync(root, { recursive: true }));

type Secret = Readonly<Record<string, string>>;
const pairs: Record<'first' | 'second', { readonly key: string; readonly cert: string }> = {
  first: { key: '', cert: '' },
  second: { key: '', cert: '' },
};
before(() => {
  for (const name of ['first', 'second'] as const) {
    const pem = execFileSync(
      'openssl',
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=${name}.example -keyout -`.split(
        ' ',
      ),
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const cut = pem.indexOf('-----BEGIN CERTIFICATE');
    pairs[name] = { key: pem.slice(0, cut), cert: pem.slice(cut) };
  }
});

/** A Secret as a kubelet mounts it; `swap` is its update. */
function mount(directory: string, secret: Secret): (next: Secret) => void {
  let version = 0;
  mkdirSync(directory);
  const write = (content: Secret): void => {
    const data = `..${++version}`;
    mkdirSync(join(directory, data));
    for (const [name, text] of Object.entries(content)) writeFileSync(join(directory, data, name), text);
    symlinkSync(data, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  };
  write(secret);
  for (const name of Object.keys(secret)) symlinkSync(`..data/${name}`, join(directory, name));
  return write;
}

async function follow(t: TestContext, name: string, users: string) {
  const directory = join(root, name);
  mkdirSync(directory);
  const swapTls = mount(join(directory, 'tls'), { 'tls.key': pairs.first.key, 'tls.crt': pairs.first.cert });
  const swapUsers = mount(join(directory, 'users'), { 'users.yaml': users });
  writeFileSync(
    join(directory, 'sluice.yaml'),
    `apiVersion: sluice.email/v1alpha1
kind: MtaConfig
spec:
  listeners:
    smtp:
      - name: submission
        address: 127.0.0.1:0
        tls: {mode: Implicit, certificateFile: tls/tls.crt, keyFile: tls/tls.key}
        auth: {usersFile: users/users.yaml}
    admin: {address: '127.0.0.1:0'}
  spool: {type: SQLite, sqlite: {path: spool.sqlite}}
  resources: {directory: resources}
`,
  );
  const loaded = loadSettings(join(directory, 'sluice.yaml'), thisMachine());
  assert.ok('settings' in loaded, JSON.stringify(loaded));
  const [settings] = loaded.settings.smtpListeners;
  assert.ok(settings);
  const log: string[] = [];
  const line = (level: string) => (fields: LogFields, message: string) =>
    void log.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger: Logger = {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: () => logger,
  };
  const running = await startSmtpListener(
    {
      host: '127.0.0.1',
      port: 0,
      hostname: 'mta.example',
      relayNetworks: [],
      tls: { ...pairs.first, mode: 'Implicit' },
    },
    async () => undefined,
  );
  const listenerUsers = new ListenerUsers(settings.auth?.users ?? []);
  const watch = followListenerFiles(
    [{ settings, running, users: listenerUsers }],
    loaded.secrets,
    logger,
    POLL_MS,
  );
  t.after(async () => {
    watch.close();
    await running.close(0);
  });
  return { swapTls, swapUsers, log, port: running.port, users: listenerUsers };
}

async function certificateName(port: number): Promise<unknown> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return name;
}

async function logged(log: readonly string[], pattern: RegExp): Promise<string> {
  const giveUpMs = performance.now() + 5_000;
  for (;;) {
    const line = log.find((text) => pattern.test(text));
    if (line !== undefined) return line;
    if (performance.now() > giveUpMs) throw new Error(`never logged: ${pattern}\n${log.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

test('a renewed certificate would wait for a restart, or a broken one would shut TLS clients out', async (t) => {
  const { swapTls, log, port } = await follow(t, 'certificate', '[{username: a, password: b}]');
  await logged(log, /^debug the certificate is in force/);
  assert.equal(await certificateName(port), 'first.example');
  swapTls({ 'tls.key': pairs.first.key, 'tls.crt': pairs.second.cert });
  const refused = await logged(log, /^error the new certificate cannot be used, the old one stays in force/);
  assert.match(refused, /"listener":"submission".*SLUICE_TLS_UNUSABLE/);
  assert.equal(await certificateName(port), 'first.example');
  swapTls({});
  assert.match(await logged(log, /SLUICE_CONFIG_UNREADABLE/), /ENOENT/);
  assert.equal(await certificateName(port), 'first.example');
  swapTls({ 'tls.key': pairs.second.key, 'tls.crt': pairs.second.cert });
  const renewed = await logged(log, /^info another certificate is in force/);
  assert.match(renewed, /"subject":"CN=second\.example","validTo":"/);
  assert.equal(await certificateName(port), 'second.example');
});

test('a new user would wait for a restart, or a broken users file would shut all of them out', async (t) => {
  const { swapUsers, log, users } = await follow(t, 'users', '[{username: old, password: one}]');
  swapUsers({ 'users.yaml': '[{username: old}]' });
  assert.match(await logged(log, /^error a changed file is broken/), /SLUICE_.*users\.yaml/);
  assert.equal(await users.find('old')?.checkPassword('one'), true);
  swapUsers({ 'users.yaml': '[{username: old, password: two}, {username: new, password: three}]' });
  await logged(log, /^info other users are in force \{"listener":"submission","users":2\}/);
  assert.equal(await users.find('old')?.checkPassword('one'), false);
  assert.equal(await users.find('old')?.checkPassword('two'), true);
  assert.equal(await users.find('new')?.checkPassword('three'), true);
  swapUsers({ 'users.yaml': '[{username: new, password: three}]' });
  await logged(log, /^info other users are in force \{"listener":"submission","users":1\}/);
  assert.equal(users.find('old'), undefined);
});
