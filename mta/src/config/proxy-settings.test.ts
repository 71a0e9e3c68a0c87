import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadProxyUsers } from './proxy-users.ts';
import { loadSettings } from './settings-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-proxy-settings-'));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function problems(members: string): readonly string[] {
  const loaded = loadSettings(
    file(
      'sluice.yaml',
      `apiVersion: sluice.email/v1alpha1
kind: MtaConfig
spec:
  listeners: {smtp: [{name: a, address: "127.0.0.1:0", relayNetworks: [127.0.0.0/8]}]}
  spool: {type: SQLite, sqlite: {path: spool.db}}
  resources: {directory: .}
${members}`,
    ),
  );
  return 'problems' in loaded ? loaded.problems.map(({ line, what }) => `${line} ${what}`) : [];
}

test('a credential that no proxy could be told is a mistake with its line, not a failed connection', () => {
  file('not-pem', 'x');
  assert.deepEqual(problems('  credentials: [{name: a, username: u, password: p}]\n'), []);
  assert.deepEqual(
    problems(
      `  credentials:
  - {name: a, username: u}
  - {name: a, username: u, password: p}
  - {name: b, username: ${'ü'.repeat(200)}, password: p}
  - {name: c, username: u, passwordFile: gone}
  egress: {proxyCaFile: not-pem}
`,
    ).map((text) => text.replaceAll(directory, '')),
    [
      '9 "a" is listed twice.',
      '8 Credential "a" has no password.',
      '10 SOCKS5 cannot carry the user name or the password of "b".',
      "11 Cannot read /gone: ENOENT: no such file or directory, open '/gone'.",
      '11 SOCKS5 cannot carry the user name or the password of "c".',
      '12 /not-pem holds no certificate.',
    ],
  );
});

test('users of sluice proxy come from a file, passwords from files beside it, and mistakes have lines', () => {
  file('secret', 'from a file\n');
  const good = loadProxyUsers(
    file('users.yaml', '- {username: a, passwordFile: secret}\n- {username: b, password: in place}\n'),
  );
  assert.deepEqual(good, {
    users: [
      { username: 'a', password: 'from a file' },
      { username: 'b', password: 'in place' },
    ],
  });
  const bad = loadProxyUsers(
    file('bad.yaml', '- {username: a}\n- {username: a, password: x}\n- {username: c, passwordFile: gone}\n'),
  );
  assert.ok('problems' in bad);
  assert.deepEqual(
    bad.problems.map(({ line, what }) => `${line} ${what.replaceAll(directory, '')}`),
    [
      '1 User "a" has no password, or two.',
      "undefined Cannot read /gone: ENOENT: no such file or directory, open '/gone'.",
      '2 User "a" is listed twice.',
    ],
  );
  for (const text of ['[]', 'x', '- {username: a, pasword: x}', '[['])
    assert.ok('problems' in loadProxyUsers(file('wrong.yaml', text)), text);
  assert.ok('problems' in loadProxyUsers(join(directory, 'gone.yaml')));
});
