import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import {
  bestPreferenceHosts,
  createRouter,
  type NoRoute,
  type Route,
  type Router,
  type RouterOptions,
} from '@sluice/mta/route';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import { type Zone, type ZoneRecord, type ZoneReply, zoneOfRecords } from './dns-zone.ts';

const LOOPBACK = { contains: (address: string) => address.startsWith('127.') };

interface Bench {
  readonly router: Router;
  readonly dns: DnsServer;
  readonly clock: { nowMs: number };
}

/** A router whose only server answers from `zone`, with a clock of its own. */
async function bench(t: TestContext, zone: Zone, options: Partial<RouterOptions> = {}): Promise<Bench> {
  const dns = await startDnsServer({ zone });
  t.after(() => dns.close());
  const clock = { nowMs: 0 };
  return { router: routerOn([dns], clock, options), dns, clock };
}

function routerOn(
  servers: readonly { readonly address: string; readonly port: number }[],
  clock: { nowMs: number },
  options: Partial<RouterOptions>,
): Router {
  return createRouter({
    servers: servers.map(({ address, port }) => ({ host: address, port })),
    timeoutMs: 2_000,
    attempts: 2,
    smtpPort: 25,
    routes: [],
    allowedTargets: [LOOPBACK],
    random: () => 0,
    nowMs: () => clock.nowMs,
    ...options,
  });
}

const mx = (exchange: string, preference = 10, ttlSeconds = 300): ZoneRecord => ({
  type: 'MX',
  exchange,
  preference,
  ttlSeconds,
});
const a = (address: string, ttlSeconds = 300): ZoneRecord => ({ type: 'A', address, ttlSeconds });
/** The same answer whatever is asked. */
const always =
  (reply: ZoneReply | undefined): Zone =>
  () =>
    reply;

async function routeTo(router: Router, domain: string): Promise<Route> {
  const found = await router.resolve(domain);
  assert.ok(found.kind === 'route', JSON.stringify(found));
  return found;
}

async function refusalOf(router: Router, domain: string): Promise<string> {
  return summary(await router.resolve(domain));
}

function summary(found: Route | NoRoute): string {
  return found.kind === 'route'
    ? `route ${found.site}`
    : `${found.kind} ${found.reply.code} ${found.reply.enhanced}`;
}

async function targetsOf(router: Router, domain: string, family: 4 | 6 = 4): Promise<readonly string[]> {
  const targets: string[] = [];
  for await (const target of router.targets(await routeTo(router, domain), family)) {
    targets.push('kind' in target ? summary(target) : `${target.host.name} ${target.address.address}`);
  }
  return targets;
}

test('mail goes to the best MX first, then to the others', async (t) => {
  const { router } = await bench(
    t,
    zoneOfRecords({
      'shop.example': [mx('mx2.shop.example', 20), mx('mx1b.shop.example', 10), mx('MX1a.shop.example', 10)],
      'mx1a.shop.example': [a('127.0.0.2')],
      'mx1b.shop.example': [a('127.0.0.3')],
      'mx2.shop.example': [a('127.0.0.4')],
    }),
    { random: () => 0.999 },
  );
  const route = await routeTo(router, 'Shop.Example.');
  assert.equal(route.domain, 'shop.example');
  assert.equal(route.site, 'mx1a.shop.example,mx1b.shop.example>mx2.shop.example');
  assert.deepEqual(bestPreferenceHosts(route), ['mx1a.shop.example', 'mx1b.shop.example']);
  assert.deepEqual(await targetsOf(router, 'shop.example'), [
    'mx1a.shop.example 127.0.0.2',
    'mx1b.shop.example 127.0.0.3',
    'mx2.shop.example 127.0.0.4',
  ]);
});

test('equal preferences share the load, unequal ones keep their order', async (t) => {
  const hosts = ['mx1.example', 'mx2.example', 'mx3.example'];
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const { router } = await bench(
    t,
    zoneOfRecords({
      'shop.example': [...hosts.map((host) => mx(host, 10)), mx('last.example', 20)],
      ...Object.fromEntries(hosts.map((host, index) => [host, [a(`127.0.0.${index + 2}`)]])),
      'last.example': [a('127.0.0.9')],
    }),
    { random },
  );
  const firsts = new Map<string, number>();
  for (let attempt = 0; attempt < 300; attempt++) {
    const targets = await targetsOf(router, 'shop.example');
    assert.equal(targets.at(-1), 'last.example 127.0.0.9');
    const first = targets[0] ?? '';
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  assert.equal(firsts.size, 3);
  for (const [host, times] of firsts) assert.ok(times > 60, `${host} was first ${times} times of 300`);
});

test('a good first host costs one look-up', async (t) => {
  const { router, dns } = await bench(
    t,
    zoneOfRecords({
      'shop.example': [mx('mx1.example', 10), mx('mx2.example', 20)],
      'mx1.example': [a('127.0.0.2')],
      'mx2.example': [a('127.0.0.3')],
    }),
  );
  for await (const target of router.targets(await routeTo(router, 'shop.example'), 4)) {
    assert.ok('host' in target);
    break;
  }
  assert.equal(dns.asked('mx2.example'), 0);
});

test('an attempt at a domain with very many hosts ends', async (t) => {
  const names = Array.from({ length: 60 }, (_, number) => `mx${number}.example`);
  const { router, dns } = await bench(
    t,
    zoneOfRecords({
      'wide.example': names.map((name) => mx(name)),
      ...Object.fromEntries(names.map((name) => [name, [a('127.0.0.2')]])),
    }),
  );
  assert.equal((await targetsOf(router, 'wide.example')).length, 10);
  assert.ok(dns.askedOverTcp > 0, 'an answer too large for UDP came whole over TCP');
  assert.equal((await routeTo(router, 'wide.example')).hosts.length, 50);
});

for (const [what, zone, expected] of [
  [
    'a domain that takes no mail is not waited for (RFC 7505)',
    always({ records: [mx('.', 0)] }),
    'permanent 556 5.1.10',
  ],
  ['a misspelt domain comes back at once', always(undefined), 'permanent 550 5.1.2'],
  ['SERVFAIL bounces nothing', always({ rcode: 'SERVFAIL' }), 'transient 451 4.4.3'],
  ['REFUSED bounces nothing', always({ rcode: 'REFUSED' }), 'transient 451 4.4.3'],
  ['a lame delegation bounces nothing', always({ fault: { referral: true } }), 'transient 451 4.4.3'],
  ['a name with neither MX nor address', always({ records: [] }), 'permanent 550 5.4.4'],
  ['MX records that name no host', always({ records: [mx('192.0.2.1')] }), 'permanent 550 5.4.4'],
  [
    'a failing address look-up does not make an implicit MX permanent',
    ({ type }: { readonly type: string }) => (type === 'MX' ? {} : { rcode: 'SERVFAIL' }) as ZoneReply,
    'transient 451 4.4.3',
  ],
] as const) {
  test(`${what}: ${expected}`, async (t) => {
    const { router } = await bench(t, zone);
    assert.equal(await refusalOf(router, 'gone.example'), expected);
    const known = router.peek('gone.example');
    assert.equal(known === undefined ? known : summary(known), expected);
  });
}

test('silence bounces nothing, and ends after the attempts', async (t) => {
  const { router, dns } = await bench(t, always({ fault: { drop: true } }), { timeoutMs: 30, attempts: 3 });
  assert.equal(await refusalOf(router, 'gone.example'), 'transient 451 4.4.3');
  assert.equal(dns.asked('gone.example', 'MX'), 3);
});

test('without MX the domain is its own host (RFC 5321 §5.1), also at the end of a CNAME', async (t) => {
  const { router } = await bench(
    t,
    zoneOfRecords({
      'own.example': [a('127.0.0.2')],
      'six.example': [{ type: 'AAAA', address: '2600::1' }],
      'alias.example': [{ type: 'CNAME', target: 'own.example' }],
    }),
  );
  const route = await routeTo(router, 'own.example');
  assert.equal(route.origin, 'implicit');
  assert.deepEqual(await targetsOf(router, 'own.example'), ['own.example 127.0.0.2']);
  assert.deepEqual(await targetsOf(router, 'alias.example'), ['own.example 127.0.0.2']);
  assert.deepEqual(await targetsOf(router, 'six.example', 6), ['six.example 2600::1']);
});

test('CNAMEs are followed from zone to zone, loops end', async (t) => {
  const zones = zoneOfRecords({
    'a.example': [{ type: 'CNAME', target: 'b.example' }],
    'b.example': [mx('mx.example')],
    'mx.example': [{ type: 'CNAME', target: 'host.example' }],
    'host.example': [a('127.0.0.2')],
    'loop.example': [{ type: 'CNAME', target: 'pool.example' }],
    'pool.example': [{ type: 'CNAME', target: 'loop.example' }],
  });
  const { router } = await bench(t, (question) => ({ ...zones(question), fault: { aliasOnly: true } }));
  assert.deepEqual(await targetsOf(router, 'a.example'), ['mx.example 127.0.0.2']);
  assert.equal(await refusalOf(router, 'loop.example'), 'transient 451 4.4.3');
});

test('an answer that does not fit into a datagram is fetched over TCP', async (t) => {
  const { router, dns } = await bench(t, () => ({
    records: [mx('mx.example')],
    fault: { truncate: true },
  }));
  assert.equal((await routeTo(router, 'shop.example')).site, 'mx.example');
  assert.equal(dns.askedOverTcp, 1);
});

test('a lost packet costs one time-out', async (t) => {
  const zone: Zone = ({ askedBefore }) => ({
    records: [mx('mx.example')],
    ...(askedBefore === 0 && { fault: { drop: true } }),
  });
  const { router, dns } = await bench(t, zone, { timeoutMs: 100, attempts: 3 });
  assert.equal((await routeTo(router, 'shop.example')).site, 'mx.example');
  assert.equal(dns.asked('shop.example'), 2);
});

test('a silent first server costs one time-out, not one for each domain', async (t) => {
  const silent = await startDnsServer({ zone: always({ fault: { drop: true } }) });
  const good = await startDnsServer({ zone: always({ records: [mx('mx.example')] }) });
  t.after(() => Promise.all([silent.close(), good.close()]));
  const clock = { nowMs: 0 };
  const router = routerOn([silent, good], clock, { timeoutMs: 100 });
  for (let number = 0; number < 20; number++) await routeTo(router, `d${number}.example`);
  assert.equal(silent.askedInAll, 1);
  clock.nowMs += 30_001;
  await routeTo(router, 'later.example');
  assert.equal(silent.askedInAll, 2, 'it gets another chance');
});

test('a dead first server and one that answers SERVFAIL are passed over', async (t) => {
  const gone = createSocket('udp4');
  gone.bind(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address();
  gone.close();
  await once(gone, 'close');
  const broken = await startDnsServer({ zone: always({ rcode: 'SERVFAIL' }) });
  const good = await startDnsServer({ zone: always({ records: [mx('mx.example')] }) });
  t.after(() => Promise.all([broken.close(), good.close()]));
  const router = routerOn([{ address: '127.0.0.1', port }, broken, good], { nowMs: 0 }, { attempts: 3 });
  assert.equal((await routeTo(router, 'shop.example')).site, 'mx.example');
});

test('a server that does not know EDNS answers all the same', async (t) => {
  const { router, dns } = await bench(t, always({ records: [mx('mx.example')], fault: { noEdns: true } }));
  await routeTo(router, 'a.example');
  await routeTo(router, 'b.example');
  assert.equal(dns.askedInAll, 3, 'the second domain is asked for without EDNS from the start');
});

for (const differsIn of ['id', 'question', 'source'] as const) {
  test(`mail is not led away by a forged answer with another ${differsIn}`, async (t) => {
    const forgery = { differsIn, records: [mx('evil.example')] };
    const fault = { forgery, delayMs: 20 };
    const { router } = await bench(t, always({ records: [mx('mx.example')], fault }));
    assert.equal((await routeTo(router, 'shop.example')).site, 'mx.example');
  });
}

test('garbage from a server ends no process and bounces nothing', async (t) => {
  const { router } = await bench(t, always({ fault: { garbage: true } }), { timeoutMs: 30, attempts: 1 });
  assert.equal(await refusalOf(router, 'shop.example'), 'transient 451 4.4.3');
});

test('ten messages for one new domain ask once', async (t) => {
  const { router, dns } = await bench(t, () => ({ records: [mx('mx.example')], fault: { delayMs: 20 } }));
  const routes = await Promise.all(Array.from({ length: 10 }, () => router.resolve('shop.example')));
  assert.equal(new Set(routes).size, 1);
  assert.equal(dns.askedInAll, 1);
});

test('an answer is asked for again after its TTL, and the same answer keeps its object and its lane', async (t) => {
  const { router, dns, clock } = await bench(t, always({ records: [mx('mx.example', 10, 60)] }));
  const first = await router.resolve('shop.example');
  clock.nowMs = 47_000;
  assert.equal(router.peek('shop.example'), first);
  assert.equal(dns.askedInAll, 1);
  clock.nowMs = 60_000;
  assert.equal(router.peek('shop.example'), undefined);
  assert.equal(await router.resolve('shop.example'), first);
  assert.equal(dns.askedInAll, 2);
  assert.equal(router.peek('shop.example'), first);
});

test('a domain in use is looked up before its TTL ends: mail does not wait for DNS', async (t) => {
  let exchange = 'mx.example';
  const { router, dns, clock } = await bench(t, () => ({ records: [mx(exchange, 10, 60)] }));
  const first = await router.resolve('shop.example');
  exchange = 'new.example';
  clock.nowMs = 50_000;
  assert.equal(router.peek('shop.example'), first);
  // Shares the query that is under way.
  clock.nowMs = 60_000;
  const renewed = await router.resolve('shop.example');
  assert.equal(summary(renewed), 'route new.example');
  assert.equal(dns.askedInAll, 2);
  assert.equal(router.peek('shop.example'), renewed);
});

test('a corrected MX set is another route, a longer TTL alone is not', async (t) => {
  let records = [mx('mx.example', 10, 60)];
  const { router, clock } = await bench(t, () => ({ records }));
  const first = await router.resolve('shop.example');
  records = [mx('mx.example', 10, 900)];
  clock.nowMs = 60_000;
  assert.equal(await router.resolve('shop.example'), first);
  records = [mx('mx.example', 10), mx('mx2.example', 20)];
  clock.nowMs = 60_000 + 900_000;
  const moved = await router.resolve('shop.example');
  assert.notEqual(moved, first);
  assert.equal(summary(moved), 'route mx.example>mx2.example');
});

test('NXDOMAIN is remembered for the minimum of the SOA and not longer', async (t) => {
  let known = false;
  const { router, dns, clock } = await bench(t, () =>
    known ? { records: [mx('mx.example')] } : { rcode: 'NXDOMAIN', negativeTtlSeconds: 40 },
  );
  await router.resolve('new.example');
  known = true;
  clock.nowMs = 39_999;
  assert.equal(await refusalOf(router, 'new.example'), 'permanent 550 5.1.2');
  assert.equal(dns.askedInAll, 1);
  clock.nowMs = 40_000;
  assert.equal(await refusalOf(router, 'new.example'), 'route mx.example');
});

test('mail flows on while all DNS servers fail (RFC 8767), the object and the addresses included', async (t) => {
  let broken = false;
  const zone = zoneOfRecords({ 'shop.example': [mx('mx.example')], 'mx.example': [a('127.0.0.2')] });
  const { router, clock } = await bench(t, (question) => (broken ? { rcode: 'SERVFAIL' } : zone(question)));
  const first = await router.resolve('shop.example');
  const before = await targetsOf(router, 'shop.example');
  broken = true;
  clock.nowMs = 3_600_000;
  assert.equal(await router.resolve('shop.example'), first);
  assert.deepEqual(await targetsOf(router, 'shop.example'), before);
  clock.nowMs = 26 * 3_600_000;
  assert.equal(await refusalOf(router, 'shop.example'), 'transient 451 4.4.3');
});

test('address literals are delivered to, in the family that they have', async (t) => {
  const { router, dns } = await bench(t, always(undefined));
  assert.deepEqual(await targetsOf(router, '[127.0.0.5]'), ['127.0.0.5 127.0.0.5']);
  assert.deepEqual(await targetsOf(router, '[IPv6:2600::25]', 6), ['2600::25 2600::25']);
  assert.deepEqual(await targetsOf(router, '[IPv6:2600::25]', 4), ['transient 451 4.4.4']);
  assert.equal(await refusalOf(router, '[not.an.address]'), 'permanent 550 5.1.2');
  assert.equal(await refusalOf(router, '127.0.0.5'), 'permanent 550 5.1.2');
  assert.equal(dns.askedInAll, 0);
});

test('international domains are asked for in A-labels', async (t) => {
  const { router } = await bench(t, zoneOfRecords({ 'xn--bcher-kva.example': [mx('mx.example')] }));
  assert.equal((await routeTo(router, 'Bücher.example')).domain, 'xn--bcher-kva.example');
});

test('an MX of a stranger does not reach our own network', async (t) => {
  const zone = zoneOfRecords({
    'evil.example': [mx('in.example', 5), mx('meta.example', 10)],
    'in.example': [a('127.0.0.1'), a('10.0.0.1')],
    'meta.example': [a('169.254.169.254')],
    'half.example': [mx('in.example', 5), mx('out.example', 10)],
    'out.example': [a('8.8.8.8')],
    'six.example': [mx('mapped.example')],
    'mapped.example': [{ type: 'AAAA', address: '::ffff:127.0.0.1' }],
  });
  const { router } = await bench(t, zone, { allowedTargets: [] });
  assert.deepEqual(await targetsOf(router, 'evil.example'), ['permanent 550 5.4.4']);
  assert.deepEqual(await targetsOf(router, 'half.example'), ['out.example 8.8.8.8']);
  assert.deepEqual(await targetsOf(router, 'six.example', 6), ['permanent 550 5.4.4']);
  assert.deepEqual(await targetsOf(router, '[127.0.0.1]'), ['permanent 550 5.4.4']);
});

test('a source without the family of the hosts does not bounce the mail; hosts without any address do', async (t) => {
  const { router } = await bench(
    t,
    zoneOfRecords({
      'six.example': [mx('mx6.example')],
      'mx6.example': [{ type: 'AAAA', address: '2600::1' }],
      'lost.example': [mx('gone.example')],
    }),
  );
  assert.deepEqual(await targetsOf(router, 'six.example', 4), ['transient 451 4.4.4']);
  assert.deepEqual(await targetsOf(router, 'six.example', 6), ['mx6.example 2600::1']);
  assert.deepEqual(await targetsOf(router, 'lost.example', 4), ['permanent 550 5.4.4']);
});

test('a private A beside a public AAAA bounces nothing: only a source of the other family is needed', async (t) => {
  const zone = zoneOfRecords({
    'four-private.example': [mx('a.example')],
    'a.example': [a('10.0.0.1'), { type: 'AAAA', address: '2600::1' }],
    'six-private.example': [mx('b.example')],
    'b.example': [a('8.8.8.8'), { type: 'AAAA', address: 'fd00::1' }],
    'both-private.example': [mx('c.example')],
    'c.example': [a('10.0.0.1'), { type: 'AAAA', address: 'fd00::1' }],
    'spread.example': [mx('c.example', 5), mx('a.example', 10)],
  });
  const { router } = await bench(t, zone, { allowedTargets: [] });
  const outcome = async (domain: string) => [
    ...(await targetsOf(router, domain, 4)),
    ...(await targetsOf(router, domain, 6)),
  ];
  assert.deepEqual(await outcome('four-private.example'), ['transient 451 4.4.4', 'a.example 2600::1']);
  assert.deepEqual(await outcome('six-private.example'), ['b.example 8.8.8.8', 'transient 451 4.4.4']);
  assert.deepEqual(await outcome('both-private.example'), ['permanent 550 5.4.4', 'permanent 550 5.4.4']);
  assert.deepEqual(await outcome('spread.example'), ['transient 451 4.4.4', 'a.example 2600::1']);
  for await (const target of router.targets(await routeTo(router, 'four-private.example'), 4)) {
    assert.ok('kind' in target);
    assert.equal(target.cause, 'OtherFamily');
  }
});

for (const [what, reply] of [
  ['an empty answer', {}],
  ['NXDOMAIN', { rcode: 'NXDOMAIN' }],
] as const) {
  test(`${what} of a resolver in trouble, without SOA, bounces nothing until it has lasted`, async (t) => {
    let broken = true;
    const zone: Zone = () => ({ ...reply, ...(broken && { negativeTtlSeconds: 'none' }) });
    const { router, clock } = await bench(t, zone);
    assert.equal(await refusalOf(router, 'shop.example'), 'transient 451 4.4.3');
    clock.nowMs = 600_000;
    assert.match(
      await refusalOf(router, 'shop.example'),
      /^permanent 550/,
      'resolvers that never give an SOA',
    );
    broken = false;
    assert.match(await refusalOf(router, 'other.example'), /^permanent 550/, 'with proof at once');
  });

  test(`${what} about a host, without SOA, bounces nothing until it has lasted`, async (t) => {
    const zone: Zone = ({ name }) =>
      name === 'shop.example' ? { records: [mx('mx.example')] } : { ...reply, negativeTtlSeconds: 'none' };
    const { router, clock } = await bench(t, zone);
    assert.deepEqual(await targetsOf(router, 'shop.example'), ['transient 451 4.4.3']);
    clock.nowMs = 600_000;
    assert.deepEqual(await targetsOf(router, 'shop.example'), ['permanent 550 5.4.4']);
  });
}

test('a domain without MX gets its mail also from a resolver that gives no SOA', async (t) => {
  const zone: Zone = ({ type }) =>
    type === 'A' ? { records: [a('127.0.0.2')] } : { negativeTtlSeconds: 'none' };
  const { router } = await bench(t, zone);
  assert.deepEqual(await targetsOf(router, 'own.example'), ['own.example 127.0.0.2']);
});

for (const [what, records] of [
  ['null MX', [mx('.', 0)]],
  ['no MX and no address', []],
  ['an MX that names no host', [mx('192.0.2.1')]],
] as const) {
  test(`${what}, remembered past its time while DNS fails, bounces nothing`, async (t) => {
    let broken = false;
    const { router, clock } = await bench(t, () => (broken ? { rcode: 'SERVFAIL' } : { records }));
    assert.match(await refusalOf(router, 'shop.example'), /^permanent/);
    broken = true;
    clock.nowMs = 3_600_000;
    assert.equal(await refusalOf(router, 'shop.example'), 'transient 451 4.4.3');
  });
}

test('an MX that is an address is no host (RFC 5321 §5.1): the others are used, alone it is an error', async (t) => {
  const zone = zoneOfRecords({
    'half.example': [mx('10.0.0.1', 5), mx('mx.example', 10)],
    'mx.example': [a('127.0.0.2')],
    'only.example': [mx('127.0.0.1')],
  });
  const { router, dns } = await bench(t, zone);
  assert.deepEqual(await targetsOf(router, 'half.example'), ['mx.example 127.0.0.2']);
  assert.equal(await refusalOf(router, 'only.example'), 'permanent 550 5.4.4');
  assert.equal(dns.asked('127.0.0.1'), 0);
});

test('aliases of one host without MX share its site, and so its limits', async (t) => {
  const zone = zoneOfRecords({
    'one.example': [{ type: 'CNAME', target: 'host.example' }],
    'two.example': [{ type: 'CNAME', target: 'host.example' }],
    'host.example': [a('127.0.0.2')],
    'mail.example': [mx('host.example')],
  });
  const { router } = await bench(t, zone);
  for (const domain of ['one.example', 'two.example', 'host.example', 'mail.example']) {
    assert.equal((await routeTo(router, domain)).site, 'host.example', domain);
  }
});

test('domains with equal MX sets share a site, in whatever order and at whatever moment they come', async (t) => {
  const set = [mx('b.example', 10), mx('a.example', 10), mx('c.example', 20)];
  const zone = zoneOfRecords({ 'one.example': set, 'two.example': set.toReversed() });
  const { router } = await bench(t, zone);
  const both = await Promise.all([routeTo(router, 'one.example'), routeTo(router, 'two.example')]);
  assert.deepEqual(
    both.map(({ site }) => site),
    ['a.example,b.example>c.example', 'a.example,b.example>c.example'],
  );
});

test('a domain that gets no mail any more is not looked up any more', async (t) => {
  const { router, dns, clock } = await bench(t, always({ records: [mx('mx.example', 10, 60)] }));
  await router.resolve('once.example');
  await router.resolve('busy.example');
  for (let round = 0; round < 5; round++) {
    clock.nowMs = round * 60_000 + 50_000;
    assert.ok(router.peek('busy.example'));
    // Shares what the peek started.
    clock.nowMs = (round + 1) * 60_000;
    await router.resolve('busy.example');
  }
  assert.equal(dns.asked('busy.example'), 6);
  assert.equal(dns.asked('once.example'), 1);
});

test('a pod that ends waits for no DNS server', { timeout: 10_000 }, async (t) => {
  const { router, dns } = await bench(t, always({ fault: { drop: true } }), { timeoutMs: 60_000 });
  const waiting = ['a.example', 'b.example'].map((domain) => refusalOf(router, domain));
  while (dns.askedInAll < 2) await new Promise(setImmediate);
  router.close();
  assert.deepEqual(await Promise.all(waiting), ['transient 451 4.4.3', 'transient 451 4.4.3']);
  assert.equal(await refusalOf(router, 'c.example'), 'transient 451 4.4.3');
  assert.equal(dns.askedInAll, 2);
});

test('no reply names a DNS server', async (t) => {
  const failed: string[] = [];
  const onServerFailure = (server: string) => failed.push(server);
  const { router, dns } = await bench(t, always({ rcode: 'SERVFAIL' }), { onServerFailure });
  const found = await router.resolve('shop.example');
  assert.ok(found.kind === 'transient');
  assert.equal(found.cause, 'DnsFailure');
  assert.equal(found.reply.text, 'DNS look-up failed, MX of shop.example: SERVFAIL');
  assert.deepEqual(failed, [`${dns.address}:${dns.port}`]);
});

test('a host whose look-up fails is passed over, and alone bounces nothing', async (t) => {
  const zone = zoneOfRecords({
    'shop.example': [mx('broken.example', 10), mx('good.example', 20)],
    'only.example': [mx('broken.example')],
    'good.example': [a('127.0.0.2')],
  });
  const { router } = await bench(t, (question) =>
    question.name === 'broken.example' ? { rcode: 'SERVFAIL' } : zone(question),
  );
  assert.deepEqual(await targetsOf(router, 'shop.example'), ['good.example 127.0.0.2']);
  assert.deepEqual(await targetsOf(router, 'only.example'), ['transient 451 4.4.3']);
});

test('static routes lead where the user said: without MX, to private addresses, with AUTH', async (t) => {
  const auth = { username: 'alice', password: 'secret' };
  const zone = zoneOfRecords({
    'relay.example': [a('10.0.0.9')],
    'trap.example': [mx('relay.example')],
  });
  const { router, dns } = await bench(t, zone, {
    allowedTargets: [],
    routes: [
      { domain: '*.shop.example', hosts: [{ host: '127.0.0.7', port: 2525, preference: 10 }] },
      { domain: 'shop.example', hosts: [{ host: 'relay.example', port: 25, preference: 10, auth }] },
      { domain: 'plain.example', hosts: [{ host: 'relay.example', port: 25, preference: 10 }] },
    ],
  });
  assert.deepEqual(await targetsOf(router, 'eu.shop.example'), ['127.0.0.7 127.0.0.7']);
  assert.deepEqual(await targetsOf(router, 'shop.example'), ['relay.example 10.0.0.9']);
  assert.deepEqual((await routeTo(router, 'shop.example')).hosts[0]?.auth, auth);
  assert.equal((await routeTo(router, 'eu.shop.example')).site, '127.0.0.7:2525;static');
  const sites = await Promise.all(
    ['shop.example', 'plain.example', 'trap.example'].map((domain) => routeTo(router, domain)),
  );
  assert.equal(new Set(sites.map(({ site }) => site)).size, 3, 'a stranger gets no session of a smart host');
  assert.deepEqual(await targetsOf(router, 'trap.example'), ['permanent 550 5.4.4']);
  assert.equal(dns.asked('shop.example', 'MX'), 0);
});
