import { API_VERSION } from '@sluice/crds';
import { type CollectionName, type OpenWatch, SharedCollection } from '../kube/mod.ts';
import type { ReconcileObserver } from './reconcile-observer.ts';
import { Reconciler, type ReconcilerOptions } from './reconciler.ts';
import { CONFIG_LABEL } from './shard-config-map.ts';

export interface NamespaceReconcilersOptions
  extends Omit<ReconcilerOptions, 'namespace' | 'observer' | 'openWatch' | 'countsUnnamedPods'> {
  /** Has a set of ConfigMaps also while it has no resources: that of the operator, whose pods would wait for one. */
  readonly home: string;
  readonly observe: (namespace: string) => ReconcileObserver;
  /** A namespace has nothing of ours any more. */
  readonly forget: (namespace: string) => void;
}

/**
 * A reconciler for each namespace that has resources or ConfigMaps of the release, over three watches in all. Namespaces never mix: a pool of one is nothing to the mail of another.
 *
 * Example: `const all = new NamespaceReconcilers({ home: 'sluice-system', … }); all.start(); election.start() // onElected: () => all.lead()`
 */
export class NamespaceReconcilers {
  readonly #options: NamespaceReconcilersOptions;
  readonly #collections: Readonly<Record<string, SharedCollection>>;
  readonly #reconcilers = new Map<string, Reconciler>();
  readonly #ending = new Set<Promise<void>>();
  #leads = false;

  constructor(options: NamespaceReconcilersOptions) {
    this.#options = options;
    const api = `/apis/${API_VERSION}`;
    const labelSelector = `${CONFIG_LABEL}=${options.release}`;
    this.#collections = {
      egresspools: this.#collection({ api, resource: 'egresspools' }),
      shapingpolicies: this.#collection({ api, resource: 'shapingpolicies' }),
      configmaps: this.#collection({ api: '/api/v1', resource: 'configmaps', labelSelector }),
    };
  }

  /** As that of a reconciler. */
  get watches(): Readonly<Record<string, number | undefined>> {
    const { egresspools, shapingpolicies, configmaps } = this.#collections;
    return Object.fromEntries(
      Object.entries({ EgressPool: egresspools, ShapingPolicy: shapingpolicies, ConfigMap: configmaps }).map(
        ([name, collection]) => [name, collection?.synced ? collection.silentMs : undefined],
      ),
    );
  }

  get queued(): number {
    return [...this.#reconcilers.values()].reduce((sum, { queued }) => sum + queued, 0);
  }

  /** In which there is work. */
  get namespaces(): readonly string[] {
    return [...this.#reconcilers.keys()];
  }

  start(): void {
    this.#begin(this.#options.home);
    for (const collection of Object.values(this.#collections)) collection.start();
  }

  lead(): void {
    this.#leads = true;
    for (const reconciler of this.#reconcilers.values()) reconciler.lead();
  }

  async follow(): Promise<void> {
    this.#leads = false;
    await Promise.all([...this.#reconcilers.values()].map((reconciler) => reconciler.follow()));
  }

  async stop(): Promise<void> {
    this.#leads = false;
    await Promise.all([...this.#reconcilers.values()].map((reconciler) => reconciler.stop()));
    await Promise.all(this.#ending);
    await Promise.all(Object.values(this.#collections).map((collection) => collection.stop()));
  }

  #collection({ api, resource, ...selector }: CollectionName): SharedCollection {
    const { client, logger, random, nowMs, timing } = this.#options;
    return new SharedCollection({
      client,
      path: `${api}/${resource}`,
      ...selector,
      logger,
      random,
      nowMs,
      ...(timing && { timing }),
      onNamespaces: (namespaces) => {
        for (const namespace of namespaces) this.#look(namespace);
      },
    });
  }

  #look(namespace: string): void {
    const collections = Object.values(this.#collections);
    if (collections.some((collection) => collection.has(namespace))) return this.#begin(namespace);
    const isListed = collections.every(({ synced }) => synced);
    if (isListed && namespace !== this.#options.home) this.#end(namespace);
  }

  #begin(namespace: string): void {
    if (this.#reconcilers.has(namespace)) return;
    const { observe, home, forget: _, ...options } = this.#options;
    const openWatch: OpenWatch = ({ resource }, onChange) => {
      const collection = this.#collections[resource];
      if (collection === undefined) throw new Error(`${resource} is not watched`);
      return collection.view(namespace, onChange);
    };
    const reconciler = new Reconciler({
      ...options,
      namespace,
      observer: observe(namespace),
      openWatch,
      countsUnnamedPods: namespace === home,
    });
    this.#reconcilers.set(namespace, reconciler);
    reconciler.start();
    if (this.#leads) reconciler.lead();
  }

  /** It has nothing any more, or is being deleted: a set of ConfigMaps for nobody would only be refused. */
  #end(namespace: string): void {
    const reconciler = this.#reconcilers.get(namespace);
    if (reconciler === undefined) return;
    this.#reconcilers.delete(namespace);
    this.#options.forget(namespace);
    const ending = reconciler.stop();
    this.#ending.add(ending);
    void ending.then(() => this.#ending.delete(ending));
  }
}
