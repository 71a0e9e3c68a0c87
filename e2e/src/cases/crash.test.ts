import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MAX_UNJOURNALLED_OUTCOMES } from '@sluice/mta/dispatch';
import { PROVIDERS, startSink } from '@sluice/mta/sink';
import { killUnderLoad, MESSAGES_PER_ROUND } from '../harness/kill-rounds.ts';
import { emptyQueue } from '../harness/queue-reader.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { startSluice } from '../harness/sluice-process.ts';
import { receipts } from '../judge/receipts.ts';

const KILLS = 20;
const SEED = 20_261_124;
const CONNECTIONS = 20;

test(`kill -9 ${KILLS} times under load loses nothing that got a 250`, {
  timeout: 600_000,
}, async (context) => {
  const sink = await startSink({
    behaviour: { ...PROVIDERS.plain('mx.crash.example'), finalDotMs: 5 },
    address: '127.0.0.1',
    port: 0,
  });
  const directory = mkdtempSync(join(tmpdir(), 'sluice-crash-'));
  context.after(async () => {
    await sink.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const setup = {
    directory,
    spec: { routes: [routeTo('crash.example', sink)] },
    resources: {
      'pool.yaml': onePool(['127.0.3.1']),
      'policy.yaml': onePolicy({
        retry: { delays: ['1s'], expireAfter: '1h' },
        limits: [{ name: 'source-site', per: ['Source', 'Site'], connections: CONNECTIONS }],
      }),
    },
  };
  const accepted = Array.from({ length: KILLS }, () => new Uint8Array(MESSAGES_PER_ROUND));
  await killUnderLoad({ setup, kills: KILLS, seed: SEED, domain: 'crash.example' }, (round, message) => {
    const got = accepted[round];
    if (got !== undefined) got[message.firstRecipient] = 1;
  });

  const last = await startSluice(setup);
  context.after(() => last.kill('SIGKILL'));
  await emptyQueue(last.admin, 120_000);
  await last.close();

  let duplicates = 0;
  let total = 0;
  for (const [round, got] of accepted.entries()) {
    const seen = receipts(`k${round}`, got, sink.ledger.runs.get(`k${round}`) ?? new Uint8Array(), new Set());
    assert.equal(
      seen.open,
      0,
      `round ${round}: ${seen.open} of ${seen.accepted} accepted messages never arrived`,
    );
    // Mail of a round may be in flight at its own kill and, still queued, at the next one.
    const bound = MAX_UNJOURNALLED_OUTCOMES + CONNECTIONS;
    assert.ok(
      seen.duplicates <= bound * 2,
      `round ${round}: ${seen.duplicates} duplicates, ${bound} documented per kill`,
    );
    duplicates += seen.duplicates;
    total += seen.accepted;
  }
  assert.ok(total > KILLS * 20, `the test had something to lose: ${total} messages were accepted`);
  assert.ok(duplicates <= KILLS * (MAX_UNJOURNALLED_OUTCOMES + CONNECTIONS));
  context.diagnostic(`${total} accepted over ${KILLS} kills, ${duplicates} duplicates`);
});
