import { API_VERSION, type CompileInput, type ResourceKind, resourceInput, resourceKey } from '@sluice/crds';
import type { KubeObject } from '../kube/mod.ts';

export interface GivenObject {
  readonly kind: ResourceKind;
  readonly object: KubeObject;
}

interface Read {
  readonly uid: string | undefined;
  readonly generation: number | undefined;
  readonly input: CompileInput;
}

/**
 * Reads objects as `compile` wants them, each form once: of thousands one changes at a time. The API server raises the generation with each change of a spec.
 *
 * Example: `const inputs = cache.read([{ kind: 'EgressPool', object }])`
 */
export class InputCache {
  #known: ReadonlyMap<string, Read> = new Map();

  read(given: readonly GivenObject[]): readonly CompileInput[] {
    const next = new Map<string, Read>();
    const inputs = given.map(({ kind, object }) => {
      const { name, uid, generation } = object.metadata;
      const key = resourceKey({ kind, name });
      const known = this.#known.get(key);
      const isSame = known !== undefined && known.uid === uid && known.generation === generation;
      const read = isSame
        ? known
        : { uid, generation, input: resourceInput(kind, name, { apiVersion: API_VERSION, kind, ...object }) };
      next.set(key, read);
      return read.input;
    });
    this.#known = next;
    return inputs;
  }
}
