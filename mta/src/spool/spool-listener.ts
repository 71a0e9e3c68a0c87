import type { StoredMessage } from './spool.ts';

/** How a part of the store left a process. */
export type PartEnd =
  /** It was given up: open transactions end and are recorded, nothing new starts. */
  | 'released'
  /** Another process has it, or may: open transactions are cut, and nothing about them is recorded. */
  | 'lost';

/** Who sends what a store holds. The parts of a store that several processes share come and go while they run. */
export interface SpoolListener {
  /** Groups to queue: from before, from another process that is gone, stored late, or told by a former owner. Never of a group that is queued already. */
  readonly onMail: (message: StoredMessage) => void;
  /** Parts ({@link Spool.partOf}) that this process no longer has: what is queued of them is forgotten. */
  readonly onGone: (parts: ReadonlySet<number>, how: PartEnd) => void;
  /** Groups that are not sent any more: they were in flight at three ends of a process in a row. */
  readonly onHeld: (message: StoredMessage) => void;
}
