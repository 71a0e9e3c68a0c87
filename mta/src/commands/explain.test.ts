import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import dnsPacket from 'dns-packet';
import { filesIn, HEAD, sluice } from './command-run.fixture.ts';

const TESTDATA = fileURLToPath(new URL('testdata/explain', import.meta.url));
const RESOURCES = readFileSync(`${TESTDATA}/resources.yaml`, 'utf8');

const settings = (dns: string, more = '') => `${HEAD}kind: MtaConfig
spec:
  hostname: mta.example
  listeners: {smtp: [{name: in, address: 127.0.0.1:2525, relayNetworks: [127.0.0.0/8]}]}
  spool: {type: SQLite, sqlite: {path: spool.db}}
  dns: {servers: ["${dns}"], timeout: 1s}
  tenants: [{name: trial, labels: {plan: free}, senderDomains: [trial.example]}]
  resources: {directory: resources}
${more}`;

/** A server on loopback that knows one MX; everything else is NXDOMAIN. */
async function dnsServer(t: TestContext, domain: string, exchange: string): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const { id, questions } = dnsPacket.decode(message);
    const [question] = questions ?? [];
    const known = question?.name.toLowerCase() === domain && question.type === 'MX';
    const answer = dnsPacket.encode({
      type: 'response',
      id: id ?? 0,
      flags: dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE | (known ? 0 : 3),
      questions: questions ?? [],
      // RFC 2308 §2.1: only with an SOA does it prove that there is no such domain.
      authorities: known
        ? []
        : [{ type: 'SOA', name: 'example', ttl: 60, data: { mname: 'ns.example', rname: 'h.example' } }],
      answers: known ? [{ type: 'MX', name: question.name, ttl: 60, data: { preference: 5, exchange } }] : [],
    });
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

test('who reads an explanation sees the pool, every source, option and limit, and who says each', async () => {
  const args = ['explain', 'alice@gmail.com', '--resources', TESTDATA, '--no-providers', '--tenant', 'acme'];
  const { exitCode, out, err } = await sluice([...args, '--mx', 'gmail-smtp-in.l.google.com']);
  assert.equal(err, '');
  assert.equal(exitCode, 0);
  const golden = `${TESTDATA}/google.txt`;
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, out);
  assert.equal(out, readFileSync(golden, 'utf8'));
});

test('the MX is looked up at the DNS servers of the settings, and the tenant is that of the sender', async (t) => {
  const dns = await dnsServer(t, 'customer.example', 'aspmx.l.google.com');
  const root = filesIn({ 'sluice.yaml': settings(dns), 'resources/all.yaml': RESOURCES });
  const args = ['explain', 'a@customer.example', '--config', `${root}sluice.yaml`];
  const { out } = await sluice([...args, '--from', 'b@trial.example', '--campaign', 'sale', '--json']);
  const explanation = JSON.parse(out);
  assert.deepEqual(explanation.route, {
    origin: 'mx',
    site: 'aspmx.l.google.com',
    hosts: [{ name: 'aspmx.l.google.com', preference: 5, port: 25 }],
  });
  assert.equal(explanation.group, 'google');
  assert.deepEqual(explanation.mail.tenant, { name: 'trial', labels: { plan: 'free' } });
  assert.equal(explanation.pool.match, 'free');
  const sale = explanation.limits.find(({ name }: { name: string }) => name === 'sale');
  assert.deepEqual(sale.for, [
    {
      sources: ['ip-1', 'ip-2'],
      bounds: [
        {
          bound: 'recipientRate',
          value: '10/s',
          from: { policy: 'providers', layer: 'Default', destination: '' },
        },
      ],
    },
  ]);
});

test('a domain that does not exist is explained with the reply that its mail will get', async (t) => {
  const dns = await dnsServer(t, 'customer.example', 'aspmx.l.google.com');
  const root = filesIn({ 'sluice.yaml': settings(dns), 'resources/all.yaml': RESOURCES });
  const { out, exitCode } = await sluice(['explain', 'a@gone.example', '--config', `${root}sluice.yaml`]);
  assert.equal(exitCode, 0);
  assert.match(out, /route +none: 550 5\.1\.2 /);
  assert.match(out, /group +none/);
});

test('a static route is told as such, with its TLS level in place of the policy and without its password', async () => {
  const routes = `  routes:
  - domain: corp.example
    hosts: [{host: relay.corp.example, port: 587, username: u, passwordFile: secret}]
    tls: {level: Encrypt}
`;
  const root = filesIn({
    'sluice.yaml': settings('127.0.0.1:9', routes),
    'resources/all.yaml': RESOURCES,
    secret: 'hunter2',
  });
  const args = ['explain', 'a@corp.example', '--config', `${root}sluice.yaml`];
  const people = await sluice(args);
  assert.equal(people.err, '');
  assert.match(people.out, /hosts +relay\.corp\.example \(10\), by spec\.routes of sluice\.yaml/);
  assert.match(people.out, /session\.tls\.level +Encrypt +spec\.routes of sluice\.yaml/);
  assert.doesNotMatch((await sluice([...args, '--json'])).out, /hunter2/);
});

test('mail that no pool takes is told so, with the refusal that its sender will see', async () => {
  const root = filesIn({ 'a.yaml': RESOURCES.replace('name: rest,', 'name: rest, classes: [other],') });
  const { out, exitCode } = await sluice([
    'explain',
    'a@b.example',
    '--resources',
    root,
    '--mx',
    'mx.b.example',
  ]);
  assert.equal(exitCode, 0);
  assert.match(out, /pool +none: .*451 4\.3\.5/);
});

test('nothing is explained from files with mistakes or from a text that is no address', async () => {
  const root = filesIn({ 'a.yaml': RESOURCES.replace('weight: 10', 'weight: 0') });
  const wrong = await sluice(['explain', 'a@b.example', '--resources', root, '--mx', 'mx.b.example'], root);
  assert.equal(wrong.exitCode, 1);
  assert.match(wrong.err, /^a\.yaml:9:\d+: spec\.sources\[0\]\.weight/);
  assert.equal((await sluice(['explain', 'b.example', '--resources', root])).exitCode, 2);
});
