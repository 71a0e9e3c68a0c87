import { build as buildHistogram } from 'hdr-histogram-js';
import { type BlastAnswer, BlastSession, type BlastTarget } from './blast-session.ts';
import { type BlastPlan, type PlannedMessage, plannedMessages } from './plan.ts';

export interface BlastOptions {
  readonly target: BlastTarget;
  readonly plan: BlastPlan;
  /** Connections that send at the same time. */
  readonly sessions: number;
  /** Messages per second over all sessions; absent = as fast as answers come. */
  readonly ratePerSecond?: number;
  readonly signal?: AbortSignal;
  /** Called for every answer: for progress and ledgers. */
  readonly onAnswer?: (message: PlannedMessage, answer: BlastAnswer) => void;
}

export interface BlastResult {
  /** Messages and recipients that got a 250. */
  readonly accepted: number;
  readonly acceptedRecipients: number;
  /** Refused messages by reply code; `0` = the connection broke before the answer. */
  readonly refused: Readonly<Record<string, number>>;
  readonly lastRefusal: string;
  readonly elapsedMs: number;
  readonly latencyMs: {
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    readonly max: number;
  };
  /** Accepted messages by latency: each bucket reaches from the one before up to `upToMs`; doubling, from 1 ms. */
  readonly histogram: readonly { readonly upToMs: number; readonly count: number }[];
}

/** Pause before a session that was refused or lost connects again, milliseconds. */
const RECONNECT_MS = 200;
/** Failed connections in a row after which a session gives up. */
const MAX_RECONNECTS = 50;

/**
 * Sends a plan over several sessions. Resolves when everything was answered, or the signal ends it.
 *
 * Example: `await blast({ target: { host: '127.0.0.1', port: 2525 }, plan, sessions: 20 })`
 */
export async function blast(options: BlastOptions): Promise<BlastResult> {
  const messages = plannedMessages(options.plan);
  const histogram = buildHistogram({
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const latencies: number[] = [];
  const refused: Record<string, number> = {};
  const totals = { accepted: 0, acceptedRecipients: 0, sent: 0, lastRefusal: '' };
  const startMs = performance.now();

  const note = (message: PlannedMessage, answer: BlastAnswer): void => {
    if (answer.code === 250) {
      totals.accepted++;
      totals.acceptedRecipients += message.recipients.length;
      addToBucket(latencies, answer.latencyMs);
      histogram.recordValue(Math.max(1, Math.round(answer.latencyMs * 1000)));
    } else {
      refused[answer.code] = (refused[answer.code] ?? 0) + 1;
      totals.lastRefusal = answer.text;
    }
    options.onAnswer?.(message, answer);
  };

  const run = async (): Promise<void> => {
    let session: BlastSession | undefined;
    let failures = 0;
    while (options.signal?.aborted !== true) {
      if (session === undefined || session.broken) {
        session = await BlastSession.open(options.target).catch(() => undefined);
        if (session === undefined) {
          if (++failures > MAX_RECONNECTS) return;
          await pause(RECONNECT_MS);
          continue;
        }
        failures = 0;
      }
      await keepRate(options.ratePerSecond, totals.sent, startMs);
      const next = messages.next();
      if (next.done === true) break;
      totals.sent++;
      const answer = await session.send(next.value, new Date().toUTCString().replace('GMT', '+0000'));
      note(next.value, answer);
      if (answer.code === 421 || answer.code === 0) session = undefined;
    }
    await session?.close();
  };
  await Promise.all(Array.from({ length: options.sessions }, run));

  const ms = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1000;
  return {
    accepted: totals.accepted,
    acceptedRecipients: totals.acceptedRecipients,
    refused,
    lastRefusal: totals.lastRefusal,
    elapsedMs: performance.now() - startMs,
    histogram: doublingBuckets(latencies),
    latencyMs: { p50: ms(50), p95: ms(95), p99: ms(99), max: histogram.maxValue / 1000 },
  };
}

async function keepRate(ratePerSecond: number | undefined, sent: number, startMs: number): Promise<void> {
  if (ratePerSecond === undefined) return;
  const aheadMs = (sent / ratePerSecond) * 1000 - (performance.now() - startMs);
  if (aheadMs > 1) await pause(aheadMs);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Counts by power of two: index 0 is up to 1 ms, 1 up to 2 ms, 2 up to 4 ms, … */
function addToBucket(counts: number[], latencyMs: number): void {
  const index = Math.max(0, Math.ceil(Math.log2(latencyMs)));
  while (counts.length <= index) counts.push(0);
  counts[index] = (counts[index] ?? 0) + 1;
}

function doublingBuckets(counts: readonly number[]): BlastResult['histogram'] {
  return counts.map((count, index) => ({ upToMs: 2 ** index, count }));
}
