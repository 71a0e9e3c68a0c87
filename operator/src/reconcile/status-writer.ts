import { API_VERSION, type ResourceKind, type ResourceStatus } from '@sluice/crds';
import {
  type ApiClient,
  apply,
  type KubeObject,
  type LatestObjects,
  type Logger,
  recordEvent,
  STATUS_FIELD_MANAGER,
  type WorkResult,
  type WrittenCondition,
} from '../kube/mod.ts';
import { conditionsFor, type Publication } from './operator-conditions.ts';
import type { ReconcileObserver } from './reconcile-observer.ts';
import { type StatusChange, statusChange } from './resource-status.ts';
import { DONE, remember, retryAfter } from './write-outcome.ts';

/** What `compile` found for an object as it then was. */
export interface Found {
  readonly status: ResourceStatus;
  readonly uid: string | undefined;
  readonly generation: number;
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
  readonly wallMs: () => number;
}

/** Writes what was found for resources to their status, where it does not say so yet, and Events where it turned. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  #found: ReadonlyMap<string, Found> = new Map();
  #publication: Publication = { type: 'Published' };

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** Whether this very form of a resource was compiled. */
  isCompiled(key: string, metadata: KubeObject['metadata'] | undefined): boolean {
    const found = this.#found.get(key);
    return found !== undefined && metadata?.uid === found.uid && metadata?.generation === found.generation;
  }

  /** Takes note of what was found by the last compile. Returns the keys whose status is to be written. */
  update(found: ReadonlyMap<string, Found>, publication: Publication): readonly string[] {
    this.#found = found;
    this.#publication = publication;
    return [...found.keys()].filter((key) => this.#pending(key) !== undefined);
  }

  async write(key: string): Promise<WorkResult> {
    const pending = this.#pending(key);
    if (pending === undefined) return DONE;
    const { client, observer, logger, resources } = this.#options;
    const { kind, name } = pending.found.status;
    const { path, latest } = resources[kind];
    const result = await apply(client, {
      path: `${path}/${name}/status`,
      object: { apiVersion: API_VERSION, kind, metadata: { name }, status: pending.change.status },
      fieldManager: STATUS_FIELD_MANAGER,
      force: true,
    });
    if (!result.ok) {
      // It is gone: its watch tells.
      if (result.kind === 'NotFound') return DONE;
      observer.failed('Status', result);
      logger.warn({ resource: key, reason: result.message }, 'a status cannot be written');
      return retryAfter(result);
    }
    observer.wrote('Status');
    remember(latest, result);
    await this.#recordEvents(kind, pending.object, pending.change);
    return DONE;
  }

  /** What is to be written to the status of a resource now; `undefined` = nothing, or a compile comes first. */
  #pending(
    key: string,
  ): { readonly found: Found; readonly object: KubeObject; readonly change: StatusChange } | undefined {
    const found = this.#found.get(key);
    if (found === undefined) return undefined;
    const object = this.#options.resources[found.status.kind].latest.get(found.status.name);
    if (object === undefined || !this.isCompiled(key, object.metadata)) return undefined;
    const wanted = conditionsFor(found.status, this.#publication);
    const time = new Date(this.#options.wallMs()).toISOString().replace(/\.\d+Z$/, 'Z');
    const change = statusChange(object, wanted, found.generation, time);
    return change === undefined ? undefined : { found, object, change };
  }

  /** One that cannot be recorded is not worth a second try. */
  async #recordEvents(kind: ResourceKind, object: KubeObject, change: StatusChange): Promise<void> {
    const { client, namespace, identity, observer, wallMs } = this.#options;
    const { name, uid = '' } = object.metadata;
    const isNew = !Object.hasOwn(object, 'status');
    for (const condition of change.transitions.filter((each) => isTold(each, isNew))) {
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

/** The summary and conflicts; that a new resource is well needs no Event. */
function isTold({ type, status }: WrittenCondition, isNew: boolean): boolean {
  return type === 'Conflicted' || (type === 'Ready' && !(isNew && status === 'True'));
}
