/**
 * A process that owns a spool until it is killed: stores mail, defers some, finishes some, and says each as soon as it was promised.
 *
 * `node contract-owner.fixture.ts MODULE ARGUMENT SEED`
 */
import { writeSync } from 'node:fs';
import { bodyOf, envelopeOf, randomNumbers, stored } from './contract.fixture.ts';
import type { Spool } from './spool.ts';

const SESSIONS = 40;

const [module = '', argument = '', seed = '0'] = process.argv.slice(2);
const { openSpool }: { readonly openSpool: (argument: string) => Promise<Spool> } = await import(module);
const spool = await openSpool(argument);
const random = randomNumbers(Number(seed));

/** Said before it returns, also when the listener is slow: what is only in a buffer of ours dies with us. */
function say(...words: readonly (string | number)[]): void {
  for (;;) {
    try {
      writeSync(1, `${words.join(' ')}\n`);
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    }
  }
}

async function session(): Promise<void> {
  for (;;) {
    const bodySeed = random();
    const sizeBytes = random() % 8_000;
    const envelope = envelopeOf({ sizeBytes });
    const reference = stored(await spool.append(envelope, bodyOf(bodySeed, sizeBytes)));
    say('stored', reference.id, reference.sequence, bodySeed, sizeBytes);
    for (let attempts = 1; random() % 2 === 0; attempts++) {
      const state = { pending: [0], attempts, nextAttemptAtMs: Date.now(), lastSource: 'ip-1' };
      await spool.record([{ kind: 'deferred', reference, group: 0, state }]);
      say('deferred', reference.id, attempts);
    }
    if (random() % 3 === 0) continue;
    say('saying-done', reference.id);
    await spool.record([{ kind: 'done', reference, group: 0 }]);
    say('done', reference.id);
  }
}

await Promise.all(Array.from({ length: SESSIONS }, session));
