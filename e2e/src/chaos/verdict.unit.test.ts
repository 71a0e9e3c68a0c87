import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JournalRecord } from '@sluice/mta/spool';
import { JournalBook } from './journal-book.ts';
import { type Delivery, type Evidence, judge } from './verdict.ts';

const ID = '01KAXY0S3E8M0N8Q7V00000001';
const [ONE, TWO] = ['01KAXY0S3E8M0N8Q7V0000AAAA', '01KAXY0S3E8M0N8Q7V0000BBBB'];
const [POD_0, POD_1] = ['10.0.0.1', '10.0.0.2'];
const TO = 'a.1@x.example';
const place = { store: 'spool', sequence: 1, id: ID } as const;
const FENCE: JournalRecord = { kind: 'fence' };
const IN_FLIGHT: JournalRecord = { kind: 'inflight', place, group: 0, uncleanEnds: 0 };
const DONE: JournalRecord = { kind: 'done', place, group: 0 };
const RELEASED: JournalRecord = { kind: 'released', inflight: [{ place, group: 0 }] };

/** A batch each, written at 100 ms, 200 ms and so on. */
function journal(
  ...batches: readonly (readonly [session: string, record: JournalRecord, handover?: true])[]
): JournalBook {
  const book = new JournalBook();
  for (const [index, [session, record, handover]] of batches.entries())
    book.take({
      subject: `sluice.journal.7${handover === true ? '.handover.1' : ''}`,
      sequence: index + 1,
      atMs: (index + 1) * 100,
      batch: { session, epoch: 1, number: index, records: [record] },
    });
  return book;
}

function from(source: string, atMs: number): Delivery {
  return { recipient: TO, source, atMs };
}

function evidence(changes: Partial<Evidence>): Evidence {
  return {
    offered: [{ id: ID, recipients: [TO] }],
    deliveries: [],
    refused: new Set(),
    queued: new Map(),
    held: new Set(),
    idsOf: new Map(),
    journal: new JournalBook(),
    dropped: [],
    podOfSource: new Map([
      [POD_0, 'pod-0'],
      [POD_1, 'pod-1'],
    ]),
    podOfSession: new Map([
      [ONE, 'pod-0'],
      [TWO, 'pod-1'],
    ]),
    maxUnjournalled: 500,
    maxInFlight: 20,
    ...changes,
  };
}

test('a message that got its 250 and is nowhere is lost', () => {
  const verdict = judge(evidence({}));
  assert.equal(verdict.lost, 1);
  assert.match(verdict.complaints[0] ?? '', new RegExp(`LOST 1 .*x.example: ${ID} to ${TO}`));
});

test('what is delivered, refused, queued or held is not lost; what is queued for others does not count', () => {
  for (const changes of [
    { deliveries: [from(POD_0, 300)] },
    { refused: new Set([TO]) },
    { queued: new Map([['x.example', 1]]) },
    { held: new Set([ID]) },
  ])
    assert.equal(judge(evidence(changes)).lost, 0, JSON.stringify(changes));
  assert.equal(judge(evidence({ queued: new Map([['y.example', 5]]) })).lost, 1);
});

test('a message that no client read a 250 for cannot be lost, and is counted apart when it arrives', () => {
  const offered = [{ id: '', recipients: [TO] }];
  assert.equal(judge(evidence({ offered })).lost, 0);
  const verdict = judge(evidence({ offered, deliveries: [from(POD_0, 300)] }));
  assert.equal(verdict.unconfirmed, 1);
  assert.equal(verdict.accepted, 0);
});

const twice = [from(POD_0, 250), from(POD_1, 450)];

for (const [what, book] of [
  ['with it in flight', journal([ONE, FENCE], [ONE, IN_FLIGHT], [TWO, FENCE], [TWO, DONE])],
  ['before it was in the journal at all', journal([ONE, FENCE], [ONE, FENCE], [TWO, FENCE], [TWO, DONE])],
  [
    'after it had released it, without telling its outcome',
    journal([ONE, FENCE], [ONE, RELEASED], [TWO, FENCE], [TWO, DONE]),
  ],
] as const) {
  test(`a second delivery is explained when its owner was lost ${what}`, () => {
    const verdict = judge(evidence({ deliveries: twice, journal: book }));
    assert.equal(verdict.duplicates, 1);
    assert.equal(verdict.unexplainedDuplicates, 0, verdict.complaints.join('\n'));
    assert.equal(verdict.mostOfOneLoss, 1);
  });
}

for (const [what, deliveries, book] of [
  [
    'nobody was lost',
    [from(POD_0, 250), from(POD_0, 260)],
    journal([ONE, FENCE], [ONE, IN_FLIGHT], [ONE, DONE]),
  ],
  [
    'its outcome was journalled before the owner was lost',
    twice,
    journal([ONE, FENCE], [ONE, DONE], [TWO, FENCE], [TWO, IN_FLIGHT]),
  ],
  [
    'its outcome was journalled, although the second owner was lost too',
    [from(POD_0, 150), from(POD_1, 350)],
    journal([ONE, FENCE], [ONE, DONE], [TWO, FENCE], [ONE, FENCE]),
  ],
  [
    'the owner had released it and did tell its outcome',
    twice,
    journal([ONE, FENCE], [ONE, RELEASED], [TWO, FENCE], [TWO, DONE], [ONE, DONE, true]),
  ],
  [
    'one lost owner sent it twice',
    [from(POD_0, 210), from(POD_0, 220), from(POD_1, 450)],
    journal([ONE, FENCE], [ONE, IN_FLIGHT], [TWO, FENCE], [TWO, DONE]),
  ],
  ['a pod sent it that never had it', twice, journal([ONE, FENCE], [ONE, IN_FLIGHT], [ONE, DONE])],
  ['the journal does not know it', twice, journal([ONE, FENCE])],
] as const) {
  test(`a second delivery is not explained when ${what}`, () => {
    const verdict = judge(evidence({ deliveries, journal: book }));
    assert.equal(verdict.unexplainedDuplicates, 1, verdict.complaints.join('\n'));
    assert.match(verdict.complaints.join('\n'), /^UNEXPLAINED a\.1@x\.example: /);
  });
}

test('a fence of the same session is no loss, unless its pod said that it forgot the segment', () => {
  const deliveries = [from(POD_0, 250), from(POD_0, 350)];
  const book = journal([ONE, FENCE], [ONE, IN_FLIGHT], [ONE, FENCE], [ONE, DONE]);
  assert.equal(judge(evidence({ deliveries, journal: book })).unexplainedDuplicates, 1);
  const dropped = [{ pod: 'pod-0', segment: 7, atMs: 270 }];
  assert.equal(judge(evidence({ deliveries, journal: book, dropped })).unexplainedDuplicates, 0);
  const elsewhere = [{ pod: 'pod-0', segment: 8, atMs: 270 }];
  assert.equal(judge(evidence({ deliveries, journal: book, dropped: elsewhere })).unexplainedDuplicates, 1);
});

test('a recipient that a deferral no longer names is done: sending to it again is not explained', () => {
  const offered = [{ id: ID, recipients: ['b.1@x.example', TO] }];
  const state = { attempts: 1, nextAttemptAtMs: 0, lastSource: '' };
  const book = (pending: readonly number[]): JournalBook =>
    journal(
      [ONE, FENCE],
      [ONE, { kind: 'deferred', place, group: 0, state: { ...state, pending } }],
      [TWO, FENCE],
      [TWO, DONE],
    );
  assert.equal(judge(evidence({ offered, deliveries: twice, journal: book([0]) })).unexplainedDuplicates, 1);
  assert.equal(judge(evidence({ offered, deliveries: twice, journal: book([1]) })).unexplainedDuplicates, 0);
});

test('a loss explains no more than W and what was in flight', () => {
  const offered = Array.from({ length: 30 }, (_, index) => ({
    id: `id${index}`,
    recipients: [`a.${index}@x.example`],
  }));
  const book = new JournalBook();
  const take = (sequence: number, session: string, records: readonly JournalRecord[]): void =>
    book.take({
      subject: 'sluice.journal.7',
      sequence,
      atMs: sequence * 100,
      batch: { session, epoch: 1, number: sequence, records },
    });
  take(1, ONE, [FENCE]);
  take(2, TWO, [FENCE]);
  take(
    3,
    TWO,
    offered.map(({ id }) => ({ kind: 'done', place: { ...place, id }, group: 0 })),
  );
  const deliveries = offered.flatMap(({ recipients: [recipient = ''] }) => [
    { recipient, source: POD_0, atMs: 150 },
    { recipient, source: POD_1, atMs: 250 },
  ]);
  const all = evidence({ offered, deliveries, journal: book, maxUnjournalled: 20, maxInFlight: 10 });
  assert.equal(judge(all).unexplainedDuplicates, 0);
  const tooMany = judge({ ...all, maxInFlight: 9 });
  assert.equal(tooMany.unexplainedDuplicates, 1);
  assert.match(tooMany.complaints.join('\n'), /30 duplicates of the loss of .*pod-0.*, at most 29/);
});

test('duplicates of mail without a 250 are judged too: events say which message it was', () => {
  const offered = [{ id: '', recipients: [TO] }];
  const book = journal([ONE, FENCE], [ONE, IN_FLIGHT], [TWO, FENCE], [TWO, DONE]);
  const known = evidence({
    offered,
    deliveries: twice,
    journal: book,
    idsOf: new Map([[TO, new Set([ID])]]),
  });
  assert.equal(judge(known).unexplainedDuplicates, 0);
  assert.equal(judge({ ...known, idsOf: new Map() }).unexplainedDuplicates, 1);
});

test('a journal with a hole explains nothing: it is said', () => {
  const book = journal([ONE, FENCE]);
  book.take({
    subject: 'sluice.journal.7',
    sequence: 9,
    atMs: 900,
    batch: { session: TWO, epoch: 1, number: 9, records: [FENCE] },
  });
  const { complaints } = judge(evidence({ deliveries: [from(POD_0, 150)], journal: book }));
  assert.match(complaints.join('\n'), /7 batches of the journal were purged before/);
});
