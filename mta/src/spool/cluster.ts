import type { PodFacts } from '@sluice/crds';

/** A session of a process that shares the store, as it said last. */
export interface PodSessionView extends PodFacts {
  /** ULID: of a process, or of a part of its life; it is taken up again by nobody. */
  readonly session: string;
  /** Parts of the store that it owns. */
  readonly segments: readonly number[];
}

export interface ClusterCounts {
  /** Parts of the store that are owned now, and those of them that take new mail. */
  readonly owned: number;
  readonly live: number;
  /** Since the process began. */
  readonly adoptions: number;
  readonly sessionLosses: number;
  readonly held: number;
}

/** Who shares a store with this process. Read only, except that a process may say more of itself. */
export interface Cluster {
  /** The own session now; another one after it was lost. */
  readonly session: string;
  /** The own session is valid: what is done now, the others see as done by a living process. */
  readonly isLive: boolean;
  /** All sessions that live, the own one included. */
  living(): readonly PodSessionView[];
  readonly counts: ClusterCounts;
  /** The own session, or who lives, or what they say changed; returns how to stop listening. */
  onChange(listener: () => void): () => void;
  /** Changes what this process says of itself, within a moment. */
  tell(facts: Partial<PodFacts>): void;
  /** Says something longer beside the session, for whoever watches; it replaces what was said before. At most a few KiB. */
  report(bytes: Uint8Array): void;
}
