import type { EgressConfig, Problem } from '@sluice/crds';

/** What the resources directory has come to: for the log, metrics and the body of /readyz. */
export interface ResourceState {
  readonly config: EgressConfig;
  /** Hash of the configuration in force. */
  readonly hash: string;
  /** Of the operator's set that it comes from; absent = it comes from files. */
  readonly generation?: number;
  /** Whose set it is, `namespace/release`; absent = it comes from files, or from a mount alone. */
  readonly configSet?: string;
  /** Wall time at which it came into force. */
  readonly loadedAtMs: number;
  /** `false` = something in the directory is broken, and its last good form (or nothing) is in force instead. */
  readonly ok: boolean;
  /** What is broken, with its place; empty exactly when `ok`. */
  readonly problems: readonly Problem[];
  /** `Kind/name` of what is not in force as it stands. */
  readonly refused: readonly string[];
  /** What is in force but hardly meant so: names that nobody has, two resources that claim the same. */
  readonly warnings: readonly Problem[];
}
