import type { Heard } from './latest-objects.ts';

/** A collection that is watched, as those who follow it see it. A `Reflector` is one. */
export interface WatchedCollection extends Heard {
  /** Whether it was listed once: before that, what is missing means nothing. */
  readonly synced: boolean;
  /** Time since the API server last said anything about it, milliseconds. */
  readonly silentMs: number;
  start(): void;
  stop(): Promise<void>;
}

/** Which objects: `{ api: '/apis/sluice.email/v1alpha1', resource: 'egresspools' }`. */
export interface CollectionName {
  readonly api: string;
  readonly resource: string;
  readonly labelSelector?: string;
}

/** Opens a watch. `onChange` as in `ReflectorOptions`; it must not throw. */
export type OpenWatch = (
  collection: CollectionName,
  onChange: (names: readonly string[]) => void,
) => WatchedCollection;
