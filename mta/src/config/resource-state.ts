import type { EgressConfig } from '@sluice/crds';
import type { Problem } from './problem.ts';

/** What the resources directory has come to: for the log, metrics and the body of /readyz. */
export interface ResourceState {
  /** Hash of the configuration in force. */
  readonly hash: string;
  /** Wall time at which it came into force. */
  readonly loadedAtMs: number;
  /** `false` = something in the directory is broken, and its last good form (or nothing) is in force instead. */
  readonly ok: boolean;
  readonly problems: readonly Problem[];
  readonly config: EgressConfig;
}
