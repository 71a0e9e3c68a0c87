import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { guideBlocks, withWords } from '../harness/guide-blocks.ts';
import { NetworkNamespace, whyNoNamespaces } from '../harness/network-namespace.ts';
import { startProxyProcess } from '../harness/proxy-process.ts';
import { onePolicy } from '../harness/resources.ts';
import { resource, startSluice } from '../harness/sluice-process.ts';
import { startProgram } from '../harness/started-program.ts';
import { until } from '../harness/until.ts';

// Addresses of documentation (RFC 5737, RFC 3849) in networks that exist for the time of a test only.

const MAIN = fileURLToPath(import.meta.resolve('@sluice/mta/main'));
const DANTE = '/usr/sbin/danted';
const NFT = '/usr/sbin/nft';
const HAPROXY = '/usr/sbin/haproxy';
const GUIDE = 'egress-proxies.md';
const MESSAGES = 2_000;
const DOMAIN = 'a.example';
const HOST = '198.51.100.25';
/** Weights 3 and 1 in every pool of the guide. */
const SHARE_OF_FIRST = 0.75;
/** A source may be ahead of the others by a quantum of 100 messages or two. */
const TOLERANCE = 0.1;

const noNamespaces = whyNoNamespaces();

function skipWithout(what: string, program?: string): string | false {
  if (noNamespaces !== undefined) return `${noNamespaces}: NOT COVERED: ${what}`;
  if (program !== undefined && !existsSync(program)) return `${program} is not here: NOT COVERED: ${what}`;
  return false;
}

async function namespace(context: TestContext): Promise<NetworkNamespace> {
  const made = await NetworkNamespace.create();
  context.after(() => made.close());
  return made;
}

interface Mail {
  readonly mta: NetworkNamespace;
  readonly host: NetworkNamespace;
  readonly address?: string;
  readonly pools: readonly unknown[];
}

/** Sends mail from one network to a host in another, and returns what the host saw: messages by source address. */
async function messagesBySource(
  context: TestContext,
  { mta, host, address = HOST, pools }: Mail,
): Promise<ReadonlyMap<string, number>> {
  const listen = address.includes(':') ? `[${address}]:25` : `${address}:25`;
  const sink = startProgram([...host.prefix, MAIN, 'sink', '--json', '--listen', listen]);
  context.after(() => sink.kill('SIGKILL'));
  await sink.line((line) => line.includes('listens') || undefined);
  const sluice = await startSluice({
    prefix: mta.prefix,
    spec: { routes: [{ domain: DOMAIN, hosts: [{ host: address }] }] },
    resources: {
      'pool.yaml': pools,
      'policy.yaml': onePolicy({
        session: { messagesPerConnection: 20 },
        limits: [{ name: 'source-site', per: ['Source', 'Site'], connections: 4 }],
      }),
    },
  });
  context.after(() => sluice.close());
  const target = `${sluice.smtp.host}:${sluice.smtp.port}`;
  const flags = ['--messages', String(MESSAGES), '--sessions', '4', '--domain', DOMAIN, '--target', target];
  const load = startProgram([...mta.prefix, MAIN, 'blast', '--json', ...flags]);
  const { sources, duplicates } = await sink.line((line) => {
    if (!line.startsWith('{')) return undefined;
    const seen = JSON.parse(line);
    return seen.delivered >= MESSAGES ? seen : undefined;
  });
  assert.equal(await load.ended, 0, load.lines.join('\n'));
  assert.equal(duplicates, 0);
  assert.deepEqual(
    sluice.log.filter((line) => line.includes('cannot connect')),
    [],
  );
  return new Map(
    sources.map((source: { address: string; messages: number }) => [source.address, source.messages]),
  );
}

function assertShares(seen: ReadonlyMap<string, number>, addresses: readonly string[]): void {
  assert.deepEqual([...seen.keys()].sort(), [...addresses].sort());
  const share = (seen.get(addresses[0] ?? '') ?? 0) / MESSAGES;
  assert.ok(Math.abs(share - SHARE_OF_FIRST) < TOLERANCE, `the first address carried ${share} of the mail`);
}

function pool(egress: object, addresses: readonly string[]): unknown {
  return resource('EgressPool', 'main', {
    egress,
    sources: addresses.map((address, index) => ({
      name: `ip-${index + 1}`,
      address,
      ehlo: `out${index + 1}.esp.example`,
      weight: index === 0 ? 3 : 1,
    })),
  });
}

function documentsOf(text: string | undefined): readonly unknown[] {
  return parseAllDocuments(text ?? '').map((document) => document.toJS());
}

test('behind the reverse NAT of the guide receivers see the public addresses, in their weights', {
  skip: skipWithout('Bind behind reverse NAT, and the nftables rules of the guide', NFT),
  timeout: 120_000,
}, async (context) => {
  const [mta, router, host] = [await namespace(context), await namespace(context), await namespace(context)];
  mta.link({ name: 'out', addresses: ['10.77.0.5/24', '10.77.0.6/24'] }, router, {
    name: 'inside',
    addresses: ['10.77.0.1/24'],
  });
  router.link({ name: 'outside', addresses: ['198.51.100.1/24', '192.0.2.10/32', '192.0.2.11/32'] }, host, {
    name: 'wire',
    addresses: [`${HOST}/24`],
  });
  mta.run('ip route add default via 10.77.0.1');
  host.run('ip route add default via 198.51.100.1');
  router.run('tee /proc/sys/net/ipv4/ip_forward', '1');
  const blocks = guideBlocks(GUIDE);
  router.run(`${NFT} -f -`, blocks.get('reverse-nat.nft'));
  const seen = await messagesBySource(context, {
    mta,
    host,
    pools: documentsOf(blocks.get('resources/nat.yaml')),
  });
  assertShares(seen, ['192.0.2.10', '192.0.2.11']);
});

test('through the dante of the guide receivers see the address that each endpoint stands for, in their weights', {
  skip: skipWithout('ways out through a real dante', DANTE),
  timeout: 120_000,
}, async (context) => {
  const network = await namespace(context);
  for (const address of ['192.0.2.10/32', '192.0.2.11/32', '10.0.0.1/32', `${HOST}/32`])
    network.run(`ip address add ${address} dev lo`);
  const directory = mkdtempSync(join(tmpdir(), 'sluice-dante-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const blocks = guideBlocks(GUIDE);
  const file = join(directory, 'danted.conf');
  const changes = { 'logoutput: syslog': 'logoutput: stderr', 'from: 10.0.0.0/8': 'from: 0.0.0.0/0' };
  writeFileSync(file, withWords(blocks.get('danted.conf') ?? '', changes));
  const dante = startProgram([...network.prefix, DANTE, '-f', file, '-p', join(directory, 'danted.pid')]);
  context.after(() => dante.kill('SIGTERM'));
  await dante.line((line) => line.includes('running') || undefined);
  const seen = await messagesBySource(context, {
    mta: network,
    host: network,
    pools: documentsOf(blocks.get('resources/dante.yaml')),
  });
  assertShares(seen, ['192.0.2.10', '192.0.2.11']);
});

test('IPv6 through the HAProxy of the guide: receivers see the addresses of the pool, in their weights', {
  skip: skipWithout('IPv6 through a real HAProxy', HAPROXY),
  timeout: 120_000,
}, async (context) => {
  const network = await namespace(context);
  const target = '2001:db8:1::25';
  const addresses = ['2001:db8::10', '2001:db8::11'];
  for (const address of [...addresses, target]) network.run(`ip address add ${address}/128 dev lo nodad`);
  const directory = mkdtempSync(join(tmpdir(), 'sluice-haproxy-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'haproxy.cfg');
  const words = { '10.0.0.5:2525': '[::1]:2525', '10.0.0.0/8': '::1', '192.0.2.0/28': '2001:db8::/64' };
  writeFileSync(file, withWords(guideBlocks(GUIDE).get('haproxy.cfg') ?? '', words));
  const haproxy = startProgram([...network.prefix, HAPROXY, '-db', '-f', file]);
  context.after(() => haproxy.kill('SIGKILL'));
  await until(
    'HAProxy listens',
    () => network.run('ss -Hltn sport = 2525'),
    (sockets) => sockets !== '',
    10_000,
  );
  const egress = { type: 'HAProxy', haproxy: { endpoint: { host: '::1', port: 2525 } } };
  const seen = await messagesBySource(context, {
    mta: network,
    host: network,
    address: target,
    pools: [pool(egress, addresses)],
  });
  assertShares(seen, addresses);
});

for (const [family, target, route, addresses] of [
  ['IPv4', HOST, '192.0.2.0/28', ['192.0.2.10', '192.0.2.11']],
  ['IPv6', '2001:db8:1::25', '2001:db8::/64', ['2001:db8::10', '2001:db8::11']],
] as const) {
  test(`${family} through sluice proxy: a whole network that is routed to the node can be connected from, as the guide says`, {
    skip: skipWithout(`${family} addresses that are on no interface, through sluice proxy`),
    timeout: 60_000,
  }, async (context) => {
    const network = await namespace(context);
    network.run(`ip address add ${target} dev lo`);
    network.run(`ip route add local ${route} dev lo`);
    if (family === 'IPv6') network.run('tee /proc/sys/net/ipv6/ip_nonlocal_bind', '1');
    const proxy = await startProxyProcess(['--allow-target', target, '--allow-source', route], {
      listen: family === 'IPv6' ? '[::1]:0' : '127.0.0.1:0',
      prefix: network.prefix,
    });
    context.after(() => proxy.kill('SIGKILL'));
    const endpoint = { host: proxy.host, port: proxy.port };
    const seen = await messagesBySource(context, {
      mta: network,
      host: network,
      address: target,
      pools: [pool({ type: 'SOCKS5', socks5: { endpoint, dialect: 'BindConnect' } }, addresses)],
    });
    assertShares(seen, addresses);
  });
}
