import {
  type EgressConfig,
  MAX_STATUS_SOURCES,
  MAX_STATUS_SUSPENSIONS,
  type PolicyConfig,
  type PoolConfig,
  type ResourceKind,
  resourceKey,
  type SourceConfig,
  type Suspension,
  wayOutText,
} from '@sluice/crds';
import type { FeedbackState } from '../feedback/mod.ts';

/** A source that pods cannot connect from. */
export interface UnreachableStatus {
  readonly way: string;
  /** Pods that say so. */
  readonly pods: number;
  readonly since: string;
  readonly reason: string;
}

export interface SuspensionStatus {
  readonly effect: string;
  readonly limitName?: string;
  readonly mail: string;
  readonly origin: 'Operator' | 'Reaction';
  readonly reason: string;
  readonly since: string;
  readonly until?: string;
}

/** A source that is not in order. */
export interface SourceStatus {
  readonly name: string;
  readonly unreachable?: UnreachableStatus;
  readonly suspensions?: readonly SuspensionStatus[];
}

/** What pods find about a resource; absent = nothing. */
export interface EgressStatus {
  readonly sources?: readonly SourceStatus[];
  readonly sourcesOmitted?: number;
  readonly suspensions?: readonly SuspensionStatus[];
  readonly suspensionsOmitted?: number;
}

const NOTHING: EgressStatus = {};

interface Unreachable extends UnreachableStatus {
  readonly hosts: ReadonlySet<string>;
}

/**
 * What the reports of all pods say, put together: sources that cannot connect, and directives in force. Pure.
 *
 * Example: `new EgressFindings(state, config).of('EgressPool/shared-a').sources`
 */
export class EgressFindings {
  readonly #unreachable = new Map<string, Unreachable>();
  readonly #addresses = new Set<string>();
  /** Each directive once, however many pods tell of it. */
  readonly #suspensions: readonly Suspension[];
  readonly #bySource: ReadonlyMap<string, readonly Suspension[]>;
  /** Sources that cannot connect, those that no report had room for included. */
  readonly unreachableSources: number;

  readonly #config: EgressConfig | undefined;
  #byKey: ReadonlyMap<string, EgressStatus> | undefined;

  constructor(state: FeedbackState, config: EgressConfig | undefined) {
    this.#config = config;
    const suspensions = new Map<string, Suspension>();
    let more = 0;
    for (const { facts, report } of state.type === 'Known' ? state.sessions : []) {
      if (report === undefined) continue;
      more = Math.max(more, report.moreUnreachable);
      for (const each of report.unreachable) {
        const { source, address, way, since, reason } = each;
        const key = keyOf(source, address, way);
        const known = this.#unreachable.get(key);
        const hosts = new Set([...(known?.hosts ?? []), facts.host]);
        // The earliest tells the story; of equal ones always the same, or pods that differ would change it in turn.
        const isFirst =
          known === undefined || since < known.since || (since === known.since && reason < known.reason);
        const told = isFirst ? { since, reason } : { since: known.since, reason: known.reason };
        this.#unreachable.set(key, { way, ...told, hosts, pods: hosts.size });
        this.#addresses.add(address);
      }
      for (const suspension of report.suspensions) {
        const known = suspensions.get(suspension.id);
        if (known === undefined || known.since > suspension.since) suspensions.set(suspension.id, suspension);
      }
    }
    this.#suspensions = [...suspensions.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    this.#bySource = Map.groupBy(
      this.#suspensions.filter(({ source }) => source !== undefined),
      ({ source = '' }) => source,
    );
    this.unreachableSources = this.#unreachable.size + more;
  }

  /** Of a resource, by `Kind/name`. */
  of(key: string): EgressStatus {
    if (this.#addresses.size === 0 && this.#suspensions.length === 0) return NOTHING;
    this.#byKey ??= new Map([
      ...(this.#config?.pools ?? []).map((pool) => [nameOf('EgressPool', pool), this.#ofPool(pool)] as const),
      ...(this.#config?.policies ?? []).map(
        (policy) => [nameOf('ShapingPolicy', policy), this.#ofPolicy(policy)] as const,
      ),
    ]);
    return this.#byKey.get(key) ?? NOTHING;
  }

  /** Of its sources, and what is suspended for the pool as a whole. */
  #ofPool({ name, sources }: PoolConfig): EgressStatus {
    const found = sources.flatMap((source) => this.#ofSource(name, source));
    const ofPool = this.#suspensions.filter(({ pool, source }) => pool === name && source === undefined);
    return {
      ...(found.length > 0 && { sources: found.slice(0, MAX_STATUS_SOURCES) }),
      ...(found.length > MAX_STATUS_SOURCES && { sourcesOmitted: found.length - MAX_STATUS_SOURCES }),
      ...suspended(ofPool),
    };
  }

  /** What its reactions have put in force, and what else bounds a limit that it names. */
  #ofPolicy(policy: PolicyConfig): EgressStatus {
    const layers = [policy.default ?? {}, ...policy.destinations];
    const reactions = new Set(layers.flatMap(({ reactions = [] }) => reactions.map(({ name }) => name)));
    const limits = new Set(layers.flatMap(({ limits = [] }) => limits.map(({ name }) => name)));
    return suspended(
      this.#suspensions.filter(
        ({ origin, reason, limitName }) =>
          (origin === 'Reaction' && reactions.has(reactionOf(reason))) ||
          (limitName !== undefined && limits.has(limitName)),
      ),
    );
  }

  #ofSource(poolName: string, { name, address, egress }: SourceConfig): readonly SourceStatus[] {
    const found = this.#addresses.has(address)
      ? this.#unreachable.get(keyOf(name, address, wayOutText(egress)))
      : undefined;
    const suspensions = [address, name].flatMap((source) =>
      (this.#bySource.get(source) ?? []).filter(({ pool = poolName }) => pool === poolName),
    );
    if (found === undefined && suspensions.length === 0) return [];
    return [
      {
        name,
        ...(found !== undefined && { unreachable: unreachableStatus(found) }),
        ...(suspensions.length > 0 && {
          suspensions: suspensions.slice(0, MAX_STATUS_SUSPENSIONS).map(suspensionStatus),
        }),
      },
    ];
  }
}

function nameOf(kind: ResourceKind, { name }: { readonly name: string }): string {
  return resourceKey({ kind, name });
}

function unreachableStatus({ way, pods, since, reason }: Unreachable): UnreachableStatus {
  return { way, pods, since, reason };
}

function suspended(all: readonly Suspension[]): EgressStatus {
  if (all.length === 0) return NOTHING;
  return {
    suspensions: all.slice(0, MAX_STATUS_SUSPENSIONS).map(suspensionStatus),
    ...(all.length > MAX_STATUS_SUSPENSIONS && { suspensionsOmitted: all.length - MAX_STATUS_SUSPENSIONS }),
  };
}

function suspensionStatus({
  effect,
  limitName,
  mail,
  origin,
  reason,
  since,
  until,
}: Suspension): SuspensionStatus {
  return {
    effect,
    ...(limitName !== undefined && { limitName }),
    mail,
    origin,
    reason,
    since,
    ...(until !== undefined && { until }),
  };
}

function keyOf(source: string, address: string, way: string): string {
  return `${source} ${address} ${way}`;
}

/** The MTA writes `reaction NAME: REPLY`. */
function reactionOf(reason: string): string {
  return /^reaction ([^:]+):/.exec(reason)?.[1] ?? '';
}
