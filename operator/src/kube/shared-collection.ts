import type { KubeObject } from './kube-object.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';
import type { WatchedCollection } from './watched-collection.ts';

const NONE: ReadonlyMap<string, KubeObject> = new Map();

export interface SharedCollectionOptions extends Omit<ReflectorOptions, 'onChange' | 'keyOf'> {
  /** Namespaces of which there is news, before those who follow them hear it; every one with objects after the first list. Must not throw. */
  readonly onNamespaces: (namespaces: readonly string[]) => void;
}

/**
 * A collection of all namespaces, watched once and shown to each namespace as its own: a watch for each of a thousand namespaces would cost the API server a thousand.
 *
 * Example: `const pools = new SharedCollection({ client, path: '/apis/sluice.email/v1alpha1/egresspools', … }); pools.start(); pools.view('mail', onChange).objects.get('shared-a')`
 */
export class SharedCollection {
  readonly #reflector: Reflector;
  readonly #onNamespaces: (namespaces: readonly string[]) => void;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #views = new Map<string, Set<(names: readonly string[]) => void>>();
  #listed = false;

  constructor({ onNamespaces, ...options }: SharedCollectionOptions) {
    this.#onNamespaces = onNamespaces;
    this.#reflector = new Reflector({ ...options, keyOf, onChange: (keys) => this.#changed(keys) });
  }

  get synced(): boolean {
    return this.#reflector.synced;
  }

  get silentMs(): number {
    return this.#reflector.silentMs;
  }

  /** Whether a namespace has objects of it. */
  has(namespace: string): boolean {
    return this.#objects.has(namespace);
  }

  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
  }

  /** One namespace of it. Starting a view tells what is there already, stopping it ends nothing but its own news. */
  view(namespace: string, onChange: (names: readonly string[]) => void): WatchedCollection {
    const shared = this.#reflector;
    const objects = (): ReadonlyMap<string, KubeObject> => this.#objects.get(namespace) ?? NONE;
    return {
      get objects() {
        return objects();
      },
      get resourceVersion() {
        return shared.resourceVersion;
      },
      get synced() {
        return shared.synced;
      },
      get silentMs() {
        return shared.silentMs;
      },
      start: () => {
        const followers = this.#views.get(namespace) ?? new Set();
        this.#views.set(namespace, followers.add(onChange));
        if (shared.synced) onChange([...objects().keys()]);
      },
      stop: async () => {
        const followers = this.#views.get(namespace);
        followers?.delete(onChange);
        if (followers?.size === 0) this.#views.delete(namespace);
      },
    };
  }

  #changed(keys: readonly string[]): void {
    const changed = new Map<string, string[]>();
    for (const key of keys) {
      const [namespace = '', name = ''] = key.split('/');
      const object = this.#reflector.objects.get(key);
      const objects = this.#objects.get(namespace) ?? new Map<string, KubeObject>();
      if (object === undefined) objects.delete(name);
      else objects.set(name, object);
      if (objects.size > 0) this.#objects.set(namespace, objects);
      else this.#objects.delete(namespace);
      const names = changed.get(namespace) ?? [];
      names.push(name);
      changed.set(namespace, names);
    }
    // That there is nothing is news too, once: who waits for the first list of a namespace without objects must hear of it.
    if (!this.#listed) {
      this.#listed = true;
      for (const namespace of this.#views.keys()) if (!changed.has(namespace)) changed.set(namespace, []);
    }
    this.#onNamespaces([...changed.keys()]);
    for (const [namespace, names] of changed)
      for (const onChange of this.#views.get(namespace) ?? []) onChange(names);
  }
}

function keyOf({ metadata: { namespace = '', name } }: KubeObject): string {
  return `${namespace}/${name}`;
}
