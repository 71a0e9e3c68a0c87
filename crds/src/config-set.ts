import { type ConfigShard, unpack } from './config-shard.ts';
import type { EgressConfig } from './egress-config.ts';
import { parseEgressConfig } from './egress-config-schema.ts';

/** A set that is whole. */
export interface WholeSet {
  readonly generation: number;
  readonly setHash: string;
  readonly config: EgressConfig;
}

/**
 * Puts the newest set together of which all shards are there. Shards of several sets may lie side by side: an operator is writing.
 *
 * Example: `const found = newestSet(shards); if ('set' in found && found.set.generation > now) use(found.set.config)`
 */
export function newestSet(
  shards: readonly ConfigShard[],
): { readonly set: WholeSet } | { readonly missing: string } {
  const sets = Map.groupBy(shards, ({ header }) => `${header.generation}/${header.setHash}/${header.count}`);
  const whole = [...sets.values()].filter(isWhole).toSorted((a, b) => generationOf(b) - generationOf(a));
  const [newest] = whole;
  const [header] = newest?.map((shard) => shard.header) ?? [];
  if (newest === undefined || header === undefined) return { missing: missing(shards) };
  const parts = newest.toSorted((a, b) => a.header.index - b.header.index).map(({ config }) => config);
  const text = unpack(Buffer.concat(parts));
  if (text === undefined) return { missing: `the set of generation ${header.generation} cannot be unpacked` };
  const parsed = parseEgressConfig(text);
  if ('problem' in parsed) return { missing: parsed.problem.what };
  const { generation, setHash } = header;
  return { set: { generation, setHash, config: parsed.config } };
}

function isWhole(shards: readonly ConfigShard[]): boolean {
  const indexes = new Set(shards.map(({ header }) => header.index));
  return shards[0]?.header.count === indexes.size && indexes.size === shards.length;
}

function generationOf(shards: readonly ConfigShard[]): number {
  return shards[0]?.header.generation ?? 0;
}

function missing(shards: readonly ConfigShard[]): string {
  const [last] = shards.toSorted((a, b) => b.header.generation - a.header.generation);
  if (last === undefined) return 'there is no shard of a configuration';
  const { generation, count } = last.header;
  const there = shards.filter(({ header }) => header.setHash === last.header.setHash).length;
  return `of the set of generation ${generation} there are ${there} of ${count} shards`;
}
