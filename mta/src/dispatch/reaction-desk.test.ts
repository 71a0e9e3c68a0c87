import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEFAULT_RETRY,
  DEFAULT_SESSION,
  type EffectivePolicy,
  type EffectiveReaction,
  type Facts,
} from '@sluice/crds';
import type { TransactionResult } from '../deliver/mod.ts';
import { type Hit, type HitCounting, OwnHits } from '../shape/mod.ts';
import type { Envelope, Reply } from '../spool/mod.ts';
import type { DispatchReport, ReactionReport } from './attempt-report.ts';
import { monotonicWallClock } from './clock.ts';
import { MemoryDirectives } from './memory-directives.fixture.ts';
import { COUNT_PATIENCE_MS, ReactionDesk } from './reaction-desk.ts';

const FACTS: Facts = {
  pool: 'main',
  sourceAddress: '192.0.2.10',
  sourceName: 'ip-1',
  sourceLabels: {},
  site: 'mx.example',
  group: 'yahoo',
  domain: 'yahoo.example',
  mxHost: 'mta5.example',
  tenant: 'shop',
  tenantLabels: {},
  campaign: '',
  class: '',
};

const ENVELOPE: Envelope = {
  id: '01KAXY0S3E8M0N8Q7V6Y5ZJ4TC',
  sender: 'a@shop.example',
  recipients: ['b@yahoo.example', 'c@yahoo.example'],
  tenant: '',
  campaign: '',
  class: '',
  acceptedAtMs: 1,
  notBeforeMs: 0,
  expireAtMs: 0,
  sizeBytes: 1,
  eightBit: false,
  smtputf8: false,
  origin: 'test',
};

const reply = (code: number): Reply => ({ code, enhanced: '', text: 'no', host: 'mta5.example' });

const refused = (...codes: readonly number[]): TransactionResult => ({
  begun: true,
  durationMs: 1,
  recipients: codes.map((code) => ({ status: 'transient', phase: 'Rcpt', reply: reply(code) })),
});

function reaction(
  name: string,
  code: number,
  actions: EffectiveReaction['actions'],
  count?: number,
): EffectiveReaction {
  const trigger = count === undefined ? {} : { trigger: { count, withinMs: 60_000, per: ['Site' as const] } };
  return { name, match: { codes: [code] }, ...trigger, actions };
}

/** Leaders of another pod: they answer when the test says so. */
class Elsewhere implements HitCounting {
  readonly asked: { readonly hit: Hit; readonly answer: (wentOff: boolean) => void }[] = [];

  hit(hit: Hit): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.asked.push({ hit, answer: resolve });
    return promise;
  }
}

function deskWith(hits: HitCounting, ...reactions: readonly EffectiveReaction[]) {
  const told: ReactionReport[] = [];
  const faults: unknown[] = [];
  const report: Pick<DispatchReport, 'reacted' | 'fault'> = {
    reacted: (each) => told.push(each),
    fault: (error) => faults.push(error),
  };
  const directives = new MemoryDirectives();
  const desk = new ReactionDesk({ directives, hits, clock: monotonicWallClock, report });
  const policy: EffectivePolicy = {
    group: 'yahoo',
    session: DEFAULT_SESSION,
    retry: DEFAULT_RETRY,
    limits: [],
    reactions,
  };
  return {
    told,
    faults,
    directives,
    judge: (result: TransactionResult) => desk.ofTransaction(result, FACTS, policy, ENVELOPE),
  };
}

test('several reactions to one transaction: the longest delay holds, and only the recipient that is bounced is', async () => {
  const { judge, told } = deskWith(
    new OwnHits(),
    reaction('short', 450, [{ type: 'RetryAfter', retryAfter: { delayMs: 5 } }]),
    reaction('long', 450, [{ type: 'RetryAfter', retryAfter: { delayMs: 9 } }]),
    reaction('gone', 451, [{ type: 'Bounce' }]),
  );
  const { result, retryAfterMs } = await judge(refused(450, 451, 450));
  assert.equal(retryAfterMs, 9);
  assert.deepEqual(
    result.recipients.map(({ status }) => status),
    ['transient', 'permanent', 'transient'],
  );
  assert.deepEqual(
    told.map(({ reaction: name }) => name),
    ['short', 'long', 'gone'],
    'a reply counts once, however many recipients it speaks of',
  );
});

test('the message whose reply is the last one of all pods is the one that is returned: it waits until it is counted', async () => {
  const elsewhere = new Elsewhere();
  const { judge, told } = deskWith(elsewhere, reaction('spam', 450, [{ type: 'Bounce' }], 5));
  const [early, last] = [judge(refused(450)), judge(refused(450))];
  assert.deepEqual(
    elsewhere.asked.map(({ hit }) => hit),
    Array.from({ length: 2 }, () => ({
      key: 'spam site=mx.example',
      shard: 'yahoo',
      count: 5,
      withinMs: 60_000,
    })),
  );
  elsewhere.asked[0]?.answer(false);
  elsewhere.asked[1]?.answer(true);
  assert.equal((await early).result.recipients[0]?.status, 'transient');
  assert.equal((await last).result.recipients[0]?.status, 'permanent');
  assert.deepEqual(
    told.map(({ wentOff }) => wentOff),
    [false, true],
  );
});

test('a leader that does not answer holds up no message; what it says later is put in force all the same', async () => {
  const elsewhere = new Elsewhere();
  const suspend = { type: 'Suspend', suspend: { per: ['Source', 'Site'], forMs: 60_000 } } as const;
  const { judge, directives, told } = deskWith(
    elsewhere,
    reaction('stop', 450, [suspend], 5),
    reaction('later', 451, [{ type: 'RetryAfter', retryAfter: { delayMs: 9 } }, suspend], 5),
  );
  assert.ok(!(judge(refused(450)) instanceof Promise), 'nothing of it is about the message');
  const beganAtMs = performance.now();
  const settled = await judge(refused(451));
  assert.ok(performance.now() - beganAtMs >= COUNT_PATIENCE_MS - 1);
  assert.equal(settled.retryAfterMs, undefined);
  assert.equal(directives.set.directives.length, 0);
  for (const { answer } of elsewhere.asked) answer(true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    directives.set.directives.map(({ selector }) => selector),
    [{ source: '192.0.2.10', site: 'mx.example' }],
  );
  assert.equal(told.length, 2);
});
