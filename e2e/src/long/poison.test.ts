import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MAX_UNJOURNALLED_OUTCOMES } from '@sluice/mta/dispatch';
import { storedEvents } from '../harness/event-stream-reader.ts';
import { HandClient } from '../harness/hand-client.ts';
import { EVENT_READER, jetStreamSpool, POD_USER } from '../harness/jetstream-spec.ts';
import { closeAfter } from '../harness/last-first.ts';
import { skipWithoutNats, startNats } from '../harness/nats-server.ts';
import { type RecordingSink, startRecordingSink } from '../harness/recording-sink.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats('a message that kills whoever sends it is set aside');
const DOMAIN = 'far.example';
const POISON = `poison@${DOMAIN}`;
/** Three ends in a row, and the first one may come before the journal knows of the attempt. */
const MOST_DEATHS = 4;
const PODS = 2;
const CONNECTIONS = 4;

interface Victim {
  readonly pod: SluiceProcess;
  readonly sink: RecordingSink;
  /** Told when the message has killed it. */
  readonly dead: Promise<unknown>;
  readonly isDead: () => boolean;
}

test('a message that kills every process that offers it ends at most four of them: then it is held and told of, and all other mail arrives', {
  skip,
  timeout: 300_000,
}, async (context) => {
  const nats = await startNats({ users: [POD_USER, EVENT_READER] });
  closeAfter(context, () => nats.close());
  let deaths = 0;
  let isMended = false;
  const sinks: RecordingSink[] = [];
  /** A process whose host sees the message before anything of it has ended, and kills it from outside. */
  const start = async (): Promise<Victim> => {
    let die: () => void = () => undefined;
    const poisoned = new Promise<void>((resolve) => {
      die = resolve;
    });
    let pid = 0;
    let isDead = false;
    const sink = await startRecordingSink(['PIPELINING', '8BITMIME'], (recipient) => {
      if (recipient.includes(POISON) && !isMended) {
        // Before it is answered: a moment later the process might have sent the body.
        process.kill(pid, 'SIGKILL');
        die();
      }
      return undefined;
    });
    sinks.push(sink);
    closeAfter(context, () => sink.close());
    const pod = await startSluice({
      onSpawned: (spawned) => {
        pid = spawned;
      },
      spec: {
        // Each on a machine of its own.
        hostname: `pod-${sinks.length}.example`,
        routes: [routeTo(DOMAIN, sink)],
        spool: jetStreamSpool([nats.url]),
        events: { jetstream: {} },
      },
      resources: {
        'pool.yaml': onePool([`127.0.4.${sinks.length}`]),
        'policy.yaml': onePolicy({
          limits: [
            { name: 'source-site', per: ['Source', 'Site'], scope: 'Pod', connections: CONNECTIONS },
            // So that what is killed has other mail in flight and queued.
            { name: 'slow', per: ['Pool'], scope: 'Pod', messageRate: '100/s' },
          ],
        }),
      },
    });
    closeAfter(context, () => pod.close());
    const dead = poisoned.then(() => {
      deaths++;
      isDead = true;
      return pod.kill('SIGKILL');
    });
    return { pod, sink, dead, isDead: () => isDead };
  };
  let pods = await Promise.all(Array.from({ length: PODS }, start));
  const sent = new Set<string>();
  let number = 0;
  const send = async (victim: Victim | undefined, messages: number): Promise<void> => {
    if (victim === undefined) return;
    const client = new HandClient(victim.pod.smtp);
    await client.hello();
    for (let count = 0; count < messages; count++) {
      const recipient = `u${number++}@${DOMAIN}`;
      const reply = await client
        .mail('news@shop.example', [recipient], 'Subject: x\r\n\r\nx\r\n')
        .catch(() => '');
      if (!reply.startsWith('250')) return;
      sent.add(recipient);
    }
  };
  await Promise.all(pods.map((victim) => send(victim, 200)));
  const [first] = pods;
  assert.ok(first);
  const client = new HandClient(first.pod.smtp);
  await client.hello();
  assert.match(await client.mail('news@shop.example', [POISON], 'Subject: x\r\n\r\nx\r\n'), /^250/);
  await send(first, 100).catch(() => undefined);

  const heldEvents = async (): Promise<number> =>
    (await storedEvents(nats.url)).filter(
      ({ type, recipients }) => type === 'held' && recipients.includes(POISON),
    ).length;
  const deathsAtMs: number[] = [];
  const startMs = performance.now();
  for (let held = 0; held === 0; held = await heldEvents()) {
    const pause = new Promise((resolve) => setTimeout(resolve, 1_000));
    const died = await Promise.race([
      ...pods.map((victim) => victim.dead.then(() => victim)),
      pause.then(() => undefined),
    ]);
    if (died === undefined) {
      await send(pods.at(-1), 20);
      continue;
    }
    deathsAtMs.push(Math.round(performance.now() - startMs));
    assert.ok(deaths <= MOST_DEATHS, `${deaths} processes died`);
    // As an orchestrator does.
    pods = [...pods.filter((each) => each !== died), await start()];
  }
  // One may have died while the one before it was replaced.
  pods = pods.filter(({ isDead }) => !isDead());
  const arrived = (): Map<string, number> => {
    const times = new Map<string, number>();
    for (const { mails } of sinks)
      for (const { recipients } of mails)
        for (const path of recipients) {
          const recipient = path.replace(/^<|>.*$/g, '');
          times.set(recipient, (times.get(recipient) ?? 0) + 1);
        }
    return times;
  };
  await until(
    'all other mail has arrived',
    () => [...sent].filter((recipient) => !arrived().has(recipient)),
    (missing) => missing.length === 0,
    60_000,
  );
  const times = arrived();
  assert.equal(times.get(POISON), undefined, 'it was never delivered');
  const duplicates = [...times.values()].reduce((sum, count) => sum + count - 1, 0);
  assert.ok(duplicates <= deaths * (MAX_UNJOURNALLED_OUTCOMES + CONNECTIONS), `${duplicates} duplicates`);
  assert.ok(deaths >= 3, `${deaths} processes died`);
  let poisoned = 0;
  for (const { pod } of pods) {
    const metrics = await (await fetch(`${pod.admin}/metrics`)).text();
    poisoned += Number(/^sluice_poisoned_groups_total (\d+)$/m.exec(metrics)?.[1] ?? 0);
  }
  assert.equal(poisoned, 1, 'nothing else is held');
  // Whoever runs it has mended what was wrong: the message is found, and sent after all.
  isMended = true;
  let retried = '';
  for (const { pod } of pods) {
    const admin = new URL(pod.admin).host;
    const listed = await sluiceCommand('queue', 'list', '--admin', admin);
    const [id] = /^[0-9A-HJKMNP-TV-Z]{26}(?= +news@shop\.example +1 +far\.example )/m.exec(
      await sluiceCommand('queue', 'poison', '--admin', admin),
    ) ?? [undefined];
    assert.equal(/^1 message is held as poison/m.test(listed), id !== undefined, listed);
    if (id === undefined) continue;
    retried = id;
    assert.equal(await sluiceCommand('queue', 'retry', id, '--admin', admin), `Queued again: ${id}\n`);
    assert.match(await sluiceCommand('queue', 'poison', '--admin', admin), /^No message is held/);
  }
  assert.notEqual(retried, '', 'some pod holds it');
  await until(
    'the message arrives',
    () => arrived().get(POISON),
    (count) => count === 1,
    20_000,
  );
  context.diagnostic(
    `${deaths} processes died, after ${deathsAtMs.join(', ')} ms; ${sent.size} other messages arrived, ${duplicates} twice`,
  );
});

async function sluiceCommand(...args: readonly string[]): Promise<string> {
  const main = fileURLToPath(import.meta.resolve('@sluice/mta/main'));
  const { stdout } = await promisify(execFile)(main, [...args], {
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` },
  });
  return stdout;
}
