import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { bodyOf, collect, randomNumbers } from './contract.fixture.ts';
import type { OpenedSpool } from './contract.suite.ts';

const SEED = 20261124;
const KILLS = 5;
const OWNER = fileURLToPath(new URL('./contract-owner.fixture.ts', import.meta.url));

type Kept = (title: string, run: (opened: OpenedSpool) => Promise<void>) => void;

/** What the owners of the store said before they were killed. */
interface Told {
  /** Id → seed and size of the body, for every message whose append had resolved. */
  readonly stored: Map<
    string,
    { readonly sequence: number; readonly seed: number; readonly sizeBytes: number }
  >;
  readonly sequences: Set<number>;
  readonly doneSaid: Set<string>;
  readonly doneKept: Set<string>;
  readonly attempts: Map<string, number>;
}

/** A real process owns the store, says what it was promised, and is killed in the middle of its work, again and again. */
export function killedOwnerTests(kept: Kept): void {
  kept(
    'every message that got its 250 is there after kill -9, and what was done stays done',
    async (opened) => {
      await opened.spool.close();
      const random = randomNumbers(SEED);
      const told: Told = {
        stored: new Map(),
        sequences: new Set(),
        doneSaid: new Set(),
        doneKept: new Set(),
        attempts: new Map(),
      };
      for (let kill = 0; kill < KILLS; kill++) {
        await ownUntilKilled(opened, told, random(), 200 + (random() % 600));
        await check(opened, told);
      }
      assert.ok(told.stored.size > KILLS * 100 && told.doneKept.size > 0 && told.attempts.size > 0);
    },
  );
}

/** Runs an owner until it has said so many lines, then kills it and reads what it said to the end. */
async function ownUntilKilled(opened: OpenedSpool, told: Told, seed: number, lines: number): Promise<void> {
  const { module, argument } = opened.elsewhere;
  const owner = spawn(process.execPath, [OWNER, module, argument, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let count = 0;
  for await (const line of createInterface({ input: owner.stdout })) {
    hear(told, line);
    if (++count === lines) owner.kill('SIGKILL');
  }
  if (owner.exitCode === null && owner.signalCode === null) await once(owner, 'exit');
  assert.equal(owner.signalCode, 'SIGKILL', 'it was still at work');
}

function hear(told: Told, line: string): void {
  const [word, id = '', ...numbers] = line.split(' ');
  const [first = 0, second = 0, third = 0] = numbers.map(Number);
  if (word === 'stored') {
    assert.ok(!told.sequences.has(first), 'a place was given to two messages');
    told.sequences.add(first);
    told.stored.set(id, { sequence: first, seed: second, sizeBytes: third });
  }
  if (word === 'saying-done') told.doneSaid.add(id);
  else if (word === 'done') told.doneKept.add(id);
  else if (word === 'deferred') told.attempts.set(id, first);
}

async function check(opened: OpenedSpool, told: Told): Promise<void> {
  const spool = await opened.reopen();
  const replayed = new Map((await collect(spool.replay())).map((message) => [message.reference.id, message]));
  for (const [id, { sequence, seed, sizeBytes }] of told.stored) {
    const message = replayed.get(id);
    if (told.doneKept.has(id)) assert.equal(message, undefined, `${id} would be sent a second time`);
    // Between saying and hearing that it is done, both are right.
    if (told.doneSaid.has(id)) continue;
    assert.ok(message !== undefined, `${id} is lost`);
    assert.equal(message.reference.sequence, sequence);
    assert.ok(
      (message.live.get(0)?.attempts ?? 0) >= (told.attempts.get(id) ?? 0),
      `${id} forgot an attempt`,
    );
    const read = await spool.read(message.reference);
    const body = Buffer.concat(bodyOf(seed, sizeBytes));
    assert.equal(Buffer.compare(Buffer.concat(read?.body ?? []), body), 0, `${id} has other bytes`);
  }
  await spool.close();
}
