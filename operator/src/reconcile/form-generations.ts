import { type ResourceStatus, resourceKey } from '@sluice/crds';

interface Form {
  readonly hash: string;
  readonly since: number;
}

/**
 * In which set of ConfigMaps each form in force was first: a pod that runs that set or a later one runs the form, whatever else changed since. Pure.
 *
 * Example: `forms.published(compiled.statuses, 1_732_449_600); forms.since('EgressPool/shared-a')`
 */
export class FormGenerations {
  #forms: ReadonlyMap<string, Form> = new Map();

  /** What the ConfigMaps hold when this operator begins to lead: how long they have held it is not known, so it counts as new as they are. */
  begin(hashes: ReadonlyMap<string, string>, generation: number): void {
    this.#forms = new Map([...hashes].map(([key, hash]) => [key, { hash, since: generation }]));
  }

  clear(): void {
    this.#forms = new Map();
  }

  /** A set was published. Returns the keys of forms that none of before had. */
  published(statuses: readonly ResourceStatus[], generation: number): readonly string[] {
    const next = new Map<string, Form>();
    const fresh: string[] = [];
    for (const status of statuses) {
      const { formHash: hash } = status;
      if (hash === undefined) continue;
      const key = resourceKey(status);
      const known = this.#forms.get(key);
      if (known?.hash === hash) next.set(key, known);
      else {
        next.set(key, { hash, since: generation });
        fresh.push(key);
      }
    }
    this.#forms = next;
    return fresh;
  }

  /** Generation of the first set that has the form in force; 0 = nothing is in force. */
  since(key: string): number {
    return this.#forms.get(key)?.since ?? 0;
  }
}
