import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Batch, Conversation, HEARD_WITHIN_MS, RESEND_AFTER_MS } from './conversation.ts';
import { MAX_OPERATIONS } from './shard-message.ts';

describe('a conversation over a network that loses, doubles and reorders', () => {
  test('everything arrives once and in order, in both directions', () => {
    const fate = fc.constantFrom('arrives', 'lost', 'twice', 'late');
    fc.assert(
      fc.property(fc.array(fate, { maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (fates, count) => {
        const one = new Conversation<number, number>(20);
        const other = new Conversation<number, number>(0);
        const heard: [number[], number[]] = [[], []];
        let late: (() => void)[] = [];
        let step = 0;
        const carry = (
          batch: Batch<number> | undefined,
          to: Conversation<number, number>,
          at: number[],
        ): void => {
          if (batch === undefined) return;
          const deliver = (): void => {
            at.push(...to.receive(batch, 0));
          };
          const what = fates[step++] ?? 'arrives';
          if (what === 'late') late.push(deliver);
          if (what === 'arrives' || what === 'twice') deliver();
          if (what === 'twice') deliver();
        };
        for (let item = 0; item < count; item++) one.say(item);
        for (
          let nowMs = 0;
          nowMs < 600_000 && !(one.settled && other.settled && nowMs > 1_000);
          nowMs += 50
        ) {
          if (nowMs < 1_000) other.say(nowMs);
          carry(one.next(nowMs), other, heard[1]);
          carry(other.next(nowMs), one, heard[0]);
          const before = late;
          late = [];
          if (nowMs % 500 === 0) for (const deliver of before.reverse()) deliver();
          else late = before;
        }
        assert.deepEqual(
          heard[1],
          Array.from({ length: count }, (_, item) => item),
        );
        assert.deepEqual(
          heard[0],
          Array.from({ length: 20 }, (_, tick) => tick * 50),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('nothing is sent while there is nothing to say, and what is said goes in one message per tick', () => {
    const talk = new Conversation<string, string>(20);
    assert.equal(talk.next(0), undefined);
    assert.equal(talk.nextAtMs(), Number.POSITIVE_INFINITY);
    talk.say('a');
    talk.say('b');
    assert.deepEqual(talk.next(0), { number: 1, ack: 0, items: ['a', 'b'] });
    talk.say('c');
    talk.receive({ number: 0, ack: 1, items: [] }, 0);
    assert.equal(talk.next(10), undefined);
    assert.equal(talk.nextAtMs(), 20);
    assert.deepEqual(talk.next(20)?.items, ['c']);
  });

  test('what must not hang in the air waits until the other side was heard, and can be taken back until then', () => {
    const talk = new Conversation<string, string>(20);
    talk.say('a');
    talk.sayCarefully('slot');
    talk.say('b');
    assert.deepEqual(talk.next(0)?.items, ['a']);
    assert.equal(talk.next(HEARD_WITHIN_MS - 1), undefined);
    talk.receive({ number: 0, ack: 1, items: [] }, 200);
    assert.deepEqual(talk.next(200)?.items, ['slot', 'b'], 'heard just now');
    talk.receive({ number: 0, ack: 2, items: [] }, 201);
    talk.sayCarefully('other');
    const laterMs = 201 + HEARD_WITHIN_MS;
    assert.deepEqual(talk.next(laterMs), { number: 3, ack: 0, items: [] }, 'asks whether it is there');
    assert.equal(talk.unsay('other'), true);
    talk.sayCarefully('again');
    talk.receive({ number: 0, ack: 3, items: [] }, laterMs + 1);
    assert.deepEqual(talk.next(laterMs + 1)?.items, ['again'], 'follows the answer at once');
    assert.equal(talk.unsay('again'), false);
    assert.equal(talk.settledCarefully, true);
  });

  test('a message has a bound: a pod that comes back with much to tell does it in several', () => {
    const talk = new Conversation<number, number>(0);
    for (let item = 0; item <= MAX_OPERATIONS; item++) talk.say(item);
    assert.equal(talk.next(0)?.items.length, MAX_OPERATIONS);
    assert.equal(talk.next(1), undefined, 'one under way');
    assert.equal(talk.next(RESEND_AFTER_MS)?.number, 1, 'sent again');
    talk.receive({ number: 0, ack: 1, items: [] }, 0);
    assert.deepEqual(talk.next(RESEND_AFTER_MS)?.items, [MAX_OPERATIONS]);
  });
});
