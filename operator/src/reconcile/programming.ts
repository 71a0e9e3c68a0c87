import type { FeedbackState, LivingSession } from '../feedback/mod.ts';
import type { PodCounts } from './resource-status.ts';

/** Hosts that are named in a message; the rest is counted. */
const NAMED_HOSTS = 3;
/** Of a pod of which it is not known which set it runs: older than every set. */
const NO_GENERATION = -1;

/** Whether pods run a form. */
export type Programming =
  | { readonly type: 'NoFeedback' }
  /** Nothing is known yet: what the status says of before stands. */
  | { readonly type: 'Waiting' }
  | { readonly type: 'Lost' }
  | { readonly type: 'NoPods' }
  | {
      readonly type: 'Pods';
      readonly programmed: number;
      readonly total: number;
      /** Hosts that do not run it, bounded, in order. */
      readonly behind: readonly string[];
    };

/** Whose pods count: those that follow the ConfigMaps of this operator's namespace and release. */
export interface PodOwner {
  /** `namespace/release` */
  readonly configSet: string;
  /** Those that do not say whose they follow count too: files and mounts do not tell. */
  readonly withUnnamed: boolean;
}

/** The set that was published last. */
export interface PublishedSet {
  readonly generation: number;
  /** Of its configuration. */
  readonly hash: string;
}

/**
 * Which pods run which set. A pod counts by its host: the workers of one run it when all do. One that is still starting does not count: it takes no mail. Pure.
 *
 * Example: `new PodGenerations(state, owner, published).running(since)` → `{ type: 'Pods', programmed: 2, total: 3, behind: ['mta-2'] }`
 */
export class PodGenerations {
  readonly #type: Exclude<Programming['type'], 'NoPods' | 'Pods'> | undefined;
  /** By generation, lowest first. */
  readonly #hosts: readonly { readonly host: string; readonly generation: number }[];

  constructor(state: FeedbackState, owner: PodOwner, published: PublishedSet | undefined) {
    this.#type = TYPES[state.type];
    const lowest = new Map<string, number>();
    for (const session of state.type === 'Known' ? state.sessions : []) {
      const { host, state, configSet } = session.facts;
      const isOwn = configSet === undefined ? owner.withUnnamed : configSet === owner.configSet;
      if (state === 'starting' || !isOwn) continue;
      const generation = generationOf(session, published);
      lowest.set(host, Math.min(lowest.get(host) ?? generation, generation));
    }
    this.#hosts = [...lowest]
      .map(([host, generation]) => ({ host, generation }))
      .toSorted((a, b) => a.generation - b.generation || (a.host < b.host ? -1 : 1));
  }

  /** Pods that run a set of this generation or a newer one, and all. */
  counts(generation: number): PodCounts {
    const total = this.#hosts.length;
    return { programmed: this.#hosts.filter((host) => host.generation >= generation).length, total };
  }

  /** @param since generation of the first set that has the form */
  running(since: number): Programming {
    if (this.#type !== undefined) return { type: this.#type };
    const total = this.#hosts.length;
    if (total === 0) return { type: 'NoPods' };
    let behind = 0;
    while ((this.#hosts[behind]?.generation ?? since) < since) behind++;
    const names = this.#hosts
      .slice(0, behind)
      .map(({ host }) => host)
      .toSorted();
    return { type: 'Pods', programmed: total - behind, total, behind: named(names) };
  }
}

const TYPES = { None: 'NoFeedback', Waiting: 'Waiting', Lost: 'Lost', Known: undefined } as const;

/** Generations of a pod that says it runs the last set and runs another configuration are not those of this operator. */
function generationOf({ facts }: LivingSession, published: PublishedSet | undefined): number {
  const { generation = NO_GENERATION, configHash } = facts;
  const isOther = generation === published?.generation && configHash !== published.hash;
  return isOther ? NO_GENERATION : generation;
}

function named(hosts: readonly string[]): readonly string[] {
  const rest = hosts.length - NAMED_HOSTS;
  return rest > 0 ? [...hosts.slice(0, NAMED_HOSTS), `${rest} more`] : hosts;
}
