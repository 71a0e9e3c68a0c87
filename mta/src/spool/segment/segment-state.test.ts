import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newMessageId } from '../message-id.ts';
import type { GroupState } from '../recipient-group.ts';
import type { JournalBatch, JournalRecord } from './journal-record.ts';
import type { Place, Store } from './place.ts';
import { restatement } from './restatement.ts';
import { SegmentState } from './segment-state.ts';

const FIRST = newMessageId(1);
const SECOND = newMessageId(2);
const THIRD = newMessageId(3);

const waiting: GroupState = {
  pending: [0],
  attempts: 3,
  nextAttemptAtMs: 1_780_000_000_123,
  lastReply: { code: 421, enhanced: '4.7.28', text: 'unusual rate – später', host: 'mx1.example' },
  lastSource: 'ip-1',
};

const place = (sequence: number, store: Store = 'spool'): Place => ({
  store,
  sequence,
  id: String(sequence).padStart(26, '0'),
});

/** A journal that can be read again by another owner. */
class Journal {
  readonly batches: [number, JournalBatch][] = [];
  epoch = 0;

  write(state: SegmentState | undefined, session: string, ...records: JournalRecord[]): number {
    const sequence = 100 + this.batches.length;
    const isFence = records[0]?.kind === 'fence';
    const batch = { session, epoch: isFence ? 0 : this.epoch, number: this.batches.length + 1, records };
    if (isFence) this.epoch = sequence;
    this.batches.push([sequence, batch]);
    state?.apply(sequence, batch);
    return sequence;
  }

  read(): SegmentState {
    const state = new SegmentState();
    for (const [sequence, batch] of this.batches) state.apply(sequence, batch);
    return state;
  }
}

/** The only group of a message as it comes out of a replay. */
const onlyGroup = (state: SegmentState, at: Place) => state.seen(at, 1)?.get(0);

const done = (at: Place, group = 0): JournalRecord => ({ kind: 'done', place: at, group });
const deferred = (at: Place, state = waiting, group = 0): JournalRecord => ({
  kind: 'deferred',
  place: at,
  group,
  state,
});
const inflight = (at: Place, uncleanEnds = 0): JournalRecord => ({
  kind: 'inflight',
  place: at,
  group: 0,
  uncleanEnds,
});
const moved = (at: Place, toSequence: number): JournalRecord => ({
  kind: 'moved',
  place: at,
  toSequence,
  doneGroups: [],
});

describe('the state of a segment', () => {
  test('what is done is not sent again, what is deferred keeps its state, what is new is new', () => {
    const journal = new Journal();
    journal.write(undefined, FIRST, { kind: 'fence' });
    journal.write(undefined, FIRST, done(place(1)), deferred(place(2)));
    const state = journal.read();
    assert.equal(state.seen(place(1), 1), undefined);
    assert.deepEqual(onlyGroup(state, place(2))?.state, waiting);
    assert.deepEqual(onlyGroup(state, place(3)), {
      state: undefined,
      awaited: false,
      held: false,
      uncleanEnds: 0,
    });
    assert.deepEqual(state.endReplay(), { revived: [], missing: 0 });
    assert.equal(state.messages, 2);
    assert.deepEqual(state.firstLive('spool'), place(2));
  });

  test('an outcome of another message in the same place retires nothing', () => {
    const journal = new Journal();
    journal.write(undefined, FIRST, { kind: 'fence' }, done({ ...place(1), id: place(9).id }));
    const state = journal.read();
    assert.ok(state.seen(place(1), 1));
    state.endReplay();
    journal.write(state, FIRST, done({ ...place(1), id: place(9).id }));
    assert.ok(state.live(place(1)));
  });

  test('of a message to several domains only what is not done is live, before and after it moved', () => {
    const journal = new Journal();
    journal.write(undefined, FIRST, { kind: 'fence' });
    journal.write(
      undefined,
      FIRST,
      done(place(1), 1),
      deferred(place(1), { ...waiting, pending: [2, 5] }, 2),
    );
    journal.write(undefined, FIRST, moved(place(1), 7));
    const state = journal.read();
    const copy = { ...place(1), store: 'defer' as const, sequence: 7 };
    assert.equal(state.seen(place(1), 3), undefined, 'the original is retired');
    const live = state.seen(copy, 3);
    assert.deepEqual([...(live?.keys() ?? [])], [0, 2]);
    assert.deepEqual(live?.get(2)?.state, { ...waiting, pending: [2, 5] });
    state.endReplay();
    journal.write(state, FIRST, done(copy, 0), done(copy, 2));
    assert.equal(state.live(copy), undefined);
    assert.equal(state.messages, 0);
  });

  test('a copy in DEFER that was not journalled is garbage; its original is sent', () => {
    const journal = new Journal();
    journal.write(undefined, FIRST, { kind: 'fence' });
    const state = journal.read();
    assert.equal(state.seen(place(5, 'defer'), 1), undefined);
    assert.ok(state.seen(place(1), 1));
  });

  test('a copy that the store lost brings its original back; both lost is counted', () => {
    const journal = new Journal();
    journal.write(
      undefined,
      FIRST,
      { kind: 'fence' },
      deferred(place(1)),
      moved(place(1), 5),
      moved(place(2), 6),
    );
    const state = journal.read();
    assert.equal(state.seen(place(1), 1), undefined);
    const { revived, missing } = state.endReplay();
    assert.deepEqual(
      revived.map(({ place: at }) => at),
      [place(1)],
    );
    assert.deepEqual(revived[0]?.live.get(0)?.state, waiting);
    assert.equal(missing, 1);
  });

  test('the queue may name a message by its former place until it forgets it', () => {
    const journal = new Journal();
    journal.write(undefined, FIRST, { kind: 'fence' });
    const state = journal.read();
    state.endReplay();
    state.seen(place(1), 1);
    const batches = journal.batches.length;
    journal.write(state, FIRST, moved(place(1), 5));
    journal.write(state, FIRST, moved({ ...place(1), store: 'defer', sequence: 5 }, 9));
    const now = { ...place(1), store: 'defer', sequence: 9 };
    assert.deepEqual(state.current(place(1)), now);
    for (const [, batch] of journal.batches.slice(batches)) state.journalPurged(batch);
    assert.deepEqual(state.current(place(1)), now);
    state.forget(place(1));
    assert.equal(state.current(place(1)), undefined);
  });

  test('in flight at three unclean ends in a row = held; a clean end, or an attempt that ended, counts nothing', () => {
    const journal = new Journal();
    for (let end = 0; end < 3; end++) {
      const session = end % 2 === 0 ? FIRST : SECOND;
      journal.write(undefined, session, { kind: 'fence' });
      const state = journal.read();
      const live = onlyGroup(state, place(1));
      assert.equal(live?.held, false);
      assert.equal(live?.uncleanEnds, end);
      journal.write(undefined, session, inflight(place(1), end), inflight(place(2), Math.max(0, end - 1)));
      if (end === 0) journal.write(undefined, session, deferred(place(2)));
    }
    journal.write(undefined, SECOND, { kind: 'fence' });
    const state = journal.read();
    assert.equal(onlyGroup(state, place(1))?.held, true);
    assert.equal(onlyGroup(state, place(2))?.held, false);
    journal.write(undefined, SECOND, { kind: 'suspected', place: place(1), group: 0, uncleanEnds: 0 });
    assert.equal(onlyGroup(journal.read(), place(1))?.held, false);
  });

  test('unclean ends are the message’s: what ends a process in one group would end as many again in each of the others', () => {
    const journal = new Journal();
    for (let end = 0; end < 3; end++) {
      journal.write(undefined, end % 2 === 0 ? FIRST : SECOND, { kind: 'fence' });
      const live = journal.read().seen(place(1), 3);
      assert.deepEqual(
        [...(live ?? [])].map(([, group]) => [group.uncleanEnds, group.held]),
        [0, 1, 2].map(() => [end, false]),
      );
      journal.write(undefined, end % 2 === 0 ? FIRST : SECOND, {
        kind: 'inflight',
        place: place(1),
        group: end,
        uncleanEnds: end,
      });
    }
    journal.write(undefined, SECOND, { kind: 'fence' });
    const held = journal.read().seen(place(1), 3);
    assert.deepEqual(
      [...(held ?? [])].map(([, group]) => group.held),
      [true, true, true],
    );
  });

  test('what a former owner still sends after its release waits for the outcome, or for its end', () => {
    const journal = new Journal();
    const first = journal.write(undefined, FIRST, { kind: 'fence' });
    journal.write(undefined, FIRST, inflight(place(1)), inflight(place(2)), inflight(place(3)));
    const open = [1, 2].map((sequence) => ({ place: place(sequence), group: 0 }));
    journal.write(undefined, FIRST, { kind: 'released', inflight: open });
    assert.equal(journal.read().owner?.released, true);
    journal.write(undefined, SECOND, { kind: 'fence' });
    const state = journal.read();
    assert.equal(state.owner?.released, false);
    assert.deepEqual(state.handovers(), [{ epoch: first, session: FIRST }]);
    assert.equal(onlyGroup(state, place(1))?.awaited, true);
    assert.equal(onlyGroup(state, place(3))?.awaited, false);
    journal.write(undefined, SECOND, done(place(1)));
    const later = journal.read();
    assert.deepEqual(later.awaited(first), [open[1]]);
    journal.write(undefined, THIRD, { kind: 'fence' });
    assert.deepEqual(
      journal.read().awaited(first),
      [open[1]],
      'an unclean end of the second owner changes nothing',
    );
    journal.write(undefined, THIRD, { kind: 'settled', epoch: first });
    const settled = onlyGroup(journal.read(), place(2));
    assert.equal(settled?.awaited, false);
    assert.equal(settled?.uncleanEnds, 1);
  });

  test('the journal can be cut at any batch once what it held was said again', () => {
    const journal = new Journal();
    const first = journal.write(undefined, FIRST, { kind: 'fence' });
    journal.write(undefined, FIRST, inflight(place(3)), inflight(place(8)));
    journal.write(
      undefined,
      FIRST,
      done(place(1)),
      done(place(4), 1),
      deferred(place(2)),
      deferred(place(4)),
    );
    journal.write(
      undefined,
      FIRST,
      deferred(place(5), { ...waiting, attempts: 1 }),
      moved(place(5), 50),
      moved(place(4), 51),
    );
    journal.write(undefined, FIRST, deferred({ ...place(5), store: 'defer', sequence: 50 }));
    journal.write(undefined, FIRST, { kind: 'released', inflight: [{ place: place(8), group: 0 }] });
    journal.write(undefined, SECOND, { kind: 'fence' });
    const messages: readonly (readonly [Place, number])[] = [
      ...[1, 2, 3, 5, 6, 8].map((sequence) => [place(sequence), 1] as const),
      [place(4), 2],
      [{ ...place(5), store: 'defer', sequence: 50 }, 1],
      [{ ...place(4), store: 'defer', sequence: 51 }, 2],
    ];
    const view = (state: SegmentState, purgedTo: number) => ({
      live: messages
        .filter(([at]) => at.store === 'defer' || at.sequence > purgedTo)
        .map(([at, groups]) => [at.store, at.sequence, [...(state.seen(at, groups) ?? [])]]),
      handovers: state.handovers().map(({ epoch }) => state.awaited(epoch)),
    });
    const owner = journal.read();
    const before = view(journal.read(), 5);
    for (const [at, groups] of messages) owner.seen(at, groups);
    owner.endReplay();
    assert.equal(
      restatement(owner, journal.batches[2]![0], journal.batches[2]![1], 0),
      undefined,
      'place 1 is not purged',
    );
    // Messages up to place 5 are purged from SPOOL: 1 to 3 would be live otherwise, so they are finished first.
    journal.write(owner, SECOND, done(place(2)), done(place(3)));
    const expected = {
      ...before,
      live: before.live.filter(([store, sequence]) => store === 'defer' || Number(sequence) > 5),
    };
    for (let cut = 0; cut < 7; cut++) {
      const [sequence, batch] = journal.batches[0]!;
      const restated = restatement(owner, sequence, batch, 5);
      assert.ok(restated, `batch ${sequence}`);
      if (restated.length > 0) {
        journal.write(owner, SECOND, ...restated);
      }
      journal.batches.shift();
      owner.journalPurged(batch);
      const again = journal.read();
      assert.equal(again.owner?.session, SECOND);
      assert.deepEqual(strip(view(again, 5)), strip(expected), `after cutting ${sequence}`);
    }
    assert.ok(first < journal.batches[0]![0]);
  });
});

/** Without what only tells in which batch it was said. */
const strip = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
