import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bodyOf, collect, envelopeOf, randomNumbers, stored } from './contract.fixture.ts';
import { killedOwnerTests } from './contract-kill.suite.ts';
import type { GroupState } from './recipient-group.ts';
import type { Outcome, Reference, Spool } from './spool.ts';

/** A store of one test, empty at first. */
export interface OpenedSpool {
  readonly spool: Spool;
  /** Closes the spool if it is open and opens the same store again, as a new process would. */
  reopen(): Promise<Spool>;
  /** Closes the spool if it is open and removes the store. */
  close(): Promise<void>;
  /** How another process opens the same store: a module that exports `openSpool(argument): Promise<Spool>`. */
  readonly elsewhere: { readonly module: string; readonly argument: string };
}

const done = (reference: Reference, group = 0): Outcome => ({ kind: 'done', reference, group });

const deferred = (reference: Reference, group: number, state: GroupState): Outcome => ({
  kind: 'deferred',
  reference,
  group,
  state,
});

const waiting: GroupState = {
  pending: [0],
  attempts: 3,
  nextAttemptAtMs: 1_780_000_000_123,
  lastReply: { code: 421, enhanced: '4.7.28', text: 'unusual rate – später', host: 'mx1.example' },
  lastSource: 'ip-1',
};

/** What every implementation of {@link Spool} must keep; each names itself and says how it is opened. */
export function spoolContract(name: string, open: () => Promise<OpenedSpool>): void {
  const kept = (title: string, run: (opened: OpenedSpool) => Promise<void>): void => {
    test(title, async () => {
      const opened = await open();
      try {
        await run(opened);
      } finally {
        await opened.close();
      }
    });
  };

  describe(`spool contract: ${name}`, () => {
    kept('an accepted message comes back whole after a restart', async ({ spool, reopen }) => {
      const envelope = envelopeOf({
        sender: '',
        recipients: ['"a b"@x.example', 'ü@exämple.example'],
        smtputf8: true,
        awaitsSignature: '/keys/x.example.pem',
        statusRequest: {
          ret: 'HDRS',
          envelopeId: 'a+2Bb',
          recipients: [
            { notify: 'SUCCESS,DELAY', originalRecipient: 'rfc822;a+2Bb@x.example' },
            { notify: '', originalRecipient: '' },
          ],
        },
      });
      const body = [Buffer.from('Subject: x\r\n\r\n'), Buffer.from([0xff, 0x00, 0x80]), Buffer.from('\r\n')];
      const reference = stored(await spool.append(envelope, body));
      assert.equal(reference.id, envelope.id);
      assert.ok(reference.sequence >= 1);
      const again = await reopen();
      const [message, ...others] = await collect(again.replay());
      assert.deepEqual(others, []);
      assert.deepEqual(message?.reference, reference);
      assert.deepEqual(message?.envelope, envelope);
      const groups = new Map([
        [0, undefined],
        [1, undefined],
      ]);
      assert.deepEqual(message?.live, groups);
      const read = await again.read(reference);
      assert.deepEqual(read?.envelope, envelope);
      assert.deepEqual(Buffer.concat(read?.body ?? []), Buffer.concat(body));
    });

    kept('a message without a single byte is a message too', async ({ spool, reopen }) => {
      const nothing = stored(await spool.append(envelopeOf(), []));
      const empty = stored(await spool.append(envelopeOf(), [Buffer.alloc(0)]));
      const again = await reopen();
      for (const reference of [nothing, empty]) {
        assert.equal(Buffer.concat((await again.read(reference))?.body ?? [Buffer.from('lost')]).length, 0);
      }
    });

    kept('a message of 50 MB comes back byte for byte', async ({ spool, reopen }) => {
      const body = bodyOf(7, 50 * 1024 * 1024 + 3, 1_000_003);
      const small = [];
      const large = spool.append(envelopeOf({ sizeBytes: 50 * 1024 * 1024 + 3 }), body);
      for (let count = 0; count < 10; count++) small.push(spool.append(envelopeOf(), bodyOf(count, 100)));
      const reference = stored(await large);
      for (const each of await Promise.all(small)) assert.ok(stored(each).sequence > reference.sequence);
      const again = await reopen();
      const read = await again.read(reference);
      assert.equal(Buffer.compare(Buffer.concat(read?.body ?? []), Buffer.concat(body)), 0);
      assert.deepEqual(await again.record([done(reference)]), { mismatched: 0 });
      assert.equal(await again.read(reference), undefined);
      assert.equal((await collect(again.replay())).length, 10);
    });

    kept('many overlapping calls lose and mix up nothing', async ({ spool, reopen }) => {
      const random = randomNumbers(20261124);
      const calls = Array.from({ length: 3_000 }, async (_, index) => {
        const envelope = envelopeOf({ campaign: `c${index}` });
        const body = bodyOf(index, random() % 20_000, 1 + (random() % 5_000));
        const reference = stored(await spool.append(envelope, body));
        if (index % 3 === 0) assert.deepEqual(await spool.record([done(reference)]), { mismatched: 0 });
        return { reference, envelope, body, live: index % 3 !== 0 };
      });
      const messages = await Promise.all(calls);
      const sequences = messages.map(({ reference }) => reference.sequence);
      assert.deepEqual(
        sequences,
        sequences.toSorted((a, b) => a - b),
        'sequences are given in the order of the calls',
      );
      const again = await reopen();
      const live = messages.filter((message) => message.live);
      const replayed = await collect(again.replay());
      assert.deepEqual(
        replayed.map(({ reference }) => reference),
        live.map(({ reference }) => reference),
      );
      await Promise.all(
        live.map(async ({ reference, envelope, body }) => {
          const read = await again.read(reference);
          assert.deepEqual(read?.envelope, envelope);
          assert.equal(Buffer.compare(Buffer.concat(read?.body ?? []), Buffer.concat(body)), 0);
        }),
      );
    });

    kept('attempts, next time, last reply and last source outlive the process', async ({ spool, reopen }) => {
      const reference = stored(await spool.append(envelopeOf(), bodyOf(1, 10)));
      await spool.record([deferred(reference, 0, { ...waiting, attempts: 1 })]);
      await spool.record([
        deferred(reference, 0, { ...waiting, attempts: 2 }),
        deferred(reference, 0, waiting),
      ]);
      const again = await reopen();
      const [message] = await collect(again.replay());
      assert.deepEqual(message?.live, new Map([[0, waiting]]), 'the last state said');
      const bare: GroupState = { pending: [0], attempts: 4, nextAttemptAtMs: 1, lastSource: '' };
      await again.record([deferred(reference, 0, bare)]);
      assert.deepEqual((await collect((await reopen()).replay()))[0]?.live, new Map([[0, bare]]));
    });

    kept('a report that is owed to the sender outlives the process', async ({ spool, reopen }) => {
      const reference = stored(await spool.append(envelopeOf(), bodyOf(1, 10)));
      const reply = { code: 550, enhanced: '5.1.1', text: 'no such user', host: 'mx.example' };
      const owing: GroupState = {
        pending: [],
        attempts: 1,
        nextAttemptAtMs: 0,
        lastSource: 'ip-1',
        owed: [{ action: 'failed', recipients: [0], reply, atMs: 1_780_000_000_000 }],
        toldOfDelay: true,
      };
      await spool.record([deferred(reference, 0, owing)]);
      assert.deepEqual((await collect((await reopen()).replay()))[0]?.live, new Map([[0, owing]]));
    });

    kept(
      'of a message to several domains only what is not done is tried again',
      async ({ spool, reopen }) => {
        const recipients = ['a@x.example', 'b@y.example', 'c@z.example', 'd@X.example'];
        const reference = stored(await spool.append(envelopeOf({ recipients }), bodyOf(1, 10)));
        const partly: GroupState = { ...waiting, pending: [3] };
        const one = await spool.record([
          deferred(reference, 0, partly),
          deferred(reference, 1, waiting),
          done(reference, 1),
        ]);
        assert.deepEqual(one, { mismatched: 0 });
        // Done is final, and saying it twice is not an error: a caller repeats what it is not sure of.
        const late = await spool.record([deferred(reference, 1, waiting), done(reference, 1)]);
        assert.deepEqual(late, { mismatched: 0 });
        let again = await reopen();
        const live = new Map<number, GroupState | undefined>([
          [0, partly],
          [2, undefined],
        ]);
        assert.deepEqual((await collect(again.replay()))[0]?.live, live);
        assert.ok(await again.read(reference), 'the others still need the body');
        await again.record([done(reference, 2)]);
        assert.equal((await collect(again.replay())).length, 1);
        await again.record([done(reference, 0)]);
        assert.deepEqual(await collect(again.replay()), []);
        assert.equal(await again.read(reference), undefined);
        again = await reopen();
        assert.deepEqual(await collect(again.replay()), []);
        assert.equal(again.usage().messages, 0);
      },
    );

    kept('an outcome that names another message deletes nothing', async ({ spool }) => {
      const one = stored(await spool.append(envelopeOf(), bodyOf(1, 10)));
      const two = stored(
        await spool.append(envelopeOf({ recipients: ['a@x.example', 'b@y.example'] }), bodyOf(2, 10)),
      );
      const wrong = [
        done({ sequence: one.sequence, id: two.id }),
        done({ sequence: two.sequence, id: one.id }, 1),
        done({ sequence: one.sequence, id: '' }),
        done({ sequence: two.sequence + 1_000, id: two.id }),
        done(one, 1),
        done(two, 2),
        deferred({ sequence: one.sequence, id: two.id }, 0, waiting),
        deferred(one, 1, waiting),
      ];
      assert.deepEqual(await spool.record(wrong), { mismatched: wrong.length });
      const right = [done({ sequence: one.sequence, id: two.id }), deferred(two, 0, waiting), done(one)];
      assert.deepEqual(await spool.record(right), { mismatched: 1 }, 'the others of the call count');
      const [message, ...others] = await collect(spool.replay());
      assert.deepEqual(others, []);
      assert.deepEqual(message?.reference, two);
    });

    kept('reading a message that is gone, or is another one, says so', async ({ spool }) => {
      const reference = stored(await spool.append(envelopeOf(), bodyOf(1, 10)));
      assert.equal(await spool.read({ sequence: reference.sequence, id: envelopeOf().id }), undefined);
      assert.equal(await spool.read({ sequence: reference.sequence + 1, id: '' }), undefined);
      assert.equal((await spool.read({ sequence: reference.sequence, id: '' }))?.envelope.id, reference.id);
    });

    kept('each of several record calls made at once learns of its own mismatches', async ({ spool }) => {
      const references = [];
      for (let count = 0; count < 3; count++)
        references.push(stored(await spool.append(envelopeOf(), bodyOf(1, 10))));
      const [one, two, three] = references;
      assert.ok(one && two && three);
      const gone = { sequence: three.sequence + 1, id: three.id };
      const results = await Promise.all([
        spool.record([done(one), done(gone)]),
        spool.record([done(two)]),
        spool.record([]),
        spool.record([done(gone), done(three), done(gone)]),
      ]);
      assert.deepEqual(
        results.map(({ mismatched }) => mismatched),
        [1, 0, 0, 2],
      );
    });

    kept(
      'a place in the store is never given to two messages, whatever was deleted before a restart',
      async (opened) => {
        let { spool } = opened;
        let last = 0;
        for (let restart = 0; restart < 3; restart++) {
          for (let count = 0; count < 3; count++) {
            const reference = stored(await spool.append(envelopeOf(), bodyOf(1, 10)));
            assert.ok(reference.sequence > last);
            last = reference.sequence;
            await spool.record([done(reference)]);
          }
          spool = await opened.reopen();
        }
      },
    );

    kept(
      'a replay longer than memory would like comes in order, and without what comes meanwhile',
      async ({ spool }) => {
        const before = await Promise.all(
          Array.from({ length: 2_500 }, (_, index) => spool.append(envelopeOf(), bodyOf(index, 50))),
        );
        const seen: Reference[] = [];
        for await (const { reference } of spool.replay()) {
          if (seen.length % 500 === 0) stored(await spool.append(envelopeOf(), bodyOf(1, 50)));
          seen.push(reference);
        }
        assert.deepEqual(seen, before.map(stored));
      },
    );

    kept('usage tells how many messages wait and that bytes are taken and left', async ({ spool }) => {
      assert.equal(spool.usage().messages, 0);
      const references = await Promise.all(
        Array.from({ length: 20 }, (_, index) => spool.append(envelopeOf(), bodyOf(index, 10_000))),
      );
      await spool.record([done(stored(references[0]!))]);
      const { messages, usedBytes, freeBytes } = spool.usage();
      assert.equal(messages, 19);
      assert.ok(usedBytes > 0 && freeBytes > 0);
    });

    kept('closing in the middle of work finishes it first', async ({ spool, reopen }) => {
      const settled: Reference[] = [];
      const appends = Array.from({ length: 500 }, async (_, index) => {
        const reference = stored(await spool.append(envelopeOf(), bodyOf(index, 5_000)));
        settled.push(reference);
        return reference;
      });
      const closed = spool.close();
      await closed;
      const all = await Promise.all(appends);
      assert.equal(settled.length, 500, 'nothing was left open');
      const late = await spool.append(envelopeOf(), bodyOf(1, 10));
      assert.ok('refused' in late && late.refused === 'unavailable');
      await assert.rejects(spool.record([done(all[0]!)]));
      await assert.rejects(spool.read(all[0]!));
      await assert.rejects(collect(spool.replay()));
      await spool.close();
      const references = (await collect((await reopen()).replay())).map(({ reference }) => reference);
      assert.deepEqual(references, all);
    });

    killedOwnerTests(kept);
  });
}
