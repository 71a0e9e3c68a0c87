import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type WorkerProcess, WorkerSupervisor } from './worker-supervisor.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

/** A worker that is ready and ends when it is told. */
function fakeWorkers() {
  const started: { number: number; becomeReady: () => void; end: (how: string) => void; stops: number }[] =
    [];
  const start = (number: number): WorkerProcess => {
    const ready = Promise.withResolvers<string>();
    const ended = Promise.withResolvers<string>();
    const worker = {
      number,
      stops: 0,
      becomeReady: () => ready.resolve(`127.0.0.1:${9000 + started.indexOf(worker)}`),
      end: (how: string) => ended.resolve(how),
    };
    started.push(worker);
    return {
      pid: started.length,
      ready: ready.promise,
      ended: ended.promise,
      stop() {
        worker.stops++;
        worker.end('code 0');
      },
    };
  };
  return { started, start };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const untilMs = performance.now() + 2_000;
  while (!condition()) {
    if (performance.now() > untilMs) assert.fail(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test('a worker that dies is started again, later each time, while the others go on', async () => {
  const { started, start } = fakeWorkers();
  const supervisor = new WorkerSupervisor({ count: 2, start, logger, firstRestartMs: 20 });
  supervisor.run();
  assert.equal(started.length, 2);
  for (const worker of started) worker.becomeReady();
  await supervisor.allReady;
  started[0]?.end('SIGKILL');
  await until('it is missing', () => supervisor.ready.length === 1);
  assert.deepEqual(
    supervisor.ready.map(({ number }) => number),
    [2],
  );
  await until('it is started again', () => started.length === 3);
  assert.equal(started[2]?.number, 1);
  const endedAtMs = performance.now();
  started[2]?.end('code 1');
  await until('and again', () => started.length === 4);
  assert.ok(performance.now() - endedAtMs >= 39, 'the second pause is twice the first');
  assert.equal(supervisor.restarts, 2);
  started[3]?.becomeReady();
  await until('both are ready', () => supervisor.ready.length === 2);
  await supervisor.stop();
  assert.deepEqual([started[1]?.stops, started[3]?.stops], [1, 1]);
});

test('settings with which no worker can start end the command instead of being tried for ever', async () => {
  const { started, start } = fakeWorkers();
  const supervisor = new WorkerSupervisor({ count: 2, start, logger, firstRestartMs: 1 });
  supervisor.run();
  started[0]?.end('code 1');
  assert.equal(await supervisor.failed, 'code 1');
  await supervisor.stop();
  assert.equal(started.length, 2);
});

test('who stops waits for every worker, and starts none again, not even one that waits for it', async () => {
  const { started, start } = fakeWorkers();
  const supervisor = new WorkerSupervisor({ count: 2, start, logger, firstRestartMs: 5 });
  supervisor.run();
  for (const worker of started) worker.becomeReady();
  await supervisor.allReady;
  started[1]?.end('SIGKILL');
  await until('it is missing', () => supervisor.ready.length === 1);
  await supervisor.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(started.length, 2);
});
