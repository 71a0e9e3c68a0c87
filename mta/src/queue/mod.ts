/** The queue index: what is queued, in which order it leaves, until when it sleeps. */
export { AGEING_MS_PER_POINT } from './ageing.ts';
export type {
  Admission,
  Deferral,
  Entry,
  EntryCounts,
  Fate,
  LaneCounts,
  LaneId,
  LaneKey,
  NewEntry,
  UnitCounts,
  UnitId,
  UnitKey,
} from './contract.ts';
export { createQueue, Queue, type QueueOptions } from './queue.ts';
export { nextAttemptAtMs, RETRY_JITTER, retryDelayMs } from './retry.ts';
export { TICK_MS } from './ticks.ts';
export { QUANTUM_RECIPIENTS } from './turns.ts';
