import type { ConfigSet } from '@sluice/crds';
import type { KubeObject } from '../kube/mod.ts';
import { isAsWanted, type ShardConfigMap, shardConfigMap, shardIn } from './shard-config-map.ts';

/** What to do to the ConfigMaps of a release, in this order. */
export type ShardWrite =
  | { readonly type: 'Apply'; readonly configMap: ShardConfigMap }
  | { readonly type: 'Delete'; readonly name: string };

export interface ShardPlan {
  readonly generation: number;
  /** One after the other; the writes of one step may be done side by side. */
  readonly steps: readonly (readonly ShardWrite[])[];
}

/**
 * The writes that make the ConfigMaps of a release hold a set: those that are not there yet, then those that are, then surplus is deleted. So whoever reads in
 * between finds the old set, the new one, or an incomplete one — never a form in none — and an operator that dies in between leaves work, no damage.
 *
 * @param existing ConfigMaps with the release's label
 * @param nowS wall clock, seconds: where all ConfigMaps were deleted by hand, the next set must still be newer to pods that run the last one
 */
export function shardWrites(
  existing: readonly KubeObject[],
  set: ConfigSet,
  {
    release,
    namespace,
    nowS,
  }: { readonly release: string; readonly namespace: string; readonly nowS: number },
): ShardPlan {
  const headers = existing.flatMap((object) => shardIn(object)?.header ?? []);
  const last = Math.max(0, ...headers.map(({ generation }) => generation));
  const isThere = headers.some(
    ({ generation, setHash, count }) => generation === last && setHash === set.setHash && count === set.count,
  );
  const generation = isThere ? last : Math.max(last + 1, Math.floor(nowS));
  const byName = new Map(existing.map((object) => [object.metadata.name, object]));
  const wanted = set.shards(generation).map((shard) => shardConfigMap(release, namespace, shard));
  const names = new Set(wanted.map(({ metadata }) => metadata.name));
  const created = wanted.filter(({ metadata }) => !byName.has(metadata.name));
  const changed = wanted.filter((configMap) => {
    const object = byName.get(configMap.metadata.name);
    return object !== undefined && !isAsWanted(object, configMap);
  });
  const surplus = [...byName.keys()].filter((name) => !names.has(name)).toSorted();
  return {
    generation,
    steps: [
      created.map((configMap) => ({ type: 'Apply', configMap }) as const),
      changed.map((configMap) => ({ type: 'Apply', configMap }) as const),
      surplus.map((name) => ({ type: 'Delete', name }) as const),
    ].filter((step) => step.length > 0),
  };
}
