import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type AnsweredMail, mailViewSchema, podStateSchema } from '../control/mod.ts';
import type { LimitView, MailView } from '../dispatch/mod.ts';
import { liveMail } from './live-mail.ts';
import { liveMailText } from './live-mail-text.ts';

const NOW_MS = Date.UTC(2026, 11, 1, 12, 3, 0);
const GOLDEN = fileURLToPath(new URL('testdata/explain/live.txt', import.meta.url));

const GROUP = 'source-group|Source=192.0.2.10|Group=google';
const TENANT = 'tenant|Tenant=shop';

/** A limit as a pod sees that has 2 of 5 connections; `leads` = it knows of the other one's 3 and of a third that is gone. */
function groupLimit(self: string, connections: number, leads: boolean): LimitView {
  return {
    id: GROUP,
    limitName: 'source-group',
    scope: 'Cluster',
    bounds: { connections: 5 },
    sources: ['ip-1'],
    held: { connections, waiting: 2, rates: [] },
    led: {
      leader: 'A',
      self,
      here: leads,
      granting: true,
      ...(leads && {
        key: {
          connections: {
            bound: 5,
            inUse: 5,
            holders: [
              { client: 'A', count: 2 },
              { client: 'B', count: 2 },
              { client: 'gone', count: 1 },
            ],
            waiting: 4,
          },
          rates: [],
        },
      }),
    },
  };
}

/** 60/min; 0.4 of a token is in the pool and 0.1 at this pod. */
function tenantLimit(self: string, leads: boolean): LimitView {
  return {
    id: TENANT,
    limitName: 'tenant',
    scope: 'Cluster',
    bounds: { recipientRate: { count: 60, periodMs: 60_000 } },
    sources: ['ip-1', 'ip-2'],
    held: {
      connections: 0,
      waiting: 0,
      rates: [{ rate: 'recipientRate', ratePerMs: 0.0005, capacity: 0.5, level: 0.05, waiting: 7 }],
    },
    led: {
      leader: 'B',
      self,
      here: leads,
      granting: true,
      ...(leads && {
        key: {
          rates: [
            {
              rate: 'recipientRate',
              ratePerMs: 0.001,
              burst: 1.1,
              poolLevel: 0.4,
              holders: [
                { client: 'A', ratePerMs: 0.0005, capacity: 0.5, once: false },
                { client: 'B', ratePerMs: 0.0005, capacity: 0.5, once: false },
              ],
              waiting: 2,
            },
          ],
        },
      }),
    },
  };
}

function answer(
  self: string,
  host: string,
  limits: readonly LimitView[],
  more: Partial<MailView> = {},
): AnsweredMail {
  const pod = podStateSchema.parse({
    session: `01HZX0000000000000000000${self}`,
    host,
    version: '0.1.0',
    startedAt: '2026-12-01T00:00:00Z',
    state: 'Ready',
    troubles: [],
    configHash: 'abc',
    configSince: '2026-12-01T00:00:00Z',
    groups: 1,
    messages: 1,
    limits: { session: self, mode: 'Shared', ledShards: 32 },
  });
  const mail: MailView = {
    configHash: 'abc',
    pool: 'shared-a',
    site: 'gmail-smtp-in.l.google.com',
    group: 'google',
    order: { kind: 'carry' },
    lane: {
      pool: 'shared-a',
      site: 'gmail-smtp-in.l.google.com',
      ready: 3,
      asleep: 0,
      waiting: 12,
      inFlight: 2,
      connections: 2,
      connectionsPerSource: { 'ip-1': 2 },
      oldestAgeMs: 95_000,
      lastReply: '421 4.7.28 unusual rate of mail',
    },
    demand: { wanted: 5, probing: false },
    mail: { ready: 3, asleep: 0, waiting: 12, inFlight: 2, oldestAgeMs: 95_000, nextDueInMs: 120_000 },
    sources: [
      { name: 'ip-1', address: '192.0.2.10', state: 'Active', connections: 2 },
      { name: 'ip-2', address: '192.0.2.11', state: 'Active', connections: 0, restsMs: 30_000 },
      { name: 'ip-3', address: '192.0.2.12', state: 'Draining', connections: 0 },
    ],
    moreSources: 0,
    limits,
    moreLimits: 0,
    directives: [],
    ...more,
  };
  // As it comes over the wire.
  return { pod, mail: mailViewSchema.parse(JSON.parse(JSON.stringify(mail))) };
}

const SUSPENSION = {
  id: 'reaction suspend source=192.0.2.11,group=google',
  effect: { type: 'Suspend' as const },
  selector: { source: '192.0.2.11', group: 'google' },
  origin: 'Reaction' as const,
  reason: 'reaction unusual-rate: 421 4.7.28 unusual rate',
  createdAtMs: NOW_MS - 60_000,
  expiresAtMs: NOW_MS + 7_200_000,
};

const BOTH = [
  answer('A', 'mta-0', [groupLimit('A', 2, true), tenantLimit('A', false)]),
  answer('B', 'mta-1', [groupLimit('B', 2, false), tenantLimit('B', true)], {
    directives: [SUSPENSION],
    sources: [
      { name: 'ip-1', address: '192.0.2.10', state: 'Active', connections: 2 },
      { name: 'ip-2', address: '192.0.2.11', state: 'Active', connections: 0, suspendedBy: SUSPENSION.id },
      { name: 'ip-3', address: '192.0.2.12', state: 'Draining', connections: 0 },
    ],
  }),
];

test('who asks why mail waits reads which limit is full, who holds it, which token comes when, and what suspends what', () => {
  const text = liveMailText(liveMail(BOTH, ['01HZXSILENT'], NOW_MS));
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(GOLDEN, text);
  assert.equal(text, readFileSync(GOLDEN, 'utf8'));
});

test('a token is counted wherever it lies; when the leader does not answer no time is made up', () => {
  const { limits } = liveMail(BOTH, [], NOW_MS);
  const rate = limits.find(({ limitName }) => limitName === 'tenant')?.bounds[0];
  assert.equal(rate?.nextInMs, 500, '0.4 + 0.05 + 0.05 of 1, and one a second');
  assert.equal(rate?.held, 1);
  const [alone] = liveMail(BOTH.slice(0, 1), [], NOW_MS).limits.filter(({ id }) => id === TENANT);
  assert.equal(alone?.leader, '');
  assert.equal(alone?.bounds[0]?.nextInMs, undefined);
  assert.deepEqual(alone?.bounds[0]?.holders, [{ pod: 'mta-0', amount: 0.5 }]);
});

test('a limit of which nothing is held is free, and a leader that has just begun gives out nothing', () => {
  const idle: LimitView = {
    ...tenantLimit('A', false),
    led: { leader: 'A', self: 'A', here: true, granting: true },
  };
  const free = liveMail([answer('A', 'mta-0', [idle])], [], NOW_MS);
  assert.equal(free.limits[0]?.bounds[0]?.nextInMs, 0);
  const begun = { ...idle, led: { ...idle.led, granting: false } };
  const starting = liveMail([answer('A', 'mta-0', [begun])], [], NOW_MS);
  assert.match(starting.sources[0]?.waits[0]?.what ?? '', /its leader has just begun/);
});

test('a limit of each pod alone stands once for each pod that uses it', () => {
  const own = (self: string): LimitView => ({
    ...groupLimit(self, 2, true),
    scope: 'Pod',
    led: { ...groupLimit(self, 2, true).led, leader: self, self },
  });
  const { limits } = liveMail(
    [answer('A', 'mta-0', [own('A')]), answer('B', 'mta-1', [own('B')])],
    [],
    NOW_MS,
  );
  assert.deepEqual(
    limits.map(({ pod }) => pod),
    ['mta-0', 'mta-1'],
  );
});

test('two workers of one host are told apart', () => {
  const { pods } = liveMail([answer('A', 'host', []), answer('B', 'host', [])], [], NOW_MS);
  assert.deepEqual(
    pods.map(({ name }) => name),
    ['host/00000A', 'host/00000B'],
  );
});
