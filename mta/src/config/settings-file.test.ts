import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Problem } from '@sluice/crds';
import type { Settings } from './settings.ts';
import { loadSettings } from './settings-file.ts';
import { type Surroundings, thisMachine } from './surroundings.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-settings-'));
after(() => rmSync(directory, { recursive: true }));

const machine: Surroundings = {
  hostname: 'pod-1.example',
  memoryBytes: 512 * 2 ** 20,
  dnsServers: [{ host: '127.0.0.53', port: 53 }],
};

const SMALLEST = `apiVersion: sluice.email/v1alpha1
kind: MtaConfig
spec:
  listeners:
    smtp:
    - {name: in, address: '127.0.0.1:0', relayNetworks: [127.0.0.0/8]}
  spool: {type: SQLite, sqlite: {path: spool.db}}
  resources: {directory: resources}
`;

function file(text: string, name = 'sluice.yaml'): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function settingsOf(text: string): Settings {
  const loaded = loadSettings(file(text), machine);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  return loaded.settings;
}

function problemsOf(text: string): readonly Problem[] {
  const loaded = loadSettings(file(text), machine);
  if ('settings' in loaded) assert.fail('the file was taken');
  return loaded.problems;
}

/** The only problem of the smallest file with one text replaced. */
function problemWith(search: string, replacement: string): Problem {
  assert.ok(SMALLEST.includes(search));
  const problems = problemsOf(SMALLEST.replace(search, replacement));
  assert.equal(problems.length, 1, JSON.stringify(problems));
  return problems[0] ?? assert.fail();
}

test('reports to senders follow RFC 3461 unless the file says otherwise, for all mail or for a tenant', () => {
  const { dsn, smtpListeners } = settingsOf(SMALLEST);
  assert.deepEqual(dsn, {
    reports: 'Enabled',
    from: 'MAILER-DAEMON@pod-1.example',
    delayed: 'OnRequest',
    delayedAfterMs: 4 * 3_600_000,
    maxReturnedBytes: 2 ** 20,
  });
  assert.equal(smtpListeners[0]?.dsn, 'Enabled');
  const changed = settingsOf(
    `${SMALLEST}  dsn: {reports: OnRequest, from: bounces@esp.example, delayed: Always, delayedAfter: 30m, maxReturnedBytes: 64Ki}
  tenants:
  - {name: shop, reports: Enabled}
`,
  );
  assert.deepEqual(changed.dsn, {
    reports: 'OnRequest',
    from: 'bounces@esp.example',
    delayed: 'Always',
    delayedAfterMs: 1_800_000,
    maxReturnedBytes: 65_536,
  });
  assert.equal(changed.tenants[0]?.reports, 'Enabled');
  const [problem] = problemsOf(`${SMALLEST}  dsn: {from: 'Mail <x@y.example>'}\n`);
  assert.equal(problem?.cure, 'Write it as postmaster@example.com.');
});

test('the smallest file is enough: everything else has a default', () => {
  const settings = settingsOf(SMALLEST);
  assert.equal(settings.hostname, 'pod-1.example');
  assert.equal(settings.spool.type === 'SQLite' && settings.spool.path, join(directory, 'spool.db'));
  assert.equal(settings.resourcesDirectory, join(directory, 'resources'));
  assert.equal(settings.providers, 'Enabled');
  assert.equal(settings.smtpPort, 25);
  assert.deepEqual(settings.adminAddress, { host: '127.0.0.1', port: 9025 });
  assert.deepEqual(settings.dns, { servers: machine.dnsServers, timeoutMs: 3_000, attempts: 4 });
  assert.deepEqual(settings.memory, { maxBytes: 512 * 2 ** 20, lowWaterPercent: 85 });
  assert.deepEqual(settings.events, { stdout: 'Disabled' });
  const [listener] = settings.smtpListeners;
  assert.equal(listener?.limits.idleTimeoutMs, 300_000);
  assert.ok((listener?.limits.maxMessageBytes ?? 0) > 50e6 * 1.37, 'a 50 MB attachment passes');
  assert.equal(listener?.relayNetworks[0]?.contains('::ffff:127.9.9.9'), true);
  assert.equal(listener?.relayNetworks[0]?.contains('128.0.0.1'), false);
});

test('a full file reaches the rooms with every field in its place', () => {
  file('s3cret\n', 'smarthost-password');
  file('hop\n', 'bob-password');
  file('- {username: bob, passwordFile: bob-password}\n', 'users.yaml');
  file('not a real key', 'key.pem');
  const settings = settingsOf(`apiVersion: sluice.email/v1alpha1
kind: MtaConfig
spec:
  hostname: MTA.Example
  listeners:
    smtp:
    - name: submission
      address: '[::1]:2525'
      hostname: in.example
      tls: {mode: Implicit, certificateFile: key.pem, keyFile: key.pem}
      auth:
        users: [{username: alice, password: wonder, tenant: acme}]
        usersFile: users.yaml
      proxyProtocol: {trustedNetworks: [10.0.0.0/8]}
      limits: {maxMessageBytes: 1Mi, idleTimeout: 1m30s, maxRecipients: 5}
      bareLineEnding: Normalize
      headers: {tenant: X-T}
    admin: {address: '127.0.0.1:0'}
  spool: {type: SQLite, sqlite: {path: /var/spool.db, minFreeBytes: 0}}
  memory: {maxBytes: 1Gi, lowWaterPercent: 50}
  dns: {servers: ['127.0.0.1:5353'], timeout: 500ms, attempts: 2}
  targets: {allow: [127.0.0.0/8, '::1']}
  smtpPort: 2500
  routes:
  - {domain: '*.Example.org', hosts: [{host: Relay.example, port: 587, username: u, passwordFile: smarthost-password}], tls: {level: Verify}}
  - {domain: '*', hosts: [{host: 127.0.0.1, preference: 5}]}
  tenants:
  - {name: acme, labels: {plan: free}, senderDomains: [Acme.example]}
  - {name: other, authUsers: [bob]}
  classes: [{name: bulk, priority: -5}]
  resources: {directory: /etc/sluice/resources}
  log: {level: Debug, format: Text}
  events: {stdout: Enabled, file: events.jsonl}
`);
  const [listener] = settings.smtpListeners;
  assert.deepEqual(listener?.address, { host: '::1', port: 2525 });
  assert.deepEqual(listener?.auth, {
    requireTls: 'Enabled',
    users: [
      { username: 'alice', password: 'wonder', tenant: 'acme' },
      { username: 'bob', password: 'hop', tenant: 'other' },
    ],
  });
  assert.equal(listener?.hostname, 'in.example');
  assert.equal(listener?.tls?.mode, 'Implicit');
  assert.equal(listener?.tls?.keyFile, join(directory, 'key.pem'));
  assert.equal(listener?.limits.maxMessageBytes, 2 ** 20);
  assert.equal(listener?.limits.idleTimeoutMs, 90_000);
  assert.equal(listener?.proxyTrustedNetworks[0]?.text, '10.0.0.0/8');
  assert.deepEqual(listener?.headers, {
    tenant: 'X-T',
    campaign: 'X-Sluice-Campaign',
    class: 'X-Sluice-Class',
  });
  assert.deepEqual(settings.routes, [
    {
      domain: '*.example.org',
      hosts: [
        { host: 'relay.example', port: 587, preference: 10, auth: { username: 'u', password: 's3cret' } },
      ],
      tlsLevel: 'Verify',
    },
    { domain: '*', hosts: [{ host: '127.0.0.1', port: 2500, preference: 5 }] },
  ]);
  assert.equal(settings.hostname, 'mta.example');
  assert.deepEqual(settings.tenants[0]?.senderDomains, ['acme.example']);
  assert.equal(settings.allowedTargets[1]?.contains('::1'), true);
  assert.deepEqual(settings.events, { stdout: 'Enabled', file: join(directory, 'events.jsonl') });
});

test('an unknown field is refused by its name and line, with the field that was meant', () => {
  const problem = problemWith('  resources: {directory', '  dns: {server: []}\n  resources: {directory');
  assert.deepEqual(problem, {
    code: 'SLUICE_FIELD_UNKNOWN',
    file: join(directory, 'sluice.yaml'),
    line: 8,
    column: 9,
    field: 'spec.dns.server',
    what: 'Unknown field "server".',
    cure: 'Did you mean "servers"?',
  });
  const other = problemWith('spool.db}', 'spool.db, colour: red}');
  assert.equal(other.field, 'spec.spool.sqlite.colour');
  assert.match(other.cure, /path, minFreeBytes/);
});

test('every mistake of a file is told at once, not one per start', () => {
  const problems = problemsOf(
    SMALLEST.replace('127.0.0.1:0', 'nowhere')
      .replace('127.0.0.0/8', '10.1')
      .replace('SQLite, ', 'SQLite, x: 1, '),
  );
  assert.deepEqual(problems.map(({ field }) => field).toSorted(), [
    'spec.listeners.smtp[0].address',
    'spec.listeners.smtp[0].relayNetworks[0]',
    'spec.spool.x',
  ]);
});

const MISTAKES: readonly [
  search: string,
  replacement: string,
  field: string,
  line: number,
  what: RegExp,
  cure: RegExp,
][] = [
  ['kind: MtaConfig', 'kind: Deployment', 'kind', 2, /cannot be "Deployment"/, /Write MtaConfig/],
  ['kind: MtaConfig\n', '', 'kind', 1, /kind is missing/, /Write MtaConfig/],
  ['{directory: resources}', '{}', 'spec.resources.directory', 8, /is missing/, /Add "directory", a text/],
  ['type: SQLite', 'type: Redis', 'spec.spool.type', 7, /cannot be "Redis"/, /Write SQLite/],
  ['path: spool.db', 'path: 5', 'spec.spool.sqlite.path', 7, /must be a text/, /a text/],
  [
    'spool.db}',
    'spool.db, minFreeBytes: -1}',
    'spec.spool.sqlite.minFreeBytes',
    7,
    /-1 is not a size/,
    /such as/,
  ],
  ['  spool:', '  smtpPort: 0\n  spool:', 'spec.smtpPort', 7, /at least 1/, /at least 1/],
  ['  spool:', '  smtpPort: 2.5\n  spool:', 'spec.smtpPort', 7, /whole number/, /whole number/],
  [
    '  spool:',
    '  dns: {timeout: 3}\n  spool:',
    'spec.dns.timeout',
    7,
    /"3" is not a duration/,
    /such as 30s/,
  ],
  ['  spool:', '  dns: {timeout: 3 s}\n  spool:', 'spec.dns.timeout', 7, /not a duration/, /100ms to 30s/],
  ['  spool:', '  dns: {timeout: 2m}\n  spool:', 'spec.dns.timeout', 7, /out of bounds/, /100ms to 30s/],
  [
    '  spool:',
    '  log: {level: Loud}\n  spool:',
    'spec.log.level',
    7,
    /cannot be "Loud"/,
    /Debug, Info, Warn or Error/,
  ],
  ['[127.0.0.0/8]', '[0.0.0.0/0]', 'spec.listeners.smtp[0].relayNetworks[0]', 6, /open relay/, /auth/],
  ['[127.0.0.0/8]', "['::/0']", 'spec.listeners.smtp[0].relayNetworks[0]', 6, /open relay/, /auth/],
  ['[127.0.0.0/8]', '[]', 'spec.listeners.smtp[0]', 6, /Nobody may hand in/, /relayNetworks/],
  [
    '[127.0.0.0/8]',
    '[127.0.0.0/8], auth: {users: [{username: a, password: b}]}',
    'spec.listeners.smtp[0].auth',
    6,
    /needs TLS/,
    /requireTls/,
  ],
  [
    '[127.0.0.0/8]',
    '[127.0.0.0/8], auth: {requireTls: Disabled, users: [{username: a}]}',
    'spec.listeners.smtp[0].auth.users[0]',
    6,
    /no password/,
    /passwordFile/,
  ],
  [
    '[127.0.0.0/8]',
    '[127.0.0.0/8], auth: {requireTls: Disabled, users: [{username: a, password: b, tenant: c}]}',
    'spec.listeners.smtp[0].auth.users[0]',
    6,
    /no tenant "c"/,
    /spec.tenants/,
  ],
  [
    '[127.0.0.0/8]',
    '[127.0.0.0/8], auth: {requireTls: Disabled, usersFile: gone.yaml}',
    'spec.listeners.smtp[0].auth.usersFile',
    6,
    /Cannot read/,
    /permissions/,
  ],
  [
    '[127.0.0.0/8]',
    '[127.0.0.0/8], tls: {certificateFile: sluice.yaml, keyFile: gone.pem}',
    'spec.listeners.smtp[0].tls.keyFile',
    6,
    /Cannot read/,
    /permissions/,
  ],
  [
    '  spool:',
    '  tenants: [{name: a, authUsers: [x]}]\n  spool:',
    'spec.tenants[0].authUsers[0]',
    7,
    /No listener has a user "x"/,
    /Add the user/,
  ],
  [
    '  spool:',
    '  tenants: [{name: a}, {name: a}]\n  spool:',
    'spec.tenants[1].name',
    7,
    /listed twice/,
    /Rename/,
  ],
  [
    '  spool:',
    '  tenants:\n  - {name: a, senderDomains: [x.example]}\n  - {name: b, senderDomains: [X.example]}\n  spool:',
    'spec.tenants[1].senderDomains[0]',
    9,
    /belongs to tenant "a"/,
    /one tenant/,
  ],
  [
    '  spool:',
    "  routes: [{domain: 'a*', hosts: [{host: x}]}]\n  spool:",
    'spec.routes[0].domain',
    7,
    /not a domain pattern/,
    /example.com/,
  ],
  [
    '  spool:',
    "  routes: [{domain: '*', hosts: []}]\n  spool:",
    'spec.routes[0].hosts',
    7,
    /at least 1 entries/,
    /at least 1/,
  ],
  [
    '  spool:',
    "  routes: [{domain: '*', hosts: [{host: x, username: u}]}]\n  spool:",
    'spec.routes[0].hosts[0]',
    7,
    /user name and a password/,
    /both/,
  ],
];

for (const [search, replacement, field, line, what, cure] of MISTAKES) {
  test(`a mistake is shown where it is and how to mend it: ${replacement.trim() || `without ${search.trim()}`}`, () => {
    const problem = problemWith(search, replacement);
    assert.equal(problem.field, field);
    assert.equal(problem.line, line);
    assert.match(problem.what, what);
    assert.match(problem.cure, cure);
  });
}

test('what is not YAML is shown by line instead of failing at start with a stack', () => {
  const [problem] = problemsOf('kind: MtaConfig\nkind: MtaConfig\n');
  assert.equal(problem?.line, 2);
  assert.match(problem?.what ?? '', /not valid YAML: Map keys must be unique/);
  assert.match(problemsOf('')[0]?.what ?? '', /must be a group of fields/);
});

test('a missing settings file is a problem with a cure, not an exception', () => {
  const loaded = loadSettings(join(directory, 'gone.yaml'), machine);
  assert.ok('problems' in loaded);
  assert.match(loaded.problems[0]?.what ?? '', /Cannot read .*gone.yaml: no such file or directory\.$/);
});

test('a broken users file is shown with its own name and line', () => {
  file('- {username: bob, pasword: x}\n', 'broken-users.yaml');
  const loaded = loadSettings(
    file(SMALLEST.replace('[127.0.0.0/8]', '[], auth: {requireTls: Disabled, usersFile: broken-users.yaml}')),
    machine,
  );
  assert.ok('problems' in loaded);
  const [problem] = loaded.problems;
  assert.equal(problem?.file, join(directory, 'broken-users.yaml'));
  assert.equal(problem?.line, 1);
  assert.match(problem?.cure ?? '', /Did you mean "password"/);
});

test('this machine has a name, memory and resolvers', () => {
  const found = thisMachine();
  assert.ok(found.hostname.length > 0);
  assert.ok(found.memoryBytes > 2 ** 20 && Number.isSafeInteger(found.memoryBytes));
  for (const { port } of found.dnsServers) assert.ok(port > 0);
});
