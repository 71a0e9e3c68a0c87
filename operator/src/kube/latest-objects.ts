import type { KubeObject } from './kube-object.ts';

/**
 * Objects as last heard, by a reflector or in the answer to an own write, whichever is newer: who acts on a copy that does not yet show its own last write
 * writes the same again.
 *
 * Example: `const latest = new LatestObjects(() => reflector.objects); latest.wrote(name, body); latest.get(name)`
 */
export class LatestObjects {
  readonly #heard: () => ReadonlyMap<string, KubeObject>;
  /** What was written and not yet heard; `undefined` = deleted. */
  readonly #written = new Map<string, KubeObject | undefined>();

  constructor(heard: () => ReadonlyMap<string, KubeObject>) {
    this.#heard = heard;
  }

  get(name: string): KubeObject | undefined {
    const heard = this.#heard().get(name);
    if (!this.#written.has(name)) return heard;
    const written = this.#written.get(name);
    if (written === undefined) return undefined;
    return heard !== undefined && isNewer(heard, written) ? heard : written;
  }

  names(): readonly string[] {
    const names = new Set(this.#heard().keys());
    for (const [name, written] of this.#written) {
      if (written === undefined) names.delete(name);
      else names.add(name);
    }
    return [...names];
  }

  wrote(name: string, object: KubeObject): void {
    this.#written.set(name, object);
  }

  deleted(name: string): void {
    this.#written.set(name, undefined);
  }

  /**
   * The reflector has news of these: own writes that it knows by now need not be kept. Returns those whose news are not just an own write.
   */
  heard(names: readonly string[]): readonly string[] {
    return names.filter((name) => {
      const isOwn = this.#written.has(name);
      const written = this.#written.get(name);
      const heard = this.#heard().get(name);
      if (written !== undefined && heard !== undefined) {
        if (isNewer(heard, written)) this.#written.delete(name);
        // Older than the own write, or the own write itself.
        return isNewer(heard, written) && !isNewer(written, heard);
      }
      // Of an own delete the reflector tells once.
      this.#written.delete(name);
      return !(isOwn && written === undefined && heard === undefined);
    });
  }
}

/** Resource versions of one resource type compare as numbers (Kubernetes 1.35; true of etcd ever since). */
function isNewer(heard: KubeObject, written: KubeObject): boolean {
  return versionOf(heard) >= versionOf(written);
}

function versionOf({ metadata: { resourceVersion = '' } }: KubeObject): bigint {
  return /^\d+$/.test(resourceVersion) ? BigInt(resourceVersion) : 0n;
}
