import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { type AnsweredActivity, podActivitySchema, podStateSchema } from '../control/mod.ts';
import { columnTable } from './column-table.ts';
import { keysIn } from './terminal.ts';
import { afterKey } from './top-keys.ts';
import { countText, rateText, type TopChoice, topLine, topScreen } from './top-screen.ts';
import { topState } from './top-state.ts';

const NOW_MS = Date.UTC(2026, 11, 1, 12, 3, 1);
const CHOICE: TopChoice = { sort: 'queued', filter: '', typing: false };

const rates = (delivered: number, deferred = 0, failed = 0) => ({
  messages: delivered,
  delivered,
  deferred,
  failed,
});

function answer(number: number): AnsweredActivity {
  const pod = podStateSchema.parse({
    session: `01HZX00000000000000000000${number}`,
    host: `mta-${number}.mail.svc`,
    version: '0.1.0',
    startedAt: new Date(NOW_MS - 3_725_000 * (number + 1)).toISOString(),
    state: 'Ready',
    troubles: number === 2 ? ['limits'] : [],
    configHash: 'abc',
    configSince: '2026-12-01T00:00:00Z',
    groups: 1,
    messages: 1,
    segments: 85,
    renewalAgeMs: 2_100,
    limits: { session: `s${number}`, mode: number === 2 ? 'Degraded' : 'Shared', ledShards: 21 },
  });
  const sites = [
    {
      site: 'gmail-smtp-in.l.google.com',
      group: 'google',
      queued: 12_000,
      out: 130,
      connections: 3,
      bound: 10,
    },
    { site: 'mta5.am0.yahoodns.net', group: 'yahoo', queued: 800, out: 22.5, connections: 1, bound: 4 },
    { site: `shop-${number}.example`, group: '', queued: number, out: 0.2, connections: 1, bound: undefined },
  ];
  const activity = podActivitySchema.parse({
    acceptedPerSecond: 171.4,
    recent: rates(152.7, 3.2, 0.1),
    clientConnections: 20,
    connections: 5,
    queue: { ready: 40, sleeping: 12_000, scheduled: 800, inFlight: 8, oldestAgeMs: 95_000 },
    sites: sites.map(({ site, group, queued, out, connections, bound }) => ({
      pool: 'shared-a',
      site,
      group,
      recent: rates(out, out / 100),
      queued,
      asleep: 0,
      waiting: 0,
      connections,
      ...(bound !== undefined && { connectionBound: bound }),
      oldestAgeMs: 95_000,
      ...(group === 'google' && {
        waitsFor: 'source-group recipientRate',
        lastReply: '421 4.7.28 unusual\u001b[2J rate of mail',
      }),
    })),
    sources: [
      { pool: 'shared-a', source: 'ip-1', recent: rates(100, 2), connections: 3 },
      { pool: 'shared-a', source: 'ip-2', recent: rates(52.7, 1.2, 0.1), connections: 2 },
    ],
    directives: [
      {
        id: 'reaction suspend source=192.0.2.11,group=yahoo',
        effect: { type: 'Suspend' },
        selector: { source: '192.0.2.11', group: 'yahoo' },
        origin: 'Reaction',
        reason: 'reaction tss04: 421 4.7.0 [TSS04] Messages temporarily deferred',
        createdAtMs: NOW_MS - 60_000,
        expiresAtMs: NOW_MS + 7_200_000,
      },
    ],
    more: { sites: 0, sources: 0, directives: 0 },
  });
  return { pod, activity };
}

const STATE = topState([0, 1, 2].map(answer), ['01HZXSILENT'], NOW_MS);

for (const [columns, rows] of [
  [80, 24],
  [132, 40],
] as const) {
  test(`on a terminal of ${columns} × ${rows} everything that matters is seen`, () => {
    const lines = topScreen(STATE, CHOICE, { columns, rows }, NOW_MS);
    const text = `${lines.map((line) => `${line.style.padEnd(6)}|${line.text}`).join('\n')}\n`;
    const golden = fileURLToPath(new URL(`testdata/top/${columns}x${rows}.txt`, import.meta.url));
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
    assert.equal(text, readFileSync(golden, 'utf8'));
  });
}

test('no line and no number of lines is more than the terminal has, whatever its size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 40, max: 300 }), fc.integer({ min: 8, max: 100 }), (columns, rows) => {
      const lines = topScreen(STATE, CHOICE, { columns, rows }, NOW_MS);
      assert.equal(lines.length, rows);
      for (const { text } of lines) assert.ok(text.length <= columns, text);
    }),
  );
});

test('what a host answered cannot steer the terminal', () => {
  const lines = topScreen(STATE, CHOICE, { columns: 200, rows: 50 }, NOW_MS);
  for (const { text } of lines) assert.doesNotMatch(text, /\p{Cc}/u);
});

test('limits hold for all pods: connections are added up, their bound is not', () => {
  const [google] = STATE.sites;
  assert.deepEqual([google?.connections, google?.connectionBound, google?.queued], [9, 10, 36_000]);
});

test('without a terminal a look is one line', () => {
  assert.equal(
    topLine(STATE),
    '2026-12-01T12:03:01.000Z  in 514/s  out 458/s  deferred 9.6/s  bounced 0.3/s  queued 38544  connections 15  oldest 1m35s  directives 1  pods 3, silent 01HZXSILENT\n',
  );
});

test('keys: q and Ctrl-C end, s sorts, what is typed behind / filters, an arrow does nothing', () => {
  const typed = (keys: string): TopChoice | undefined => {
    let choice: TopChoice | undefined = CHOICE;
    for (const key of keysIn(keys)) choice = choice === undefined ? choice : afterKey(choice, key);
    return choice;
  };
  assert.equal(typed('q'), undefined);
  assert.equal(typed('/q\x03'), undefined);
  assert.deepEqual(typed('s'), { ...CHOICE, sort: 'out' });
  assert.deepEqual(typed('/gogle\x7f\x7f\x7foogle\r'), { ...CHOICE, filter: 'gooogle' });
  assert.deepEqual(typed('/q\x1b[Ax'), { ...CHOICE, filter: 'qx', typing: true });
  assert.deepEqual(typed('/yahoo\r\x1b'), CHOICE);
  const filtered = topScreen(STATE, { ...CHOICE, filter: 'yahoo' }, { columns: 80, rows: 24 }, NOW_MS);
  assert.ok(!filtered.some(({ text }) => text.startsWith('gmail')));
  assert.ok(filtered.some(({ text }) => text.startsWith('mta5.am0')));
});

test('numbers stay short enough for their columns', () => {
  assert.deepEqual([0, 0.04, 0.3, 9.94, 12.4, 9_999, 10_000].map(rateText), [
    '0',
    '0',
    '0.3',
    '9.9',
    '12',
    '9999',
    '10.0k',
  ]);
  assert.deepEqual([999_499, 999_500, 12_345_678, 1_234_567_890].map(countText), [
    '999k',
    '1.0M',
    '12.3M',
    '1.2G',
  ]);
  fc.assert(fc.property(fc.nat(2 ** 31), (count) => countText(count).length <= 5));
});

test('a cell that does not fit is cut, numbers stand to the right', () => {
  const columns = [
    { title: 'NAME', cell: ({ name }: { name: string }) => name, width: 6 },
    { title: 'N', cell: ({ n }: { n: number }) => String(n), width: 4, right: true as const },
  ];
  const rows = [
    { name: 'a', n: 5 },
    { name: 'abcdefgh', n: 12 },
  ];
  assert.deepEqual(columnTable(columns, rows, 40), ['NAME       N', 'a          5', 'abcde…    12']);
});
