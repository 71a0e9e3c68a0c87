/** How often deadlines are looked at: a timeout fires at most this much late. */
export const DEADLINE_TICK_MS = 100;

/** Something that must not wait for ever. Moving `deadlineAtMs` costs an assignment, no timer. */
export interface Deadline {
  /** On the clock of `performance.now()`; `Infinity` = none. */
  deadlineAtMs: number;
  onDeadline(): void;
}

const watched = new Set<Deadline>();
let ticker: NodeJS.Timeout | undefined;

/** Watches until {@link unwatchDeadline}. One timer serves all sessions of the process. */
export function watchDeadline(deadline: Deadline): void {
  watched.add(deadline);
  if (ticker !== undefined) return;
  ticker = setInterval(tick, DEADLINE_TICK_MS);
  ticker.unref();
}

export function unwatchDeadline(deadline: Deadline): void {
  watched.delete(deadline);
  if (watched.size > 0) return;
  clearInterval(ticker);
  ticker = undefined;
}

function tick(): void {
  const nowMs = performance.now();
  for (const deadline of watched) {
    if (deadline.deadlineAtMs > nowMs) continue;
    // Timers run before sockets are read: after a pause of the process the reply may lie there unread. Read first.
    setImmediate(() => {
      if (deadline.deadlineAtMs <= nowMs && watched.has(deadline)) deadline.onDeadline();
    });
  }
}
