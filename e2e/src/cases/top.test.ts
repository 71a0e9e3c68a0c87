import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { blast } from '@sluice/mta/blast';
import { PROVIDERS, startSink } from '@sluice/mta/sink';
import { jetStreamSpool } from '../harness/jetstream-spec.ts';
import { skipWithoutNats, startNats } from '../harness/nats-server.ts';
import { plainPlan } from '../harness/plans.ts';
import { inTerminal, skipWithoutTerminal } from '../harness/pseudo-terminal.ts';
import { onePolicy, onePool, routeTo } from '../harness/resources.ts';
import { type SluiceProcess, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const MAIN = fileURLToPath(import.meta.resolve('@sluice/mta/main'));
const run = promisify(execFile);
const withoutTerminal = skipWithoutTerminal('sluice top on a terminal');
const withoutNats = await skipWithoutNats('sluice top with several pods');

const DOMAIN = 'busy.example';

async function sinkAndSpec(close: (work: () => unknown) => void) {
  const sink = await startSink({
    behaviour: { ...PROVIDERS.plain('mx.busy.example'), finalDotMs: 50 },
    address: '127.0.0.1',
    port: 0,
  });
  close(() => sink.close());
  return {
    site: `127.0.0.1:${sink.port}`,
    setup: {
      spec: { routes: [routeTo(DOMAIN, sink)] },
      resources: {
        'pool.yaml': onePool(['127.0.9.1', '127.0.9.2']),
        'policy.yaml': onePolicy({
          limits: [{ name: 'shared', per: ['Source', 'Site'], connections: 3, recipientRate: '20/s' }],
        }),
      },
    },
  };
}

async function mailTo(pod: SluiceProcess, messages: number): Promise<void> {
  await blast({ target: pod.smtp, sessions: 2, plan: plainPlan('top', messages, [DOMAIN]) });
}

test('on a terminal it is drawn in place, follows keys and the size, and q leaves the terminal as it was', {
  skip: withoutTerminal,
  timeout: 60_000,
}, async (context) => {
  const { setup, site } = await sinkAndSpec((work) => context.after(work));
  const pod = await startSluice({ ...setup, spec: { ...setup.spec, hostname: 'alone.example' } });
  context.after(() => pod.kill('SIGKILL').then(() => pod.close()));
  await mailTo(pod, 500);
  const terminal = inTerminal([process.execPath, MAIN, 'top', '--admin', pod.admin, '--interval', '500ms'], {
    columns: 80,
    rows: 24,
  });
  context.after(() => terminal.close());
  const seen = await until(
    'the site is seen with what it sends',
    () => terminal.screen(),
    (lines) => lines.some((line) => line.startsWith(site) && / [1-9][0-9.]* /.test(line)),
    20_000,
  );
  assert.equal(seen.length, 24);
  assert.match(seen[0] ?? '', /^sluice top {2}\d\d:\d\d:\d\dZ {2}pods 1 of 1 well/);
  assert.ok(
    seen.some((line) => /^127\.0\.0\.1\S* .* \d\/6 /.test(line)),
    'connections against their limit',
  );
  assert.ok(seen.some((line) => line.startsWith('ip-1 ')));
  assert.ok(seen.some((line) => /^alone\.example +Ready .* Own /.test(line)));
  terminal.type('s');
  await until(
    'it is sorted anew',
    () => terminal.screen().at(-1) ?? '',
    (foot) => foot.includes('sort: out'),
    5_000,
  );
  terminal.type('/nothing\r');
  await until(
    'the filter leaves nothing',
    () => terminal.screen(),
    (lines) =>
      (lines.at(-1) ?? '').includes('filter: nothing') && !lines.some((line) => line.startsWith(site)),
    5_000,
  );
  terminal.type('\x1b');
  terminal.resize(120, 30);
  const wide = await until(
    'it follows the size',
    () => terminal.screen(),
    (lines) => lines.length === 30,
    5_000,
  );
  assert.ok(
    wide.some((line) => line.includes('NOTE')),
    'there is room for notes',
  );
  terminal.type('q');
  const { code, restored } = await terminal.ended;
  assert.deepEqual([code, restored], [0, true]);
  const tail = terminal.output.slice(-60);
  assert.ok(
    tail.includes('\x1b[?25h') && tail.includes('\x1b[?1049l'),
    'the cursor and what was there before are back',
  );
});

test('a signal leaves the terminal as it was too', {
  skip: withoutTerminal,
  timeout: 60_000,
}, async (context) => {
  const { setup } = await sinkAndSpec((work) => context.after(work));
  const pod = await startSluice(setup);
  context.after(() => pod.kill('SIGKILL').then(() => pod.close()));
  for (const signal of ['INT', 'TERM'] as const) {
    const terminal = inTerminal([process.execPath, MAIN, 'top', '--admin', pod.admin], {
      columns: 80,
      rows: 24,
    });
    context.after(() => terminal.close());
    await until(
      'it draws',
      () => terminal.screen().length,
      (lines) => lines === 24,
      20_000,
    );
    terminal.signal(signal);
    assert.equal((await terminal.ended).restored, true, signal);
    assert.ok(terminal.output.slice(-60).includes('\x1b[?1049l'), signal);
  }
});

test('two pods are one view; one that hangs is named and delays a look by a second at most', {
  skip: withoutNats,
  timeout: 90_000,
}, async (context) => {
  const nats = await startNats();
  context.after(() => nats.close());
  const { setup, site } = await sinkAndSpec((work) => context.after(work));
  const pods = await Promise.all(
    [1, 2].map((number) =>
      startSluice({
        ...setup,
        spec: {
          ...setup.spec,
          hostname: `pod-${number}.example`,
          spool: jetStreamSpool([nats.url], { credentials: undefined }),
        },
      }),
    ),
  );
  context.after(() => Promise.all(pods.map((pod) => pod.kill('SIGKILL').then(() => pod.close()))));
  await Promise.all(pods.map((pod) => mailTo(pod, 300)));
  const [first, victim] = pods;
  assert.ok(first !== undefined && victim !== undefined);
  const look = async (...more: readonly string[]) => {
    const args = [MAIN, 'top', '--config', join(first.directory, 'sluice.yaml'), '--once', ...more];
    return (await run(process.execPath, args)).stdout;
  };
  const both = await until(
    'both are seen to send',
    async () => JSON.parse(await look('--json')),
    ({ pods: seen, recent, sites }) => seen.length === 2 && recent.delivered > 5 && sites[0]?.queued > 0,
    30_000,
  );
  assert.deepEqual(
    both.pods.map(({ host, limits }: { host: string; limits: string }) => [host, limits]),
    [
      ['pod-1.example', 'Shared'],
      ['pod-2.example', 'Shared'],
    ],
  );
  const [busy] = both.sites;
  assert.ok(busy.site.startsWith(site));
  assert.equal(busy.connectionBound, 6, 'two sources of three connections, for both pods together');
  assert.ok(busy.connections <= 6);
  process.kill(victim.pid, 'SIGSTOP');
  const text = await look();
  process.kill(victim.pid, 'SIGCONT');
  assert.match(text, /\nno answer: [0-9A-Z]{26}\n/);
  assert.match(text, /\npod-1\.example +Ready/);
  assert.match(
    text,
    /^sluice top .* pods [01] of 2 well/,
    'the other one misses the leader of its limits, or not',
  );
});
