/**
 * Shards of a cluster: each is led by one pod. Few enough that a pod tells all of them what it holds within a second after a change, many
 * enough that the load of a hundred pods' leaders is even. All pods of a cluster must agree, so it is no setting.
 */
export const SHARDS = 64;

/**
 * The shard that leads a key: by its destination (group, else site), so that all keys of one destination are taken in one request; a broad key
 * (source, tenant alone) by its own id.
 *
 * Example: `shardOf({ id: 'per-site|Site=mx.example', shard: 'mx.example' }) === shardOf({ id: 'per-source-site|…', shard: 'mx.example' })`
 */
export function shardOf({ id, shard }: { readonly id: string; readonly shard: string }): number {
  return hash32(shard === '' ? `\n${id}` : shard) % SHARDS;
}

/** FNV-1a over UTF-16 units, with the mixing of murmur3 behind it: short texts that differ in one letter must be far apart. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return mix32(hash);
}

/** The mixing at the end of murmur3: every bit of the result hangs on every bit of the number. */
export function mix32(number: number): number {
  let hash = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
