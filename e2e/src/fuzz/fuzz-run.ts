import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Heap that a run may keep, bytes: what V8 compiles and caches on the way, not what a leak of one object a dialogue would be. */
const MAX_HEAP_GROWTH_BYTES = 24 * 1024 * 1024;
/** Share of the runs after which the heap is measured first. */
const WARM_UP = 0.2;

export interface FuzzOptions {
  readonly seed: number;
  readonly runs: number;
  /** Dialogues at the same time. */
  readonly parallel: number;
  /** No further dialogue begins after this. */
  readonly maxMs: number;
}

export interface FuzzResult {
  /** Dialogues that ran. */
  readonly runs: number;
  readonly durationMs: number;
  /** Number of the dialogue and what is wrong; the first few. */
  readonly failures: readonly { readonly run: number; readonly what: string }[];
  readonly heapGrowthBytes: number;
}

/** What is fuzzed. */
export interface FuzzTarget {
  run(seed: number, run: number): Promise<string | undefined>;
  leftOver(): Promise<readonly string[]>;
}

/**
 * Runs dialogues until the number is reached, the time is up, or five of them failed; then nothing may be left over: connections, resources
 * of the system, heap. An exception that nobody caught is a failure too.
 *
 * Example: `const { failures } = await fuzz(listeners, { seed: 1, runs: 300, parallel: 8, maxMs: 10_000 })`
 */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzResult> {
  const { seed, runs, parallel, maxMs } = options;
  const startMs = performance.now();
  const failures: { run: number; what: string }[] = [];
  let next = 0;
  const onError = (error: unknown): void => {
    failures.push({
      run: next,
      what: `nobody caught ${stackOf(error)}`,
    });
  };
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
  const resourcesBefore = resources();
  let heapBefore = 0;
  const work = async (until: number): Promise<void> => {
    while (next < until && failures.length < 5 && performance.now() - startMs < maxMs) {
      const run = next++;
      const what = await target
        .run(seed, run)
        .catch((error: unknown) => `the fuzzer itself: ${stackOf(error)}`);
      if (what !== undefined) failures.push({ run, what });
    }
  };
  for (const until of [Math.ceil(runs * WARM_UP), runs]) {
    await Promise.all(Array.from({ length: parallel }, () => work(until)));
    if (heapBefore === 0) heapBefore = heapUsed();
  }
  for (const what of await target.leftOver()) failures.push({ run: -1, what });
  const resourcesAfter = await settled(resourcesBefore);
  for (const [kind, count] of resourcesAfter) {
    const before = resourcesBefore.get(kind) ?? 0;
    if (count > before) failures.push({ run: -1, what: `${kind}: ${before} before, ${count} after` });
  }
  const heapGrowthBytes = heapUsed() - heapBefore;
  if (heapGrowthBytes > MAX_HEAP_GROWTH_BYTES) {
    failures.push({ run: -1, what: `the heap grew by ${heapGrowthBytes} bytes` });
  }
  process.off('uncaughtException', onError);
  process.off('unhandledRejection', onError);
  return { runs: next, durationMs: performance.now() - startMs, failures, heapGrowthBytes };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Sockets and the like; timers come and go. */
function resources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== 'Timeout' && kind !== 'Immediate') counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** The resources once there are no more than before, or after five seconds. */
async function settled(before: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
  const giveUpMs = performance.now() + 5_000;
  for (;;) {
    const now = resources();
    const over = [...now].some(([kind, count]) => count > (before.get(kind) ?? 0));
    if (!over || performance.now() > giveUpMs) return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}
