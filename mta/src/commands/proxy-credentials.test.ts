import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Logger, loadSettings } from '../config/mod.ts';
import { followCredentials } from './proxy-credentials.ts';

test('a password of a proxy that is changed in its Secret is used without a restart; an unreadable one changes nothing', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-credentials-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const secret = join(directory, 'password');
  writeFileSync(secret, 'old\n');
  const file = join(directory, 'sluice.yaml');
  writeFileSync(
    file,
    `apiVersion: sluice.email/v1alpha1
kind: MtaConfig
spec:
  listeners: {smtp: [{name: a, address: "127.0.0.1:0", relayNetworks: [127.0.0.0/8]}]}
  spool: {type: SQLite, sqlite: {path: spool.db}}
  resources: {directory: .}
  credentials: [{name: egress, username: mta, passwordFile: password}]
`,
  );
  const loaded = loadSettings(file);
  assert.ok('settings' in loaded);
  const credentials = new Map(loaded.settings.credentials);
  assert.equal(credentials.get('egress')?.password, 'old');
  let said = Promise.withResolvers<string>();
  const say = (_fields: unknown, text?: string): void => said.resolve(text ?? '');
  const logger: Logger = { debug() {}, info: say, warn() {}, error: say, child: () => logger };
  const followed = followCredentials(credentials, loaded.secrets, logger, 20);
  context.after(() => followed.close());
  writeFileSync(secret, 'renewed\n');
  assert.equal(await said.promise, 'other credentials are in force');
  assert.equal(credentials.get('egress')?.password, 'renewed');
  said = Promise.withResolvers<string>();
  rmSync(secret);
  assert.equal(await said.promise, 'a changed file is broken, the old credentials stay in force');
  assert.equal(credentials.get('egress')?.password, 'renewed');
});
