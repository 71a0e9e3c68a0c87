/** The one clock of a pod: milliseconds since 1970 that never go back (a step of the system's clock does not reach the queue). */
export interface Clock {
  nowMs(): number;
}

/** Wall time at the start of the process plus monotonic time since. */
export const monotonicWallClock: Clock = {
  nowMs: () => performance.timeOrigin + performance.now(),
};
