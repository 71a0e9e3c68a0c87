import { API_VERSION, type ResourceKind, type ResourceStatus } from '@sluice/crds';
import {
  type ApiClient,
  type KubeObject,
  type LatestObjects,
  type Logger,
  patchStatus,
  recordEvent,
  type WorkResult,
} from '../kube/mod.ts';
import type { EgressStatus } from './egress-findings.ts';
import { conditionsFor, OPERATOR_REASONS, type Publication } from './operator-conditions.ts';
import type { Programming } from './programming.ts';
import type { ReconcileObserver } from './reconcile-observer.ts';
import { type StatusChange, statusChange, type Transition } from './resource-status.ts';
import { WriteBudget } from './write-budget.ts';
import { DONE, retryAfter } from './write-outcome.ts';

/** A form that was just published is waited for so long before its status says that pods do not run it yet: nearly always they do by then, and one write says all. Milliseconds. */
const PODS_PATIENCE_MS = 500;

/** What `compile` found for an object as it then was. */
export interface Found {
  readonly status: ResourceStatus;
  readonly uid: string | undefined;
  readonly generation: number;
  /** Generation of the first set of ConfigMaps that has its form. */
  readonly since: number;
}

/** What pods make of it. */
export interface PodsView {
  programming(since: number): Programming;
  findings(key: string): EgressStatus;
}

export interface StatusWriterOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  /** Of this operator, in Events. */
  readonly identity: string;
  readonly resources: Readonly<
    Record<ResourceKind, { readonly path: string; readonly latest: LatestObjects }>
  >;
  readonly logger: Logger;
  readonly observer: ReconcileObserver;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

/** What a look at all resources came to. */
export interface Review {
  /** Whose status is to be written. */
  readonly keys: readonly string[];
  /** Others have to wait for the budget. */
  readonly more: boolean;
}

/** What is to be done about a status. */
type Pending =
  | {
      readonly type: 'Write';
      readonly found: Found;
      readonly object: KubeObject;
      readonly change: StatusChange;
    }
  /** Pods have a moment to take it up. */
  | { readonly type: 'Wait'; readonly delayMs: number };

/** Writes what was found for resources to their status, where it does not say so yet, and Events where it turned. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #budget: WriteBudget;
  /** Published, and no status has said yet that all pods run it; with the time from which on it says that they do not. */
  readonly #awaited = new Map<string, number>();
  /** Whose write the budget allows. */
  readonly #allowed = new Set<string>();
  #nextTurn = '';
  #found: ReadonlyMap<string, Found> = new Map();
  #publication: Publication = { type: 'Published' };
  #pods: PodsView = NO_PODS_VIEW;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#budget = new WriteBudget(options.nowMs());
  }

  /** Whether this very form of a resource was compiled. */
  isCompiled(key: string, metadata: KubeObject['metadata'] | undefined): boolean {
    const found = this.#found.get(key);
    return found !== undefined && metadata?.uid === found.uid && metadata?.generation === found.generation;
  }

  /**
   * Takes note of what was found by the last compile, and looks at all resources.
   *
   * @param fresh keys of forms that were published just now
   */
  update(found: ReadonlyMap<string, Found>, publication: Publication, fresh: readonly string[]): Review {
    this.#found = found;
    this.#publication = publication;
    const untilMs = this.#options.nowMs() + PODS_PATIENCE_MS;
    for (const key of fresh) this.#awaited.set(key, untilMs);
    for (const key of this.#awaited.keys()) if (!found.has(key)) this.#awaited.delete(key);
    return this.review();
  }

  /** Pods said something new. Returns the keys that were waiting for it. */
  podsChanged(pods: PodsView): readonly string[] {
    this.#pods = pods;
    return [...this.#awaited.keys()];
  }

  /** Looks at all resources, and allows what the budget has. */
  review(): Review {
    const keys: string[] = [];
    let more = false;
    for (const key of this.#turns()) {
      const pending = this.#pending(key);
      if (pending === undefined) continue;
      if (pending.type === 'Write' && !this.#isUrgent(key, pending.change) && !this.#allowed.has(key)) {
        if (more || !this.#budget.take(this.#options.nowMs())) {
          if (!more) this.#nextTurn = key;
          more = true;
          continue;
        }
        this.#allowed.add(key);
      }
      keys.push(key);
    }
    return { keys, more };
  }

  /** All keys; first those for which the budget had nothing left last time. */
  #turns(): readonly string[] {
    const keys = [...this.#found.keys()];
    const at = Math.max(0, keys.indexOf(this.#nextTurn));
    return [...keys.slice(at), ...keys.slice(0, at)];
  }

  async write(key: string): Promise<WorkResult> {
    const pending = this.#pending(key);
    if (pending === undefined) return this.#settled(key);
    if (pending.type === 'Wait') return { type: 'Retry', afterMs: pending.delayMs };
    if (!this.#isUrgent(key, pending.change) && !this.#allowed.has(key)) return DONE;
    const { client, observer, logger, resources } = this.#options;
    const { kind, name } = pending.found.status;
    const { path, latest } = resources[kind];
    const { change, object } = pending;
    const result = await patchStatus(client, {
      path: `${path}/${name}`,
      apiVersion: API_VERSION,
      kind,
      name,
      status: change.status,
    });
    if (!result.ok) {
      // It is gone: its watch tells.
      if (result.kind === 'NotFound') return DONE;
      observer.failed('Status', result);
      logger.warn({ resource: key, reason: result.message }, 'a status cannot be written');
      return retryAfter(result);
    }
    this.#allowed.delete(key);
    observer.wrote('Status');
    const { generation, uid, resourceVersion } = result.body;
    // Another form of it is there by now: the watch brings it.
    if (this.isCompiled(key, { name, uid, generation }))
      latest.wrote(name, {
        ...object,
        metadata: { ...object.metadata, resourceVersion },
        status: change.status,
      });
    this.#settled(key);
    await this.#recordEvents(kind, object, change.transitions);
    return DONE;
  }

  /** What is to be done about the status of a resource now; `undefined` = nothing, or a compile comes first. */
  #pending(key: string): Pending | undefined {
    const found = this.#found.get(key);
    if (found === undefined) return undefined;
    const { kind, name } = found.status;
    const object = this.#options.resources[kind].latest.get(name);
    if (object === undefined || !this.isCompiled(key, object.metadata)) return undefined;
    const programming = this.#pods.programming(found.since);
    if (programming.type === 'Waiting') return undefined;
    if (this.#publication.type === 'Published' && isBehind(programming)) {
      const delayMs = (this.#awaited.get(key) ?? 0) - this.#options.nowMs();
      if (delayMs > 0) return { type: 'Wait', delayMs };
    }
    const conditions = conditionsFor(found.status, this.#publication, programming);
    const { total } = programming.type === 'Pods' ? programming : { total: 0 };
    const wanted = {
      conditions,
      ...(found.status.formHash !== undefined &&
        programming.type === 'Pods' && { pods: { programmed: programming.programmed, total } }),
      ...this.#pods.findings(key),
    };
    const time = new Date(this.#options.wallMs()).toISOString().replace(/\.\d+Z$/, 'Z');
    const change = statusChange(object, wanted, found.generation, time);
    return change === undefined ? undefined : { type: 'Write', found, object, change };
  }

  /** What users do is written at once, and that pods run what they did; what pods do otherwise is bounded. */
  #isUrgent(key: string, { cause }: StatusChange): boolean {
    return cause === 'Resource' || this.#awaited.has(key);
  }

  /** Its status says what there is to say; once all pods run its form nothing is waited for any more. */
  #settled(key: string): WorkResult {
    const found = this.#found.get(key);
    if (found === undefined || !isBehind(this.#pods.programming(found.since))) this.#awaited.delete(key);
    return DONE;
  }

  /** One that cannot be recorded is not worth a second try. */
  async #recordEvents(
    kind: ResourceKind,
    object: KubeObject,
    transitions: readonly Transition[],
  ): Promise<void> {
    const { client, namespace, identity, observer, wallMs } = this.#options;
    const { name, uid = '' } = object.metadata;
    for (const { condition } of transitions.filter(isTold)) {
      const { reason, message } = condition;
      const event = {
        subject: { apiVersion: API_VERSION, kind, namespace, name, uid },
        type: condition.type === 'Ready' && condition.status === 'True' ? 'Normal' : 'Warning',
        reason,
        action: 'Compile',
        note: message,
      } as const;
      const result = await recordEvent(client, event, identity, wallMs());
      if (result.ok) observer.wrote('Event');
      else observer.failed('Event', result);
    }
  }
}

/** Before anything is known. */
const NO_PODS_VIEW: PodsView = {
  programming: () => ({ type: 'Waiting' }),
  findings: () => ({}),
};

function isBehind(programming: Programming): boolean {
  return programming.type === 'Pods' && programming.behind.length > 0;
}

/** The summary and conflicts; that a new resource is well needs no Event, nor that pods take up a change. */
function isTold({ condition: { type, status, reason }, before }: Transition): boolean {
  if (type === 'Conflicted') return true;
  if (type !== 'Ready' || reason === OPERATOR_REASONS.podsBehind) return false;
  return status !== 'True' || (before !== undefined && before.reason !== OPERATOR_REASONS.podsBehind);
}
