import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JournalBatch, JournalRecord } from './journal-record.ts';
import type { JournalEntry, OwnerCommand } from './owner-command.ts';
import type { Place } from './place.ts';
import { SegmentOwner } from './segment-owner.ts';

const OWN = '1'.padStart(26, '0');
const OTHER = '2'.padStart(26, '0');
const message = (sequence: number): Place => ({
  store: 'spool',
  sequence,
  id: String(sequence).padStart(26, '0'),
});

function newOwner(dead: readonly string[] = []): SegmentOwner {
  let number = 0;
  return new SegmentOwner({
    session: OWN,
    nextNumber: () => ++number,
    isDead: (session) => dead.includes(session),
  });
}

const entry = (
  sequence: number,
  session: string,
  number: number,
  ...records: JournalRecord[]
): JournalEntry => ({
  sequence,
  batch: { session, epoch: records[0]?.kind === 'fence' ? 0 : 10, number, records },
});

const kinds = (commands: readonly OwnerCommand[]): string[] => commands.map(({ kind }) => kind);

function appendOf(commands: readonly OwnerCommand[]): { expected: number; batch: JournalBatch } {
  const append = commands.find((command) => command.kind === 'append');
  assert.ok(append?.kind === 'append', `no append among ${kinds(commands)}`);
  return append;
}

/** An owner that is live at epoch 20 with what the former owner's journal and SPOOL gave. */
function liveOwner(journal: readonly JournalEntry[], messages: readonly Place[]): SegmentOwner {
  const owner = newOwner([OTHER]);
  owner.handle({ kind: 'adopt' }, 0);
  const { batch } = appendOf(owner.handle({ kind: 'journal', after: 0, entries: journal }, 0));
  owner.handle({ kind: 'appended', number: batch.number, sequence: 20 }, 0);
  const marker = (sequence: number) => ({ sequence, epoch: 20, id: OWN, groups: 0 });
  const items = messages.map(({ sequence, id }) => ({ sequence, epoch: 10, id, groups: 1 }));
  owner.handle({ kind: 'read', store: 'spool', after: 0, items: [...items, marker(900)] }, 0);
  owner.handle({ kind: 'read', store: 'defer', after: 0, items: [marker(5)] }, 0);
  assert.equal(owner.phase, 'live');
  return owner;
}

describe('the owner of a segment', () => {
  test('leaves a segment alone whose owner lives', () => {
    const owner = newOwner();
    owner.handle({ kind: 'adopt' }, 0);
    const commands = owner.handle(
      { kind: 'journal', after: 0, entries: [entry(10, OTHER, 1, { kind: 'fence' })] },
      0,
    );
    assert.deepEqual(commands, [{ kind: 'declined', session: OTHER }]);
    assert.equal(owner.phase, 'idle');
  });

  test('a fence without an answer decides nothing: the journal says whether it arrived', () => {
    const owner = newOwner([OTHER]);
    owner.handle({ kind: 'adopt' }, 0);
    const journal = [entry(10, OTHER, 7, { kind: 'fence' })];
    const { batch, expected } = appendOf(owner.handle({ kind: 'journal', after: 0, entries: journal }, 0));
    assert.equal(expected, 10);
    const asked = owner.handle({ kind: 'append-failed', number: batch.number, timedOut: true }, 5_000);
    assert.deepEqual(asked, [{ kind: 'read-journal', after: 10 }]);
    const arrived = [{ sequence: 20, batch }];
    const commands = owner.handle({ kind: 'journal', after: 10, entries: arrived }, 5_001);
    assert.deepEqual(kinds(commands), ['publish-marker', 'read-store', 'publish-marker', 'read-store']);
    assert.equal(owner.epoch, 20);
  });

  test('a fence of an earlier adoption by this process is not taken for the present one', () => {
    const owner = newOwner();
    owner.handle({ kind: 'adopt' }, 0);
    const stale = [entry(10, OWN, 99, { kind: 'fence' })];
    assert.equal(appendOf(owner.handle({ kind: 'journal', after: 0, entries: stale }, 0)).expected, 10);
    assert.equal(owner.phase, 'fencing');
  });

  test('a journal that takes long to read is read once: asked for again and again it would never end', () => {
    const owner = newOwner([OTHER]);
    owner.handle({ kind: 'adopt' }, 0);
    const fence = entry(10, OTHER, 1, { kind: 'fence' });
    assert.deepEqual(owner.handle({ kind: 'journal', after: 0, entries: [fence], isPart: true }, 4_000), []);
    assert.deepEqual(owner.handle({ kind: 'tick' }, 6_000), []);
    const more = entry(11, OTHER, 2, { kind: 'inflight', place: message(3), group: 0, uncleanEnds: 0 });
    const { expected } = appendOf(owner.handle({ kind: 'journal', after: 10, entries: [more] }, 8_000));
    assert.equal(expected, 11);
  });

  test('sends while it still reads, and takes new mail only after both markers', () => {
    const owner = newOwner([OTHER]);
    owner.handle({ kind: 'adopt' }, 0);
    const { batch } = appendOf(owner.handle({ kind: 'journal', after: 0, entries: [] }, 0));
    owner.handle({ kind: 'appended', number: batch.number, sequence: 20 }, 0);
    const { sequence, id } = message(3);
    const items = [{ sequence, epoch: 10, id, groups: 1 }];
    const commands = owner.handle({ kind: 'read', store: 'spool', after: 0, items }, 0);
    assert.deepEqual(kinds(commands), ['offer', 'read-store']);
    assert.equal(owner.start(message(3), 0), 'later');
    assert.equal(owner.takesMail, false);
  });

  test('what may have ended an owner starts only once that is journalled, also when nobody told of it: a crash comes before the journal', () => {
    const journal = [
      entry(10, OTHER, 1, { kind: 'fence' }),
      entry(11, OTHER, 2, { kind: 'inflight', place: message(3), group: 0, uncleanEnds: 0 }),
    ];
    const owner = liveOwner(journal, [message(3), message(4)]);
    owner.published(message(901), 1);
    assert.equal(owner.start(message(901), 0), 'go', 'new mail waits for nothing');
    for (const old of [message(3), message(4)]) assert.equal(owner.start(old, 0), 'later');
    const { batch } = appendOf(owner.handle({ kind: 'tick' }, 0));
    const commands = owner.handle({ kind: 'appended', number: batch.number, sequence: 21 }, 1);
    assert.deepEqual(
      commands.filter(({ kind }) => kind === 'started'),
      [message(3), message(4)].map((place) => ({ kind: 'started', place, group: 0 })),
    );
  });

  test('another writer in the journal ends it: everything of the segment goes', () => {
    const owner = liveOwner([], [message(3)]);
    owner.start(message(3), 0);
    const { batch } = appendOf(owner.handle({ kind: 'tick' }, 1_000));
    owner.handle({ kind: 'append-failed', number: batch.number, timedOut: false }, 1_001);
    const entries = [entry(30, OTHER, 5, { kind: 'fence' })];
    const commands = owner.handle({ kind: 'journal', after: 20, entries }, 1_002);
    assert.deepEqual(kinds(commands), ['drop']);
    assert.equal(owner.start(message(3), 0), 'no');
  });

  test('SPOOL is not purged beyond what was looked at, nor beyond a publish without an answer', () => {
    const owner = liveOwner([], [message(3)]);
    owner.publishing(message(950).id, 0);
    owner.start(message(3), 0);
    owner.record(message(3), { kind: 'done', place: message(3), group: 0 });
    const first = appendOf(owner.handle({ kind: 'tick' }, 1_000)).batch;
    owner.handle({ kind: 'appended', number: first.number, sequence: 21 }, 1_001);
    const purges = owner
      .handle({ kind: 'tick' }, 3_000)
      .filter((command) => command.kind === 'purge' && command.store === 'spool');
    const guard = { store: 'spool' as const, sequence: 900, id: OWN };
    assert.deepEqual(purges, [{ kind: 'purge', store: 'spool', upTo: 899, guard }]);
    owner.handle({ kind: 'purged', store: 'spool', upTo: 899 }, 3_001);
    owner.published(message(960), 1);
    const later = owner
      .handle({ kind: 'tick' }, 5_000)
      .filter((command) => command.kind === 'purge' && command.store === 'spool');
    assert.deepEqual(later, [{ kind: 'purge', store: 'spool', upTo: 900, guard: message(960) }]);
  });

  test('what is open at the release is told on a subject of its own, and then the process may end', () => {
    const owner = liveOwner([], []);
    owner.published(message(901), 1);
    owner.start(message(901), 0);
    const { batch } = appendOf(owner.handle({ kind: 'release' }, 1_000));
    assert.deepEqual(batch.records.at(-1), {
      kind: 'released',
      inflight: [{ place: message(901), group: 0 }],
    });
    owner.handle({ kind: 'appended', number: batch.number, sequence: 21 }, 1_001);
    assert.equal(owner.isSettled, false);
    owner.record(message(901), { kind: 'done', place: message(901), group: 0 });
    const told = owner.handle({ kind: 'tick' }, 2_000).find(({ kind }) => kind === 'append-handover');
    assert.ok(told?.kind === 'append-handover' && told.batch.epoch === 20);
    owner.handle({ kind: 'handover-appended', number: told.batch.number, sequence: 22 }, 2_001);
    assert.equal(owner.isSettled, true);
  });
});
