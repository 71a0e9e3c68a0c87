import type { KubeObject } from './kube-object.ts';

/** What a reflector has heard, and up to which version. */
export interface Heard {
  readonly objects: ReadonlyMap<string, KubeObject>;
  readonly resourceVersion: string;
}

/**
 * Objects as last heard, by a reflector or in the answer to an own write, whichever is newer: who acts on a copy that does not yet show its own last write
 * writes the same again. Once the reflector has got to the version of an own write, only what it says counts: the object may be gone since.
 *
 * Example: `const latest = new LatestObjects(reflector); latest.wrote(name, body); latest.get(name)`
 */
export class LatestObjects {
  readonly #heard: Heard;
  /** What was written; `undefined` = deleted, until there is news. */
  readonly #written = new Map<string, KubeObject | undefined>();

  constructor(heard: Heard) {
    this.#heard = heard;
  }

  get(name: string): KubeObject | undefined {
    if (!this.#written.has(name)) return this.#heard.objects.get(name);
    const written = this.#written.get(name);
    return written !== undefined && this.#isHeard(written) ? this.#heard.objects.get(name) : written;
  }

  names(): readonly string[] {
    const names = [...new Set([...this.#heard.objects.keys(), ...this.#written.keys()])];
    return names.filter((name) => this.get(name) !== undefined);
  }

  wrote(name: string, object: KubeObject): void {
    this.#written.set(name, object);
  }

  deleted(name: string): void {
    this.#written.set(name, undefined);
  }

  /** The reflector has news of these. Returns those whose news are more than an own write. */
  heard(names: readonly string[]): readonly string[] {
    return names.filter((name) => {
      if (!this.#written.has(name)) return true;
      const written = this.#written.get(name);
      const heard = this.#heard.objects.get(name);
      if (written === undefined) {
        this.#written.delete(name);
        return heard !== undefined;
      }
      if (!this.#isHeard(written)) return false;
      this.#written.delete(name);
      return heard?.metadata.resourceVersion !== written.metadata.resourceVersion;
    });
  }

  #isHeard({ metadata: { resourceVersion = '' } }: KubeObject): boolean {
    return versionOf(this.#heard.resourceVersion) >= versionOf(resourceVersion);
  }
}

/** Resource versions of one resource type compare as numbers (promised since Kubernetes 1.35; true of etcd ever since). */
function versionOf(resourceVersion: string): bigint {
  return /^\d+$/.test(resourceVersion) ? BigInt(resourceVersion) : 0n;
}
