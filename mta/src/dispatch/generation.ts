import type { EgressConfig, PoolConfig } from '@sluice/crds';
import type { DirectiveSet } from '../react/mod.ts';
import type { Router } from '../route/mod.ts';
import { Destinations } from './destinations.ts';
import { PoolChoice, type TenantLabels } from './pool-choice.ts';

/** One configuration in force and everything derived from it. Replaced as a whole: what holds an old one notices by identity. */
export interface Generation {
  /** Rises with every configuration of this process: bounds of an older one never replace those of a newer one. */
  readonly number: number;
  readonly config: EgressConfig;
  readonly pools: ReadonlyMap<string, PoolConfig>;
  readonly poolChoice: PoolChoice;
  readonly destinations: Destinations;
  /** What holds for a while besides. */
  readonly directives: DirectiveSet;
}

export function newGeneration(
  number: number,
  config: EgressConfig,
  directives: DirectiveSet,
  router: Router,
  tenantLabels: TenantLabels,
): Generation {
  return {
    number,
    config,
    pools: new Map(config.pools.map((pool) => [pool.name, pool])),
    poolChoice: new PoolChoice(config, tenantLabels),
    destinations: new Destinations(config, router),
    directives,
  };
}

/** The same configuration under other directives: limits are resolved anew. */
export function withDirectives(before: Generation, directives: DirectiveSet, router: Router): Generation {
  return {
    ...before,
    number: before.number + 1,
    destinations: new Destinations(before.config, router),
    directives,
  };
}
