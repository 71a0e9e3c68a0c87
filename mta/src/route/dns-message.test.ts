import assert from 'node:assert/strict';
import { test } from 'node:test';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { type DnsQuestion, encodeQuery, readReply, UDP_PAYLOAD_BYTES } from './dns-message.ts';

const MX: DnsQuestion = { name: 'shop.example', type: 'MX' };
const A: DnsQuestion = { name: 'www.shop.example', type: 'A' };
const ID = 4711;

function message(question: DnsQuestion, parts: Packet = {}): Buffer {
  return dnsPacket.encode({ type: 'response', id: ID, questions: [question], ...parts });
}

const mx = (exchange: string, preference: number, ttl = 300): Answer => ({
  type: 'MX',
  name: 'shop.example',
  ttl,
  data: { preference, exchange },
});
const cname = (name: string, target: string, ttl = 300): Answer => ({
  type: 'CNAME',
  name,
  ttl,
  data: target,
});
const soa = (ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name: 'example',
  ttl,
  data: { mname: 'ns.example', rname: 'h.example', minimum },
});

test('a query asks for recursion and offers EDNS, so that large MX sets need no TCP', () => {
  const query = dnsPacket.decode(encodeQuery(ID, MX, true));
  assert.equal(query.flag_rd, true);
  assert.equal(query.id, ID);
  const [opt] = query.additionals ?? [];
  assert.ok(opt?.type === 'OPT');
  assert.equal(opt.udpPayloadSize, UDP_PAYLOAD_BYTES);
  assert.deepEqual(dnsPacket.decode(encodeQuery(ID, MX, false)).additionals, []);
});

test('a forged answer does not redirect mail: wrong id, wrong question, a query, no question', () => {
  const answers = [mx('evil.example', 1)];
  assert.equal(readReply(message(MX, { answers }), ID + 1, MX), undefined);
  assert.equal(readReply(message({ ...MX, name: 'other.example' }, { answers }), ID, MX), undefined);
  assert.equal(readReply(message({ ...MX, type: 'A' }, { answers }), ID, MX), undefined);
  assert.equal(readReply(message(MX, { type: 'query', answers }), ID, MX), undefined);
  assert.equal(readReply(message(MX, { questions: [], answers }), ID, MX), undefined);
  assert.equal(readReply(message(MX, { questions: [MX, MX], answers }), ID, MX), undefined);
  assert.equal(readReply(Buffer.alloc(1), ID, MX), undefined);
  assert.equal(readReply(Buffer.alloc(3), ID, MX), undefined);
});

test('names are compared without case, and are lower case afterwards', () => {
  const echoed = { ...MX, name: 'SHOP.example' };
  const answers: Answer[] = [{ ...mx('MX1.Shop.Example', 10), name: 'Shop.Example' } as Answer];
  assert.deepEqual(readReply(message(echoed, { answers }), ID, MX), {
    kind: 'records',
    name: 'shop.example',
    exchanges: [{ preference: 10, exchange: 'mx1.shop.example' }],
    addresses: [],
    ttlSeconds: 300,
  });
});

test('CNAMEs are followed inside an answer; the shortest life counts; records of other owners do not', () => {
  const answers: Answer[] = [
    { type: 'A', name: 'stranger.example', ttl: 5, data: '192.0.2.66' },
    cname('www.shop.example', 'a.cdn.example', 60),
    cname('a.cdn.example', 'b.cdn.example', 90),
    { type: 'A', name: 'b.cdn.example', ttl: 120, data: '192.0.2.1' },
  ];
  assert.deepEqual(readReply(message(A, { answers }), ID, A), {
    kind: 'records',
    name: 'b.cdn.example',
    exchanges: [],
    addresses: ['192.0.2.1'],
    ttlSeconds: 60,
  });
});

test('a CNAME that leads out of the answer is told, a loop ends', () => {
  assert.deepEqual(
    readReply(message(A, { answers: [cname('www.shop.example', 'host.other.example', 60)] }), ID, A),
    {
      kind: 'alias',
      target: 'host.other.example',
      ttlSeconds: 60,
    },
  );
  const loop = [cname('www.shop.example', 'b.shop.example'), cname('b.shop.example', 'www.shop.example')];
  assert.deepEqual(readReply(message(A, { answers: loop }), ID, A), {
    kind: 'failure',
    reason: 'a CNAME loop',
    withoutEdns: false,
  });
});

test('a CNAME to what is no name is a failure, whatever else the server says', () => {
  for (const target of ['not a host.example', '.']) {
    const answers = [cname('www.shop.example', target)];
    assert.equal(
      readReply(message(A, { answers, authorities: [soa(1, 1)] }), ID, A)?.kind,
      'failure',
      target,
    );
  }
});

test('NXDOMAIN and no data are told apart, and live as long as RFC 2308 says', () => {
  const nothing = (parts: Packet) => readReply(message(MX, parts), ID, MX);
  assert.deepEqual(nothing({ flags: 3, authorities: [soa(900, 60)] }), {
    kind: 'no-name',
    name: 'shop.example',
    ttlSeconds: 60,
  });
  assert.deepEqual(nothing({ authorities: [soa(30, 60)] }), {
    kind: 'no-data',
    name: 'shop.example',
    ttlSeconds: 30,
  });
  const unproven = { name: 'shop.example', ttlSeconds: undefined };
  assert.deepEqual(nothing({}), { kind: 'no-data', ...unproven });
  const stranger = { ...soa(30, 60), name: 'op.example' } as Answer;
  assert.deepEqual(nothing({ authorities: [stranger] }), { kind: 'no-data', ...unproven });
  assert.deepEqual(nothing({ flags: 3, authorities: [stranger] }), { kind: 'no-name', ...unproven });
});

test('a lame server is no proof that a domain has no MX: referrals and errors are failures', () => {
  const referral: Answer[] = [{ type: 'NS', name: 'example', ttl: 5, data: 'ns.example' }];
  assert.equal(readReply(message(MX, { authorities: referral }), ID, MX)?.kind, 'failure');
  for (const [rcode, name, withoutEdns] of [
    [1, 'FORMERR', true],
    [2, 'SERVFAIL', false],
    [4, 'NOTIMP', true],
    [5, 'REFUSED', false],
    [9, 'response code 9', false],
  ] as const) {
    const reply = { kind: 'failure', reason: name, withoutEdns };
    assert.deepEqual(readReply(message(MX, { flags: rcode }), ID, MX), reply);
    assert.deepEqual(readReply(message(MX, { flags: rcode, questions: [] }), ID, MX), reply);
  }
});

test('a truncated answer is not taken for the whole', () => {
  const flags = dnsPacket.TRUNCATED_RESPONSE;
  assert.deepEqual(readReply(message(MX, { flags, answers: [mx('mx.shop.example', 1)] }), ID, MX), {
    kind: 'truncated',
  });
  const cut = message(MX, { flags, answers: [mx('mx.shop.example', 1)] }).subarray(0, -4);
  assert.deepEqual(readReply(cut, ID, MX), { kind: 'truncated' }, 'also where it is cut inside a record');
});

test('half an address is no address, and no reason to return mail', () => {
  const whole = message(A, { answers: [{ type: 'A', name: A.name, ttl: 5, data: '192.0.2.1' }] });
  assert.equal(readReply(whole, ID, A)?.kind, 'records');
  for (const missing of [1, 2, 3, 4]) {
    assert.equal(readReply(whole.subarray(0, -missing), ID, A)?.kind, 'failure', `${missing} octets missing`);
  }
});

test('no octets from the network can throw', () => {
  const whole = message(MX, { answers: [mx('mx.shop.example', 10)], authorities: [soa(1, 1)] });
  const mutation = fc.record({
    at: fc.nat({ max: whole.length - 1 }),
    octet: fc.nat({ max: 255 }),
    cut: fc.nat({ max: whole.length }),
  });
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
      let octets = Buffer.from(whole);
      for (const { at, octet, cut } of mutations) {
        if (at < octets.length) octets[at] = octet;
        if (cut > octets.length / 2) octets = octets.subarray(0, cut);
      }
      const reply = readReply(octets, ID, MX);
      assert.ok(reply === undefined || typeof reply.kind === 'string');
    }),
    { numRuns: 2000 },
  );
});
